import type { AgentPlace } from '../../domain/agent/events.ts';
import type { Hello } from '../../domain/agent/messages.ts';

/** Where the process is that said this hello over a link from this address; `undefined` where neither is known. */
export function placeOf({ place }: Pick<Hello, 'place'>, address: string | undefined): AgentPlace | undefined {
  if (place === undefined && address === undefined) return undefined;
  return { ...place, ...(address !== undefined && { address: address.slice(0, 255) }) };
}

/** `builder-3 (process 1234, from 10.0.0.7)`. */
export function describePlace({ host, pid, address }: AgentPlace = {}): string {
  const more = [
    pid === undefined ? undefined : `process ${pid}`,
    address === undefined ? undefined : `from ${address}`,
  ];
  const told = more.filter((one) => one !== undefined).join(', ');
  return `${host ?? 'a machine that it does not name'}${told === '' ? '' : ` (${told})`}`;
}
