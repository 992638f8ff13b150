import { isIP, type LookupFunction, type Socket } from 'node:net';
import { isPrivateAddress } from './addresses.ts';
import type { Resolve } from './resolve.ts';

/** Which addresses a hook may call: what a name stands for is looked at when the connection is made, so that it cannot be another by then. */
export interface Reach {
  /** For the connection that is made. */
  readonly lookup: LookupFunction;
  /** Why the connection may not be used, once it is made. */
  problemOf(socket: Socket): string | undefined;
}

export function reachOf(allowPrivate: boolean | undefined, resolve: Resolve, signal: AbortSignal): Reach {
  const isRefused = (address: string): boolean => allowPrivate !== true && isPrivateAddress(address);
  return {
    lookup(hostname, { all, family }, callback) {
      const wanted = family === 4 || family === 'IPv4' ? 4 : family === 6 || family === 'IPv6' ? 6 : undefined;
      resolve(hostname, signal).then(
        (found) => {
          const allowed = found.filter((one) => !isRefused(one.address) && (wanted ?? one.family) === one.family);
          const [first] = allowed;
          if (first === undefined)
            return callback(new Error(privateProblem(`${hostname}, ${found[0]?.address}`)), '', 0);
          if (all === true) return (callback as (error: null, all: typeof allowed) => void)(null, allowed);
          callback(null, first.address, first.family);
        },
        (error: NodeJS.ErrnoException) => callback(error, '', 0),
      );
    },
    problemOf({ remoteAddress }) {
      if (remoteAddress !== undefined && !isRefused(remoteAddress)) return undefined;
      return privateProblem(remoteAddress ?? 'nothing');
    },
  };
}

/** Why a host cannot be called, where that is known without asking anybody. */
export function addressProblem({ hostname }: URL, allowPrivate: boolean | undefined): string | undefined {
  const host = bareHost(hostname);
  return allowPrivate !== true && isIP(host) !== 0 && isPrivateAddress(host) ? privateProblem(host) : undefined;
}

/** Without the brackets that an IPv6 address has in a URL. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

function privateProblem(host: string): string {
  return `expected a public address, got ${host}: the hook does not allow private ones (allow-private)`;
}

/** Where several addresses were tried, what became of each. */
export function explain(error: Error): Error {
  if (!(error instanceof AggregateError)) return error;
  return new Error(error.errors.map(({ message }: Error) => message).join('; ') || error.message);
}
