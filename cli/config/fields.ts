import type * as z from 'zod';

/** One setting, as a schema declares it, under its three names. */
export interface Field {
  /** Place in the parsed config: `['limits', 'maxNarBytes']`. */
  readonly path: readonly string[];
  /** Name in a TOML file, tables joined by dots: `limits.max-nar-bytes`. */
  readonly key: string;
  /** `limits-max-nar-bytes`, without the dashes in front. */
  readonly flag: string;
  /** `DROVER_LIMITS_MAX_NAR_BYTES`. */
  readonly variable: string;
  /** `tables`: an array of tables, which only a file can hold; it has no flag and no variable. */
  readonly type: 'string' | 'number' | 'boolean' | 'list' | 'map' | 'tables';
  /** Of tables, what each of them is. */
  readonly element?: z.ZodType;
  /** Of a number that is written as `20G`, too: {@link parseBytes}. */
  readonly unit?: 'bytes';
  /** For a setting that is one of a few words. */
  readonly choices?: readonly string[];
  /** `undefined`: there is none. */
  readonly fallback: unknown;
  readonly required: boolean;
  readonly secret: boolean;
  readonly description: string;
}

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly defaultValue?: unknown;
  readonly element?: z.ZodType;
  readonly entries?: Readonly<Record<string, string>>;
}
const definitionOf = (schema: z.ZodType): Definition => schema.def as unknown as Definition;

const metaOf = (schema: z.ZodType): { readonly description?: string | undefined; readonly unit?: unknown } =>
  schema.meta() ?? {};

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** All settings of a config schema: an object of scalars, lists, objects of those, and arrays of tables. Throws on any other schema. */
export function fieldsOf(schema: z.ZodObject, path: readonly string[] = []): readonly Field[] {
  return Object.entries(schema.shape).flatMap(([name, member]) => fieldOf(member as z.ZodType, [...path, name]));
}

function fieldOf(member: z.ZodType, path: readonly string[]): readonly Field[] {
  let inner = member;
  let fallback: unknown;
  let required = true;
  let { description, unit } = metaOf(member);
  for (;;) {
    const { type, innerType, in: input, defaultValue } = definitionOf(inner);
    if (type === 'default' || type === 'prefault' || type === 'optional') required = false;
    if (type === 'default' || type === 'prefault') fallback = defaultValue;
    const next = innerType ?? (type === 'pipe' ? input : undefined);
    if (next === undefined) break;
    inner = next;
    description ??= metaOf(inner).description;
    unit ??= metaOf(inner).unit;
  }
  const { type, entries, element } = definitionOf(inner);
  if (type === 'object') return fieldsOf(inner as z.ZodObject, path);
  const words = path.map(kebab);
  const tables = type === 'array' && element && isTable(element) ? element : undefined;
  const flag = words.join('-');
  return [
    {
      path,
      key: words.join('.'),
      flag,
      variable: `DROVER_${flag.replaceAll('-', '_').toUpperCase()}`,
      type: tables ? 'tables' : fieldType(type, path),
      ...(tables && { element: tables }),
      ...(unit === 'bytes' && { unit }),
      ...(entries === undefined ? {} : { choices: Object.values(entries) }),
      fallback,
      required,
      secret: /(token|secret|password)$/i.test(path.at(-1) ?? ''),
      description: description ?? '',
    },
  ];
}

/** The keys of the table at `path` within a schema, as a file has them; none where there is no table. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const { type, innerType, out } = definitionOf(schema);
  const inner = innerType ?? (type === 'pipe' ? out : undefined);
  if (inner !== undefined) return keysAt(inner, path);
  if (type !== 'object') return [];
  const { shape } = schema as z.ZodObject;
  const [first, ...rest] = path;
  if (first === undefined) return Object.keys(shape).map(kebab);
  const member = shape[String(first)] as z.ZodType | undefined;
  return member === undefined ? [] : keysAt(member, rest);
}

/** What is made out of something else, as by a preprocess, is taken for what comes out. */
function isTable(element: z.ZodType): boolean {
  const { type, out } = definitionOf(element);
  return type === 'object' || (type === 'pipe' && out !== undefined && isTable(out));
}

function fieldType(type: string, path: readonly string[]): Field['type'] {
  if (type === 'number' || type === 'boolean') return type;
  if (type === 'array') return 'list';
  if (type === 'record') return 'map';
  if (type === 'string' || type === 'enum' || type === 'union') return 'string';
  throw new Error(`config field ${path.join('.')}: expected a scalar, a list or an object, got ${type}`);
}
