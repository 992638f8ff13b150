import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, lstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { octal } from '../../adapters/data-dir/private-folder.ts';
import { type AdminConnectionFlags, addAdminConnectionOptions } from '../http/connection.ts';
import { CliError } from './cli-error.ts';
import type { Io } from './io.ts';
import { addOutputOptions, forPrograms, type OutputFlags, print } from './print.ts';
import { printable } from './text.ts';

export interface HandOutFlags extends AdminConnectionFlags, OutputFlags {
  readonly tokenFile?: string;
  readonly force?: true;
}

/** Flags of the commands that make a token, which take an admin. */
export function addHandOutOptions(command: Command, replaces = ''): Command {
  addOutputOptions(command, { names: false })
    .option(
      '--token-file <file>',
      `write the token there, readable by you only, instead of printing it${replaces}; the token to use comes from --admin-token-file`,
    )
    .option('--force', 'write it there whatever the file holds now');
  return addAdminConnectionOptions(command);
}

/**
 * Has a token made and gives it to the user, whom it is shown once: in a file of mode 0600, or on standard output. Where it goes is made
 * sure of before `make` asks for it, so that no token is made and lost.
 *
 * @param replacesToken whether a file that holds a token may be replaced without --force.
 */
export async function handOutToken<Made extends { readonly secret: string }>(
  io: Io,
  { tokenFile, force, ...flags }: HandOutFlags,
  make: () => Promise<Made>,
  { replacesToken = false } = {},
): Promise<Made> {
  const order = async (): Promise<Made> => {
    const made = await make();
    if (typeof made?.secret === 'string') return made;
    throw new CliError('unexpected-answer', 'the coordinator made no token');
  };
  if (tokenFile === undefined) {
    const made = await order();
    const mode = io.outFileMode?.();
    if (mode !== undefined && (mode & 0o077) !== 0)
      io.err(
        `warning: the token goes to a file that others can reach (mode ${octal(mode)}): chmod 600 it, or use --token-file\n`,
      );
    await print(io, flags, { value: made, text: () => `${made.secret}\n` });
    if (!forPrograms(flags)) io.err('This token is not shown again.\n');
    return made;
  }
  using file = beginPrivateFile(tokenFile, { force: force === true, replacesToken });
  const made = await order();
  file.finish(`${made.secret}\n`);
  const { secret: _, ...rest } = made;
  await print(io, flags, { value: { ...rest, tokenFile }, text: () => '' });
  if (!forPrograms(flags)) io.err(`The token is in ${printable(tokenFile)}.\n`);
  return made;
}

/** A file of mode 0600 that takes the place of `path`, whole or not at all; what it begins is gone if it is not finished. */
function beginPrivateFile(path: string, { force, replacesToken }: { force: boolean; replacesToken: boolean }) {
  checkTarget(path, force, replacesToken);
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = attempt(path, () => openSync(beside, 'wx', 0o600));
  let finished = false;
  return {
    finish(text: string) {
      attempt(path, () => {
        writeFileSync(handle, text);
        fsyncSync(handle);
        renameSync(beside, path);
      });
      finished = true;
      syncFolder(dirname(path));
    },
    [Symbol.dispose]() {
      closeSync(handle);
      if (!finished) rmSync(beside, { force: true });
    },
  };
}

function checkTarget(path: string, force: boolean, replacesToken: boolean): void {
  const found = attempt(path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (found === undefined) return;
  if (!found.isFile())
    throw new CliError('token-file-exists', `--token-file ${path}: expected a file or nothing, got something else`, {
      exitCode: 2,
    });
  if (force || found.size === 0) return;
  if (replacesToken && found.size < 4096 && /^drover_[0-9a-z]+_[\w-]+\s*$/.test(readFileSync(path, 'latin1'))) return;
  throw new CliError('token-file-exists', `--token-file ${path}: the file exists, and is not empty`, {
    exitCode: 2,
    hint: 'this flag says where the new token is written: give another file, or --force; the token to use comes from DROVER_TOKEN_FILE or --admin-token-file',
  });
}

function attempt<Value>(path: string, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    throw new CliError('token-file-unwritable', `--token-file ${path}: ${(error as Error).message}`, {
      exitCode: 2,
      cause: error,
    });
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
