import { type NarInfo, parseNarinfo, renderNarinfo } from '../../domain/store/narinfo.ts';
import { narUrl } from '../http/cache/nar-url.ts';
import { parseUpstreamNarUrl } from '../http/cache/upstream-url.ts';

/** A narinfo as a folder keeps it. */
export interface KeptForm {
  readonly text: string;
  readonly info: NarInfo;
  /** Where the source has its NAR. */
  readonly from: string;
}

/**
 * A narinfo is kept as it is served, except where the coordinator passes on what only an upstream has: its NAR, which is not compressed, is kept
 * beside the others, as that of an item of the pool would be, and who reads the folder is led to no upstream.
 *
 * @throws FormatError `malformed-narinfo`
 */
export function keptForm(text: string): KeptForm {
  const info = parseNarinfo(text);
  const { elsewhere: _, ...said } = info;
  const { url, compression, narHash, narSize } = said;
  if (parseUpstreamNarUrl(url) === undefined || compression !== 'none') return { text, info, from: url };
  const place = narUrl({ hash: narHash, compression });
  const kept = { ...said, url: place, fileHash: narHash, fileSize: narSize };
  return { text: renderNarinfo(kept), info: kept, from: url };
}
