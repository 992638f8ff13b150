import { readFileSync, statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type * as z from 'zod';
import { octal, quoted } from '../../adapters/data-dir/private-folder.ts';
import { CliError } from '../output/cli-error.ts';
import { type Field, fieldsOf } from './fields.ts';
import { type LoadedConfig, loadConfig } from './load.ts';

/** Gives a command one flag per setting of `schema`, and `--config`. */
export function addConfigOptions(command: Command, schema: z.ZodObject): void {
  command.option('--config <file>', 'TOML file with settings (env: DROVER_CONFIG)');
  for (const field of fieldsOf(schema)) {
    if (field.type === 'tables') continue;
    const option = new Option(flagSyntax(field), describe(field));
    if (field.choices !== undefined) option.choices([...field.choices]);
    command.addOption(option);
  }
}

const placeholders = { string: 'value', number: 'n', list: 'a,b', map: 'key=value', tables: '' } as const;

function flagSyntax({ flag, type, unit }: Field): string {
  if (type === 'boolean') return `--${flag} [bool]`;
  return `--${flag} <${unit ?? placeholders[type]}>`;
}

function describe({ description, fallback, variable }: Field): string {
  const shown = showSetting(fallback);
  const suffix = shown === undefined || shown === '' ? '' : `; default ${shown}`;
  return `${description.replace(/\.$/, '')} (env: ${variable}${suffix})`;
}

/** The config that a command's flags, the environment and the file make. Throws a {@link CliError} with every problem; `elsewhere` is what helps where the file has settings of a neighbour. */
export function configFrom<Schema extends z.ZodObject>(
  command: Command,
  schema: Schema,
  neighbours: readonly z.ZodObject[],
  environment: NodeJS.ProcessEnv,
  elsewhere?: string,
): LoadedConfig<z.infer<Schema>> {
  const options = command.opts<Record<string, unknown>>();
  const flags: Record<string, unknown> = {};
  for (const field of fieldsOf(schema)) {
    const given = options[camel(field.flag)];
    if (given !== undefined) flags[field.flag] = given;
  }
  const name = (options.config as string | undefined) ?? environment.DROVER_CONFIG;
  const file = name === undefined ? undefined : { name, text: readConfigFile(name) };
  const loaded = loadConfig(schema, { flags, environment, ...(file === undefined ? {} : { file }) }, neighbours);
  if ('problems' in loaded) {
    const { problems, ofNeighbour, inTables } = loaded;
    const settings = inTables ? undefined : `${callOf(command)} --help lists every setting`;
    const hint = ofNeighbour && elsewhere !== undefined ? elsewhere : settings;
    throw new CliError('invalid-config', problems.join('\n'), { hint, exitCode: 2 });
  }
  return loaded;
}

/** The words that call a command: `drover config check`. */
function callOf(command: Command): string {
  return command.parent === null ? command.name() : `${callOf(command.parent)} ${command.name()}`;
}

function readConfigFile(name: string): string {
  try {
    const text = readFileSync(name, 'utf8');
    if (passwordInUrl.test(text)) checkSecretFile(name, statSync(name));
    return text;
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError('invalid-config', `cannot read the config file ${name}: ${(error as Error).message}`, {
      exitCode: 2,
    });
  }
}

/** An address of an event store with a password in it. */
const passwordInUrl = /:\/\/[^\s/@"']*:[^\s/@"']+@/;

/** A service's group may read its configuration; nobody else may read a password, and nobody else may have written it. */
function checkSecretFile(name: string, { uid, mode }: { readonly uid: number; readonly mode: number }): void {
  const user = process.geteuid?.();
  if (user === undefined || ((uid === user || uid === 0) && (mode & 0o027) === 0)) return;
  throw new CliError(
    'unsafe-permissions',
    `the config file ${name} has a password in it: expected one of this user or root that others can neither read nor write, got uid ${uid}, mode ${octal(mode)}`,
    { exitCode: 2, hint: `chmod 640 ${quoted(name)}` },
  );
}

/** A setting's value on one line, as a flag would give it; `undefined` for none. */
export function showSetting(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  // Of tables, their names.
  if (Array.isArray(value)) return value.map((one) => (typeof one === 'object' ? one.name : one)).join(',');
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([key, each]) => `${key}=${String(each)}`)
      .join(',');
  return String(value);
}

/** commander's name for the value of a flag. */
const camel = (flag: string) => flag.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
