import { lookup, Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

export interface Address {
  readonly address: string;
  readonly family: number;
}
/** The addresses that a name stands for, at least one. Rejects where there are none, or once `signal` aborts. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly Address[]>;

/** How long one question to a server may take, and how often it is asked. */
const timeoutMs = 5000;
const tries = 3;
/** Nobody answered: whoever asks the same servers again waits as long again. */
const noAnswer: ReadonlySet<string> = new Set(['ETIMEOUT', 'ECANCELLED']);

/**
 * Looks names up so that one that gets no answer delays no other. The lookups of the system run on few threads, which all of the process
 * shares: two that hang would hold up everybody's. So names of the hosts file come first, then servers are asked without a thread; only
 * names that these do not know, and say so, go to the system, which may know further ways, one at a time.
 */
export function createResolve({
  hostsFile = '/etc/hosts',
  servers,
}: {
  readonly hostsFile?: string;
  /** `ADDRESS:PORT`; those of the system if absent. */
  readonly servers?: readonly string[];
} = {}): Resolve {
  let asking: Promise<unknown> = Promise.resolve();

  function askSystem(hostname: string): Promise<readonly Address[]> {
    const answer = asking.then(() => lookup(hostname, { all: true }));
    asking = answer.catch(() => undefined);
    return answer;
  }

  async function askServers(hostname: string, signal: AbortSignal): Promise<readonly Address[]> {
    const resolver = new Resolver({ timeout: timeoutMs, tries });
    if (servers) resolver.setServers(servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
      const found = [
        ...(four.status === 'fulfilled' ? four.value : []).map((address) => ({ address, family: 4 })),
        ...(six.status === 'fulfilled' ? six.value : []).map((address) => ({ address, family: 6 })),
      ];
      if (found.length > 0) return found;
      for (const { reason } of [four, six] as PromiseRejectedResult[]) if (noAnswer.has(reason.code)) throw reason;
      return [];
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  return async (hostname, signal) => {
    const family = isIP(hostname);
    if (family !== 0) return [{ address: hostname, family }];
    signal.throwIfAborted();
    const local = await inHostsFile(hostsFile, hostname);
    if (local.length > 0) return local;
    const found = await askServers(hostname, signal);
    if (found.length > 0) return found;
    signal.throwIfAborted();
    return askSystem(hostname);
  };
}

/** Addresses of the name in a file as hosts(5) has them; none where it cannot be read. */
async function inHostsFile(file: string, hostname: string): Promise<Address[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const wanted = hostname.toLowerCase();
  const found: Address[] = [];
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const family = isIP(address ?? '');
    if (family !== 0 && names.some((name) => name.toLowerCase() === wanted))
      found.push({ address: address as string, family });
  }
  return found;
}
