import type { IncomingHttpHeaders } from 'node:http';

/**
 * Header of what a coordinator asks its upstreams: the ids of those on whose behalf it asks and its own, the first asker first. Of two that are
 * upstreams of each other, neither has what it would ask the other for.
 */
export const viaHeader = 'drover-via';

/** More coordinators one behind the other than anybody has. */
const most = 8;

/** On whose behalf a request is made; `undefined`: no coordinator's. */
export function viaOf(headers: IncomingHttpHeaders): string | undefined {
  return headers[viaHeader]?.toString().slice(0, 1024);
}

/** Whether to ask on would be to ask in a circle, or as good as one. */
export function leadsBack(via: string, id: string): boolean {
  const ids = via.split(' ');
  return ids.includes(id) || ids.length >= most;
}
