import { closeSync, openSync, readSync } from 'node:fs';
import type { Command } from 'commander';
import { type Context, contextNamed, readContexts } from '../contexts/store.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import { plural } from '../output/text.ts';
import { type Client, createClient } from './client.ts';
import { type Patience, patient } from './patient.ts';

export const defaultUrl = 'http://127.0.0.1:8745';

const contextHelp = "the context to use ('drover context list'; env: DROVER_CONTEXT)";
const urlHelp = `the coordinator (env: DROVER_URL; otherwise that of the context in use, otherwise ${defaultUrl})`;
const tokenHelp = 'token to use (env: DROVER_TOKEN); others can see it in the list of processes';

/** The flags of every command that talks to a coordinator. */
export function addConnectionOptions(command: Command): Command {
  return command
    .optionsGroup('Connection:')
    .option('--url <url>', urlHelp)
    .option('--context <name>', contextHelp)
    .option('--token <token>', tokenHelp)
    .option('--token-file <file>', 'file with the token (env: DROVER_TOKEN_FILE), for example DATA/admin.token');
}

/** The same for commands whose `--token-file` says where a new token is to be written. */
export function addAdminConnectionOptions(command: Command): Command {
  return command
    .optionsGroup('Connection:')
    .option('--url <url>', urlHelp)
    .option('--context <name>', contextHelp)
    .option('--token <token>', tokenHelp)
    .option(
      '--admin-token-file <file>',
      'file with the token to use (env: DROVER_TOKEN_FILE), for example DATA/admin.token',
    );
}

export interface AdminConnectionFlags {
  readonly url?: string;
  readonly context?: string;
  readonly token?: string;
  readonly adminTokenFile?: string;
}

/** {@link connect} with the flags of {@link addAdminConnectionOptions}. */
export function connectAsAdmin(
  { url, context, token, adminTokenFile }: AdminConnectionFlags,
  io: Surroundings,
): Client {
  const flags = {
    ...(url !== undefined && { url }),
    ...(context !== undefined && { context }),
    ...(token !== undefined && { token }),
    ...(adminTokenFile !== undefined && { tokenFile: adminTokenFile }),
  };
  return connect(flags, io);
}

export interface ConnectionFlags {
  readonly url?: string;
  readonly context?: string;
  readonly token?: string;
  readonly tokenFile?: string;
}

type Surroundings = Pick<Io, 'environment' | 'err' | 'answered'>;

/** The coordinator that flags and environment name, flags first. A short absence of it is waited out, with a line that says so. */
export function connect(flags: ConnectionFlags, io: Surroundings, patience: Patience = {}): Client {
  const { signal } = patience;
  const onWait = (reason: string): void => io.err(`drover: ${reason}\n`);
  let isToldBehind = false;
  const onBehind = (): void => {
    if (!isToldBehind)
      io.err(
        'drover: what happened lately may be missing: lists of the coordinator are behind ("drover doctor" says why)\n',
      );
    isToldBehind = true;
  };
  let isToldAhead = false;
  const onAhead = (commits: number): void => {
    if (!isToldAhead)
      io.err(
        `drover: what follows may tell of ${plural(commits, 'commit')} that the log of the coordinator does not have yet, as it is away ("drover doctor" says why)\n`,
      );
    isToldAhead = true;
  };
  const connection = connectionOf(flags, io.environment);
  return patient(createClient({ ...connection, signal, onAnswer: io.answered, onBehind, onAhead }), {
    onWait,
    ...patience,
  });
}

/** The same, whose requests are made once, and end by no signal. */
export function connectPlainly(flags: ConnectionFlags, io: Pick<Io, 'environment' | 'answered'>): Client {
  return createClient({ ...connectionOf(flags, io.environment), onAnswer: io.answered });
}

/** Its address, and the token for it: flags before the environment before the context in use. */
export function connectionOf(
  flags: ConnectionFlags,
  environment: NodeJS.ProcessEnv,
): { readonly url: string; readonly token: string | undefined } {
  const named = flags.context ?? (environment.DROVER_URL ? undefined : environment.DROVER_CONTEXT || undefined);
  // Where a context is named by a flag, what variables say is of another coordinator.
  const { DROVER_URL: ofEnvironment } = flags.context === undefined ? environment : {};
  const stated = flags.url ?? (ofEnvironment || undefined);
  const token = findToken(flags, flags.context === undefined ? environment : {});
  // Read only where it is needed: it may not be there, or not be usable.
  const context = stated !== undefined && token !== undefined ? undefined : contextOf(named, environment);
  const url = checkedUrl(stated ?? context?.url ?? defaultUrl);
  // A token is for the coordinator that it was given for.
  return { url, token: token ?? (context?.url === url ? context.token : undefined) };
}

function contextOf(named: string | undefined, environment: NodeJS.ProcessEnv): Context | undefined {
  const contexts = readContexts(environment);
  const name = named ?? contexts.current;
  return name === undefined ? undefined : contextNamed(contexts, name, 2);
}

function checkedUrl(url: string): string {
  const login = /^(https?:\/\/)[^/?#]*@/i.exec(url);
  if (login !== null)
    throw new CliError(
      'invalid-url',
      `expected a URL without user and password, got ${JSON.stringify(url.replace(login[0], `${login[1]}…@`))}`,
      { exitCode: 2, hint: 'a token goes into --token-file, DROVER_TOKEN_FILE or drover login' },
    );
  if (/^https?:\/\/[^/?#]+[^?#]*$/.test(url) && URL.canParse(url)) return url;
  const bare = /^(localhost|[\w.-]+:\d+|[\w-]+(\.[\w-]+)+|\[[0-9a-f:]+\])(:\d+)?(\/[^?#]*)?$/i.test(url);
  throw new CliError(
    'invalid-url',
    `expected a URL that starts with http:// or https:// and has no ? or #, got ${JSON.stringify(url)}`,
    { exitCode: 2, ...(bare && { hint: `http://${url}, or https://${url} where it serves TLS` }) },
  );
}

function findToken({ token, tokenFile }: ConnectionFlags, environment: NodeJS.ProcessEnv): string | undefined {
  if (token !== undefined) return checkedToken(token, '--token');
  if (tokenFile !== undefined) return readToken(tokenFile);
  if (environment.DROVER_TOKEN) return checkedToken(environment.DROVER_TOKEN, 'DROVER_TOKEN');
  if (environment.DROVER_TOKEN_FILE) return readToken(environment.DROVER_TOKEN_FILE);
  return undefined;
}

/** The token itself goes into no message. */
function checkedToken(token: string, from: string): string {
  const text = token.trim();
  if (/^[\x21-\x7e]*$/.test(text)) return text;
  throw new CliError(
    'token-unusable',
    `${from}: expected one token, got something with spaces or other characters in it`,
    {
      exitCode: 2,
    },
  );
}

/** What is longer holds no token: a device has no end. */
const longestTokenFile = 64 * 1024;

/** The token in a file. */
export function readToken(file: string): string {
  let text: string;
  try {
    text = readStart(file).trim();
  } catch (error) {
    throw new CliError('token-unreadable', `cannot read the token file ${file}: ${(error as Error).message}`, {
      exitCode: 2,
    });
  }
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new CliError(
      'token-unreadable',
      `expected one token in ${file}, got ${text === '' ? 'an empty file' : 'something else'}`,
      {
        exitCode: 2,
      },
    );
  }
  return text;
}

/** All of a file, or a pipe, that is no longer than a token may be; of one that is, more than that. */
function readStart(file: string): string {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(longestTokenFile);
    let length = 0;
    for (let more = -1; more !== 0 && length < bytes.length; length += more)
      more = readSync(handle, bytes, length, bytes.length - length, null);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(handle);
  }
}
