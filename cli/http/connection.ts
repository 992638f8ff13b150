import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import { type Client, createClient } from './client.ts';
import { type Patience, patient } from './patient.ts';

export const defaultUrl = 'http://127.0.0.1:8745';

const urlHelp = `the coordinator (env: DROVER_URL; default ${defaultUrl})`;
const tokenHelp = 'token to use (env: DROVER_TOKEN); others can see it in the list of processes';

/** The flags of every command that talks to a coordinator. */
export function addConnectionOptions(command: Command): Command {
  return command
    .optionsGroup('Connection:')
    .option('--url <url>', urlHelp)
    .option('--token <token>', tokenHelp)
    .option('--token-file <file>', 'file with the token (env: DROVER_TOKEN_FILE), for example DATA/admin.token');
}

/** The same for commands whose `--token-file` says where a new token is to be written. */
export function addAdminConnectionOptions(command: Command): Command {
  return command
    .optionsGroup('Connection:')
    .option('--url <url>', urlHelp)
    .option('--token <token>', tokenHelp)
    .option(
      '--admin-token-file <file>',
      'file with the token to use (env: DROVER_TOKEN_FILE), for example DATA/admin.token',
    );
}

export interface AdminConnectionFlags {
  readonly url?: string;
  readonly token?: string;
  readonly adminTokenFile?: string;
}

/** {@link connect} with the flags of {@link addAdminConnectionOptions}. */
export function connectAsAdmin({ url, token, adminTokenFile }: AdminConnectionFlags, io: Surroundings): Client {
  const flags = {
    ...(url !== undefined && { url }),
    ...(token !== undefined && { token }),
    ...(adminTokenFile !== undefined && { tokenFile: adminTokenFile }),
  };
  return connect(flags, io);
}

export interface ConnectionFlags {
  readonly url?: string;
  readonly token?: string;
  readonly tokenFile?: string;
}

type Surroundings = Pick<Io, 'environment' | 'err'>;

/** The coordinator that flags and environment name, flags first. A short absence of it is waited out, with a line that says so. */
export function connect(flags: ConnectionFlags, io: Surroundings, patience: Patience = {}): Client {
  const { signal } = patience;
  const onWait = (reason: string): void => io.err(`drover: ${reason}\n`);
  return patient(createClient({ ...connectionOf(flags, io.environment), signal }), { onWait, ...patience });
}

/** The same, whose requests are made once, and end by no signal. */
export function connectPlainly(flags: ConnectionFlags, { environment }: Pick<Io, 'environment'>): Client {
  return createClient(connectionOf(flags, environment));
}

/** Its address, and the token for it. */
export function connectionOf(
  flags: ConnectionFlags,
  environment: NodeJS.ProcessEnv,
): { readonly url: string; readonly token: string | undefined } {
  const url = flags.url ?? (environment.DROVER_URL || defaultUrl);
  if (!/^https?:\/\/[^/?#]+[^?#]*$/.test(url)) {
    throw new CliError(
      'invalid-url',
      `expected a URL that starts with http:// or https:// and has no ? or #, got ${JSON.stringify(url)}`,
      {
        exitCode: 2,
      },
    );
  }
  return { url, token: findToken(flags, environment) };
}

function findToken({ token, tokenFile }: ConnectionFlags, environment: NodeJS.ProcessEnv): string | undefined {
  if (token !== undefined) return token;
  if (tokenFile !== undefined) return readToken(tokenFile);
  if (environment.DROVER_TOKEN) return environment.DROVER_TOKEN;
  if (environment.DROVER_TOKEN_FILE) return readToken(environment.DROVER_TOKEN_FILE);
  return undefined;
}

function readToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
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
