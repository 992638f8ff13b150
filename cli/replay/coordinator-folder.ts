import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CliError } from '../output/cli-error.ts';

/**
 * The data folder of a coordinator that a flag names, absolute.
 *
 * @throws CliError where it is none, or not this user's to read
 */
export function coordinatorFolder(data: string): string {
  if (data === '') throw new CliError('invalid-request', '--data: expected a folder, got nothing', { exitCode: 2 });
  const dir = resolve(data);
  try {
    statSync(join(dir, 'log-id'));
    return dir;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR'].includes(code))
      throw new CliError('not-found', `expected the data folder of a coordinator, got ${dir}`, { exitCode: 2 });
    const hint = 'run this as the user whose coordinator it is';
    throw new CliError(code, `${dir}: ${(error as Error).message}`, { hint: code === 'EACCES' ? hint : undefined });
  }
}
