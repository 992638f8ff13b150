import { parse as parseToml } from 'smol-toml';
import type * as z from 'zod';
import { expectation, type Issue } from '../../domain/schema-issues.ts';
import { parseBytes } from '../numbers.ts';
import { type Field, fieldsOf, keysAt } from './fields.ts';
import { didYouMean } from './suggest.ts';

export interface ConfigSources {
  /** By the name of the flag, without dashes in front. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A TOML file that was read. */
  readonly file?: { readonly name: string; readonly text: string };
}

export interface LoadedConfig<Config> {
  readonly config: Config;
  /** Where each setting came from, by key: `--listen`, `DROVER_LISTEN`, the file's name, or `default`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Every problem of a config, each in a line. */
export interface RefusedConfig {
  readonly problems: readonly string[];
  /** Whether a setting of the file is one of a neighbour. */
  readonly ofNeighbour: boolean;
  /** Whether all are in tables such as `[[keep]]`, whose keys are no settings of their own. */
  readonly inTables: boolean;
}

/** `DROVER_…` variables that are not settings of a coordinator or an agent. */
const otherVariables = ['DROVER_URL', 'DROVER_TOKEN', 'DROVER_TOKEN_FILE', 'DROVER_CONTEXT', 'DROVER_CONFIG'];

/**
 * Puts a config together: flags before environment before file before defaults. Every problem is found in one go, each a
 * line that names the setting as the user wrote it.
 *
 * @param neighbours schemas whose variables may be in the same environment.
 */
export function loadConfig<Schema extends z.ZodObject>(
  schema: Schema,
  { flags, environment, file }: ConfigSources,
  neighbours: readonly z.ZodObject[] = [],
): LoadedConfig<z.infer<Schema>> | RefusedConfig {
  const fields = fieldsOf(schema);
  const others = neighbours.flatMap((neighbour) => fieldsOf(neighbour));
  const withoutTables = fields.filter(({ type }) => type !== 'tables');
  const problems: string[] = [];
  const values = new Map<Field, { readonly value: unknown; readonly origin: string }>();

  const unknown = file === undefined ? [] : readFile(file, fields, values, problems);
  // What would be said of the rest is wrong: it may be in that file.
  if (unknown === undefined) return { problems, ofNeighbour: false, inTables: false };
  const ofNeighbour = unknown.some((key) => others.some((other) => other.key === key));
  readEnvironment(environment, withoutTables, others, values, problems);
  for (const field of withoutTables) {
    const value = flags[field.flag];
    if (value === undefined) continue;
    const origin = `--${field.flag}`;
    values.set(field, { value: typeof value === 'string' ? fromText(field, value) : value, origin });
  }

  const raw: Record<string, unknown> = {};
  for (const [field, { value }] of values) place(raw, field.path, value);
  const parsed = schema.safeParse(raw);
  const issues = parsed.success ? [] : parsed.error.issues.flatMap(oneKeyEach);
  const inTables = problems.length === 0 && issues.every((issue) => fieldOf(issue, fields)?.type === 'tables');
  for (const issue of issues) problems.push(explain(issue, fields, values));
  if (!parsed.success || problems.length > 0) return { problems, ofNeighbour, inTables };
  const origins = new Map(fields.map((field) => [field.key, values.get(field)?.origin ?? 'default']));
  return { config: parsed.data, origins };
}

type Values = Map<Field, { readonly value: unknown; readonly origin: string }>;

/** The keys that are none of `fields`; `undefined` of a file that is no TOML. */
function readFile(
  file: { name: string; text: string },
  fields: readonly Field[],
  values: Values,
  problems: string[],
): readonly string[] | undefined {
  const unknown: string[] = [];
  let table: Record<string, unknown>;
  try {
    table = parseToml(file.text);
  } catch (error) {
    problems.push(`${file.name}: not valid TOML: ${error instanceof Error ? error.message.trim() : String(error)}`);
    return undefined;
  }
  const byKey = new Map(fields.map((field) => [field.key, field]));
  const visit = (node: Record<string, unknown>, prefix: string): void => {
    for (const [name, value] of Object.entries(node)) {
      const key = prefix + name;
      const field = byKey.get(key);
      if (field !== undefined) values.set(field, { value: inBytes(field, value), origin: file.name });
      else if (isTable(value) && fields.some((known) => known.key.startsWith(`${key}.`))) visit(value, `${key}.`);
      else {
        unknown.push(key);
        problems.push(`${file.name}: unknown key "${key}"${didYouMean(key, [...byKey.keys()])}`);
      }
    }
  };
  visit(table, '');
  return unknown;
}

function readEnvironment(
  environment: ConfigSources['environment'],
  fields: readonly Field[],
  neighbours: readonly Field[],
  values: Values,
  problems: string[],
): void {
  const known = new Map(fields.map((field) => [field.variable, field]));
  const foreign = new Set([...otherVariables, ...neighbours.map((field) => field.variable)]);
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('DROVER_') || name.startsWith('DROVER_TEST_') || text === undefined || text === '') continue;
    const field = known.get(name);
    if (field !== undefined) values.set(field, { value: fromText(field, text), origin: name });
    else if (!foreign.has(name)) {
      problems.push(`${name}: unknown variable${didYouMean(name, [...known.keys(), ...foreign])}`);
    }
  }
}

/** A number of bytes that is written with a unit; in a file, it is a text then. */
function inBytes(field: Field, value: unknown): unknown {
  if (field.unit !== 'bytes' || typeof value !== 'string') return value;
  const bytes = parseBytes(value);
  return Number.isNaN(bytes) ? value : bytes;
}

/** What a text stands for; a text that is not of the field's type is left for the schema to refuse. */
function fromText(field: Field, text: string): unknown {
  if (field.unit === 'bytes') return inBytes(field, text);
  if (field.type === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (field.type === 'boolean') {
    if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return true;
    if (['false', '0', 'no', 'off'].includes(text.toLowerCase())) return false;
    return text;
  }
  if (field.type !== 'list' && field.type !== 'map') return text;
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (field.type === 'list') return parts;
  return Object.fromEntries(
    parts.map((part) => [part.replace(/=.*$/s, ''), part.includes('=') ? part.slice(part.indexOf('=') + 1) : '']),
  );
}

function place(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let node = target;
  for (const name of path.slice(0, -1)) {
    node[name] ??= {};
    node = node[name] as Record<string, unknown>;
  }
  node[path.at(-1) as string] = value;
}

function fieldOf(issue: z.core.$ZodIssue, fields: readonly Field[]): Field | undefined {
  return fields.find(({ path }) => path.every((name, index) => issue.path[index] === name));
}

function explain(issue: z.core.$ZodIssue, fields: readonly Field[], values: Values): string {
  const field = fieldOf(issue, fields);
  if (field === undefined) return `${issue.path.join('.') || 'config'}: ${issue.message}`;
  const given = values.get(field);
  if (given === undefined) {
    return `${field.key} is needed: give --${field.flag}, ${field.variable} or ${field.key} in the config file (${field.description})`;
  }
  const name =
    given.origin.startsWith('--') || given.origin.startsWith('DROVER_')
      ? given.origin
      : `${given.origin}: ${field.key}`;
  const isZods = /^(?:Invalid input|Invalid option|Too small|Too big): /.test(issue.message);
  const message = isZods ? `expected ${expectation(issue as unknown as Issue)}` : issue.message;
  if (field.type === 'tables') return `${name}${placeIn(field, issue, message, given.value)}`;
  // What a check of several values together has to say, it says itself.
  if (message.includes(', got ')) return `${name}: ${message}`;
  if (field.unit === 'bytes' && typeof given.value === 'string') {
    return `${name}: expected a number of bytes, like 1048576, 50M or 2G, got ${JSON.stringify(given.value)}`;
  }
  const inner = issue.path.slice(field.path.length);
  const wrong = inner.reduce<unknown>(
    (node, step) => (node as Record<PropertyKey, unknown> | undefined)?.[step],
    given.value,
  );
  // A password in an address is one wherever it stands.
  const shown = JSON.stringify(wrong ?? given.value).replaceAll(/(\w:\/\/)[^/?#\s"]*@/g, '$1…@');
  const got = field.secret ? '(hidden)' : shown;
  return `${name}: ${message}, got ${got}`;
}

/** Each unknown key is a problem of its own. */
function oneKeyEach(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  return issue.code === 'unrecognized_keys' ? issue.keys.map((key) => ({ ...issue, keys: [key] })) : [issue];
}

function inFile(key: PropertyKey): string {
  return String(key).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What is wrong with one of several tables: which, by its name where it has one, and which key of it, as the file has them. */
function placeIn(field: Field, issue: z.core.$ZodIssue, message: string, tables: unknown): string {
  const [index, ...keys] = issue.path.slice(field.path.length);
  if (index === undefined)
    return isTable(tables) ? `: expected [[${field.key}]], one for each, got [${field.key}]` : `: ${message}`;
  const table: unknown = Array.isArray(tables) ? tables[Number(index)] : undefined;
  const name = isTable(table) && typeof table.name === 'string' ? JSON.stringify(table.name) : Number(index) + 1;
  const kebab = keys.map(inFile);
  const at = [name, ...(kebab.length === 0 ? [] : [kebab.join('.')])].join(', ');
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys.map(inFile).join(', ');
    return ` ${at}: unknown key "${unknown}"${meantOf(unknown, field.element ? keysAt(field.element, keys) : [])}`;
  }
  return ` ${at}: ${message}${kebab.length === 0 ? '' : foundAt(kebab, table)}`;
}

/** What a table has at a key, where that is worth a word: of one whose parent is not there either, it is the parent that is wrong. */
function foundAt(keys: readonly string[], table: unknown): string {
  const valueAt = (path: readonly string[]): unknown =>
    path.reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], table);
  const got = valueAt(keys);
  if (got === undefined) return isTable(valueAt(keys.slice(0, -1))) ? ', got nothing' : '';
  return isTable(got) ? '' : `, got ${JSON.stringify(got)}`;
}

/** As --help has no keys of such tables, all are said where none is close. */
function meantOf(unknown: string, known: readonly string[]): string {
  return didYouMean(unknown, known) || (known.length === 0 ? '' : `; it has ${known.join(', ')}`);
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
