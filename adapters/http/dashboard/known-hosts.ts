import { isIP } from 'node:net';

/** Whether a Host header names a coordinator as those do who mean it. */
export type KnownHosts = (header: string | undefined) => boolean;

/**
 * A page of anybody's can have its own name lead to this machine once it is loaded (DNS rebinding), and is of the same origin then: by that name alone it can
 * be told. Addresses, names without a dot and `localhost` are nobody's to give; of the others those are known that are said.
 */
export function createKnownHosts(names: readonly string[]): KnownHosts {
  const known = new Set(names.map(plain));
  return (header) => {
    const host = URL.parse(`http://${header ?? ''}`)?.hostname;
    if (host === undefined || host === '') return false;
    const name = plain(host);
    if (isIP(name.replace(/^\[(.*)\]$/, '$1')) > 0) return true;
    return !name.includes('.') || name.endsWith('.localhost') || known.has(name);
  };
}

/** A name as it is compared: one with a dot at its end is the same. */
const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '');
