import type * as z from 'zod';
import { agentAbilities } from '../../domain/agent/events.ts';
import { endClasses, failureClasses } from '../../domain/build/failure-class.ts';
import { baseName, count, identifier, instant, sha256Text, shortText, tags } from '../../domain/event.ts';
import { storeItem } from '../../domain/item/events.ts';
import { buildOptions } from '../../domain/submission/events.ts';

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly keyType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly entries?: Readonly<Record<string, string>>;
  readonly options?: readonly z.ZodType[];
  readonly values?: readonly unknown[];
}
const definitionOf = (schema: z.ZodType): Definition => schema.def as unknown as Definition;

/** Schemas that are explained once, by the name that a reader sees. */
export const namedSchemas: readonly (readonly [schema: z.ZodType, name: string, meaning: string])[] = [
  [baseName, 'base name', 'base name of a store path: `<hash>-<name>`'],
  [sha256Text, 'sha256', '`sha256:` and 52 nix-base32 characters'],
  [instant, 'instant', 'milliseconds since the Unix epoch'],
  [count, 'count', 'whole number, 0 or more'],
  [identifier, 'identifier', 'up to 64 of `[0-9a-zA-Z._-]`'],
  [shortText, 'text', 'up to 4,096 characters'],
  [tags, 'tags', 'object of texts: key to value'],
  [buildOptions, 'build options', 'see below'],
  [agentAbilities, 'abilities', 'see below'],
  [storeItem, 'store item', 'see StoreItemAdded'],
];

export interface FieldText {
  readonly name: string;
  readonly optional: boolean;
  readonly type: string;
}

/** Fields of an object schema with their types in words. */
export function fieldTexts(schema: z.ZodType): readonly FieldText[] {
  const { type } = definitionOf(schema);
  if (type !== 'object') throw new Error(`expected an object schema, got ${type}`);
  return Object.entries((schema as z.ZodObject).shape).map(([name, member]) => {
    const { type: kind, innerType } = definitionOf(member as z.ZodType);
    const optional = kind === 'optional';
    return { name, optional, type: typeText(optional ? (innerType as z.ZodType) : (member as z.ZodType)) };
  });
}

/** A schema in words, for a cell of a table. */
export function typeText(schema: z.ZodType): string {
  const named = namedSchemas.find(([known]) => known === schema);
  if (named !== undefined) return named[1];
  const { type, innerType, element, keyType, valueType, entries, options, values } = definitionOf(schema);
  switch (type) {
    case 'string':
      return stringText(schema as z.ZodString);
    case 'number':
      return numberText(schema as z.ZodNumber);
    case 'boolean':
      return 'true or false';
    case 'literal':
      return (values ?? []).map((value) => `\`${String(value)}\``).join(' or ');
    case 'enum':
      return enumText(Object.values(entries ?? {}));
    case 'array':
      return `list of ${typeText(element as z.ZodType)}`;
    case 'record':
      return `object: ${typeText(keyType as z.ZodType)} to ${typeText(valueType as z.ZodType)}`;
    case 'object':
      return `object: ${fieldTexts(schema)
        .map(({ name, optional, type: inner }) => `\`${name}\`${optional ? ' (optional)' : ''} ${inner}`)
        .join(', ')}`;
    case 'union':
      return (options ?? []).map(typeText).join(' or ');
    case 'optional':
    case 'default':
    case 'prefault':
      return typeText(innerType as z.ZodType);
    default:
      throw new Error(`expected a kind of schema that can be put in words, got ${type}`);
  }
}

function enumText(values: readonly string[]): string {
  if (values.length === failureClasses.length && values.every((value, index) => value === failureClasses[index]))
    return 'failure class';
  if (values.length === endClasses.length && values.every((value, index) => value === endClasses[index]))
    return 'failure class, or `agent-lost`';
  return values.map((value) => `\`${value}\``).join(', ');
}

function stringText(schema: z.ZodString): string {
  const pattern = (
    schema as unknown as { def: { checks?: readonly { _zod: { def: { pattern?: RegExp } } }[] } }
  ).def.checks?.find((check) => check._zod.def.pattern !== undefined)?._zod.def.pattern;
  if (pattern !== undefined) return `text like \`${pattern.source.replaceAll('|', '\\|')}\``;
  return schema.maxLength === null ? 'text' : `text, up to ${schema.maxLength} characters`;
}

function numberText(schema: z.ZodNumber): string {
  const least = schema.minValue;
  const most = schema.maxValue;
  const kind = schema.format === 'safeint' ? 'whole number' : 'number';
  const bounded = most !== null && Number.isFinite(most) && most < Number.MAX_SAFE_INTEGER;
  if (least === null || !Number.isFinite(least) || least <= Number.MIN_SAFE_INTEGER) return kind;
  return bounded ? `${kind}, ${least} to ${most}` : `${kind}, ${least} or more`;
}
