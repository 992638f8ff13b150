import type { IncomingMessage } from 'node:http';
import { DroverError } from '../../coordinator/errors.ts';

/**
 * Refuses a request without a Host header, which Node would do without a word, and one with several: who is on the way may take another for the one
 * that is meant. Source: RFC 9112, section 3.2.
 *
 * @throws DroverError `invalid-request`
 */
export function refuseUnclearHosts({ headers, rawHeaders, httpVersion }: IncomingMessage): void {
  if (headers.host === undefined) {
    if (httpVersion === '1.1') throw new DroverError('invalid-request', 'expected a Host header, got none');
    return;
  }
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts > 1) throw new DroverError('invalid-request', `expected one Host header, got ${hosts}`);
}
