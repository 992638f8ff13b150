import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CliError } from '../output/cli-error.ts';

/**
 * The data folder of a coordinator that a flag names, absolute.
 *
 * @throws CliError where it is none
 */
export function coordinatorFolder(data: string): string {
  const dir = resolve(data);
  if (existsSync(join(dir, 'log-id'))) return dir;
  throw new CliError('not-found', `expected the data folder of a coordinator, got ${dir}`, { exitCode: 2 });
}
