import type * as z from 'zod';
import { matcherOf } from '../../domain/quick-pattern.ts';

/**
 * Whether data are what a schema takes, and what it gives back. True only where that is certain; of what is false, the schema has to be
 * asked, which knows what is wrong with it, or what to leave out.
 */
export type QuickCheck = (data: unknown) => boolean;

type Definition = z.core.$ZodTypes['_zod']['def'];
type Check = z.core.$ZodChecks['_zod']['def'];

/**
 * The plain part of a schema as code that makes nothing: zod makes a result for each name in each list, and every event passes its schema
 * when it is written and whenever it is read. `undefined` of a schema with more than that in it, like a check of its own.
 */
export function quickCheckOf(schema: z.core.$ZodType): QuickCheck | undefined {
  const def = schema._zod.def as Definition;
  switch (def.type) {
    case 'string':
      return stringCheck(def);
    case 'number':
      return numberCheck(def);
    case 'boolean':
      return isPlain(def) ? (value) => typeof value === 'boolean' : undefined;
    case 'enum':
      return isPlain(def) ? oneOf(Object.values(def.entries)) : undefined;
    case 'literal':
      return isPlain(def) ? oneOf(def.values) : undefined;
    case 'array':
      return arrayCheck(def);
    case 'record':
      return recordCheck(def);
    case 'object':
      return objectCheck(def);
    default:
      return undefined;
  }
}

const isPlain = ({ checks = [] }: { readonly checks?: readonly unknown[] | undefined }): boolean => checks.length === 0;
const checksOf = ({ checks = [] }: Pick<Definition, 'checks'>): Check[] => checks.map(({ _zod }) => _zod.def as Check);

function oneOf(values: readonly unknown[]): QuickCheck | undefined {
  const known = new Set(values);
  return values.every((value) => typeof value === 'string' || typeof value === 'boolean')
    ? (value) => known.has(value)
    : undefined;
}

/** Shortest and longest, and what else there is to check. */
function lengths(checks: readonly Check[]): { min: number; max: number; others: Check[] } {
  let [min, max] = [0, Number.POSITIVE_INFINITY];
  const others: Check[] = [];
  for (const check of checks) {
    if (check.check === 'min_length') min = Math.max(min, check.minimum);
    else if (check.check === 'max_length') max = Math.min(max, check.maximum);
    else others.push(check);
  }
  return { min, max, others };
}

function stringCheck(
  def: Definition & { readonly coerce?: boolean; readonly format?: string },
): QuickCheck | undefined {
  const { min, max, others } = lengths(checksOf(def));
  const pattern = others[0]?.check === 'string_format' && others[0].format === 'regex' ? others[0].pattern : undefined;
  if (def.coerce || def.format !== undefined || others.length > (pattern ? 1 : 0)) return undefined;
  if (pattern === undefined) return (value) => typeof value === 'string' && value.length >= min && value.length <= max;
  if (pattern.global || pattern.sticky) return undefined;
  const matches = matcherOf(pattern);
  return (value) => typeof value === 'string' && value.length >= min && value.length <= max && matches(value);
}

function numberCheck(
  def: Definition & { readonly coerce?: boolean; readonly format?: string },
): QuickCheck | undefined {
  if (def.coerce || def.format !== 'safeint') return undefined;
  let [min, max] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  for (const check of checksOf(def)) {
    if (check.check === 'greater_than' && check.inclusive) min = Math.max(min, Number(check.value));
    else if (check.check === 'less_than' && check.inclusive) max = Math.min(max, Number(check.value));
    else if (check.check !== 'number_format' || check.format !== 'safeint') return undefined;
  }
  return (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

function arrayCheck(def: Extract<Definition, { type: 'array' }>): QuickCheck | undefined {
  const { min, max, others } = lengths(checksOf(def));
  const element = quickCheckOf(def.element);
  if (!element || others.length > 0) return undefined;
  return (value) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) return false;
    for (let at = 0; at < value.length; at++) if (!element(value[at])) return false;
    return true;
  };
}

function recordCheck(def: Extract<Definition, { type: 'record' }>): QuickCheck | undefined {
  const [key, value] = [quickCheckOf(def.keyType), quickCheckOf(def.valueType)];
  if (!key || !value || !isPlain(def) || def.keyType._zod.def.type !== 'string') return undefined;
  return (data) => {
    if (!isPlainObject(data)) return false;
    for (const name in data) if (name === '__proto__' || !key(name) || !value(data[name])) return false;
    return true;
  };
}

function objectCheck(def: Extract<Definition, { type: 'object' }>): QuickCheck | undefined {
  if (!isPlain(def)) return undefined;
  const isLoose = def.catchall?._zod.def.type === 'unknown';
  const names = Object.keys(def.shape);
  const fields: QuickCheck[] = [];
  for (const name of names) {
    const field = (def.shape[name] as z.core.$ZodType)._zod.def as Definition;
    const isOptional = field.type === 'optional' && isPlain(field);
    const check = quickCheckOf(isOptional ? field.innerType : (def.shape[name] as z.core.$ZodType));
    if (!check) return undefined;
    fields.push(isOptional ? (value) => value === undefined || check(value) : check);
  }
  return (data) => {
    if (!isPlainObject(data)) return false;
    // What is there and undefined is not counted, and so left to the schema.
    let [known, all] = [0, 0];
    for (const name in data) {
      if (name === '__proto__') return false;
      all++;
    }
    for (let at = 0; at < names.length; at++) {
      const value = data[names[at] as string];
      if (!(fields[at] as QuickCheck)(value)) return false;
      if (value !== undefined) known++;
    }
    return isLoose || known === all;
  };
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
