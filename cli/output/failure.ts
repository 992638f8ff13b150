import type { Client } from '../http/client.ts';
import { printable } from './text.ts';

/** Lines of the log that are shown of what failed; Nix shows as many, or ten. */
const mostLines = 25;

/** Whether the daemon has put the last lines of the log into its message, as it does for a builder that failed. */
function quotesLog(message: string): boolean {
  return /^\s*last \d+ log lines:/im.test(message);
}

/** The last lines of the log of an attempt, or of the last one that has a log; none where the message has them already, or none can be had. */
export async function lastLogLines(
  client: Client,
  { build, attempt, message }: { readonly build: string; readonly attempt?: number; readonly message: string },
): Promise<readonly string[]> {
  if (quotesLog(message)) return [];
  try {
    const query = { attempt, tail: mostLines };
    const headers = { accept: 'text/plain' };
    const answer = await client.request('GET', `/v1/builds/${encodeURIComponent(build)}/log`, { query, headers });
    const text = (await answer.text()).replace(/\n$/, '');
    return text === '' ? [] : text.split('\n');
  } catch {
    // That there is none, or that it cannot be had now, is said by the command that is asked for the log.
    return [];
  }
}

/** Lines of a log as Nix shows them below a failure: each behind `> `, on a line of its own that nothing in it steers. */
export function quoteLog(lines: readonly string[], indent: number): string {
  const margin = ' '.repeat(indent);
  const head = `${margin}last ${lines.length === 1 ? 'log line' : `${lines.length} log lines`}:`;
  return [head, ...lines.map((line) => `${margin}> ${printable(line.replace(/^.*\r(?=.)/s, '').trimEnd())}`)].join(
    '\n',
  );
}
