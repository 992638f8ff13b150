import type { UpstreamItem } from '../../../domain/item/events.ts';

const folder = 'nar/upstream/';

/** Where the NAR of what only an upstream has is fetched through here, relative to the cache's root. Bytes under a name never change. */
export function upstreamNarUrl({ path, narHash }: Pick<UpstreamItem, 'path' | 'narHash'>): string {
  return `${folder}${path.slice(0, 32)}-${narHash.slice('sha256:'.length)}.nar`;
}

/** What such a URL names; `undefined` if it is another. */
export function parseUpstreamNarUrl(url: string): ReturnType<typeof parseUpstreamNar> {
  return url.startsWith(folder) ? parseUpstreamNar(url.slice(folder.length)) : undefined;
}

/** The item and the NAR that `<hash part>-<NAR hash>.nar` names; `undefined` if it names none. */
export function parseUpstreamNar(name: string): { readonly hashPart: string; readonly narHash: string } | undefined {
  const match = /^([0-9abcdfghijklmnpqrsvwxyz]{32})-([0-9abcdfghijklmnpqrsvwxyz]{52})\.nar$/.exec(name);
  return match === null ? undefined : { hashPart: match[1] as string, narHash: `sha256:${match[2]}` };
}
