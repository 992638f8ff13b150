import { CliError } from './cli-error.ts';
import type { Io } from './io.ts';

/** Asks on a terminal before something that cannot be taken back; anywhere else `--yes` has to say so. Throws where it is not wanted. */
export async function confirm(io: Io, question: string): Promise<void> {
  if (!io.interactive) {
    throw new CliError('not-confirmed', `${question} Nobody can be asked here`, { hint: 'add --yes to say so' });
  }
  io.err(`${question} [y/N] `);
  let answer = '';
  for await (const chunk of io.stdin) {
    answer += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    if (answer.includes('\n')) break;
  }
  if (!/^\s*y(es)?\s*$/i.test(answer.split('\n', 1)[0] as string))
    throw new CliError('not-confirmed', 'nothing was done');
}
