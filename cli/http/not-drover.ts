import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';

/** What to try where what answers seems to be no coordinator. */
export const notADrover = 'is that the address of a Drover coordinator (--url, DROVER_URL or the context)?';

/** What to say where an answer of `url` was read, and something that every answer of a coordinator has was missing in it. */
export function unlikeDrover(url: string, cause: Error): CliError {
  const message = `${url} answered with something that a Drover coordinator does not answer: ${cause.message}`;
  // Where it is one all the same, this is what the report of a bug needs.
  const place = cause.stack?.split('\n').find((line) => /^ +at /.test(line));
  return new CliError('unexpected-answer', printable(message), { hint: notADrover, details: place, cause });
}
