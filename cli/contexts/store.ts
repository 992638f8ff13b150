import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { octal, quoted } from '../../adapters/data-dir/private-folder.ts';
import { CliError } from '../output/cli-error.ts';

/** A coordinator that somebody has logged in at. */
export interface Context {
  readonly url: string;
  readonly token: string;
}

export interface Contexts {
  /** The one that is used where nothing else is said. */
  readonly current?: string;
  readonly contexts: Readonly<Record<string, Context>>;
}

const none: Contexts = { contexts: {} };
const fileName = 'contexts.json';

/** Where contexts are kept: `drover` in the user's folder of settings (XDG Base Directory Specification); `undefined` where there is none. */
function folderOf({ XDG_CONFIG_HOME: config, HOME: home }: NodeJS.ProcessEnv): string | undefined {
  if (config?.startsWith('/')) return join(config, 'drover');
  return home ? join(home, '.config', 'drover') : undefined;
}

/** All contexts of the user. Refuses a file with tokens that others could have read or written. */
export function readContexts(environment: NodeJS.ProcessEnv): Contexts {
  const folder = folderOf(environment);
  if (folder === undefined) return none;
  const file = join(folder, fileName);
  let handle: number;
  try {
    // Or it would wait for whoever writes into a pipe.
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return none;
    throw unusable(file, (error as Error).message);
  }
  try {
    const itself = fstatSync(handle);
    if (!itself.isFile()) throw unusable(file, 'expected a file, got something else', afresh);
    for (const [path, found] of [[folder, statSync(folder)] as const, [file, itself] as const]) {
      const user = process.geteuid?.();
      if (user === undefined || (found.uid === user && (found.mode & 0o077) === 0)) continue;
      throw new CliError(
        'unsafe-permissions',
        `${path} has tokens in it: expected one of this user (uid ${user}) that nobody else can reach, got uid ${found.uid}, mode ${octal(found.mode)}`,
        { exitCode: 2, hint: `chmod go= ${quoted(path)}; others may know the tokens: drover tokens revoke` },
      );
    }
    return parse(file, readFileSync(handle, 'utf8'));
  } finally {
    closeSync(handle);
  }
}

/** Changes the contexts, whole or not at all. */
export function writeContexts(environment: NodeJS.ProcessEnv, contexts: Contexts): string {
  const folder = folderOf(environment);
  if (folder === undefined)
    throw new CliError('no-home', 'expected HOME or XDG_CONFIG_HOME, to keep the token below it', { exitCode: 2 });
  const file = join(folder, fileName);
  // One that is a link, as into a folder of dotfiles, stays one.
  const target = followed(file);
  const beside = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    // A new one is closed by its mode; one that is there was looked at when it was read, unless it has no file yet.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
    const handle = openSync(beside, 'wx', 0o600);
    try {
      writeFileSync(handle, `${JSON.stringify(contexts, null, 2)}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(beside, target);
  } catch (error) {
    rmSync(beside, { force: true });
    throw unusable(file, (error as Error).message);
  }
  return file;
}

/** Where the file is, or will be: what links say, also one to a file that is not there yet. */
function followed(file: string): string {
  let target = file;
  for (let links = 0; links < 40; links++) {
    if (lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return target;
    target = resolve(dirname(target), readlinkSync(target));
  }
  return file;
}

function parse(file: string, text: string): Contexts {
  let value: Partial<Contexts>;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unusable(file, `expected JSON: ${(error as Error).message}`, afresh);
  }
  const { current, contexts } = value ?? {};
  const entries = Object.entries(typeof contexts === 'object' && contexts !== null ? contexts : { '': undefined });
  for (const [name, context] of entries)
    if (typeof context?.url !== 'string' || typeof context.token !== 'string')
      throw unusable(file, `expected contexts with url and token, got another for ${JSON.stringify(name)}`, afresh);
  return {
    ...(typeof current === 'string' && { current }),
    contexts: Object.fromEntries(entries as [string, Context][]),
  };
}

const afresh = 'mend it, or move it away and log in again: drover login URL';

const unusable = (file: string, message: string, hint?: string): CliError =>
  new CliError('contexts-unusable', `${file}: ${message}`, { exitCode: 2, hint });

/** The context of that name. @param exitCode where there is none: 2 where it was to be used, 1 where it was asked for itself. */
export function contextNamed({ contexts }: Contexts, name: string, exitCode: 1 | 2): Context {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(contexts);
  throw new CliError(
    'unknown-context',
    `expected ${names.length === 0 ? 'a context, of which there are none yet' : `one of the contexts ${names.join(', ')}`}, got ${name}`,
    { exitCode, hint: 'drover login URL makes one' },
  );
}
