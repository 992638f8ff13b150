import type { FailedReport } from '../../coordinator/application.ts';
import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';

/**
 * The error of an answer in lines of JSON without its end, of which the coordinator may have said why.
 *
 * @param what as in `the verification`
 * @param hint what holds of what was done until then
 */
export function cutOff(what: string, failed: FailedReport | undefined, hint: string): CliError {
  if (failed === undefined) return new CliError('connection-failed', `${what} was cut off before its end`, { hint });
  return new CliError(failed.code, `${what} has failed before its end: ${printable(failed.detail)}`, { hint });
}
