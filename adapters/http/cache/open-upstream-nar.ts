import { DroverError } from '../../../coordinator/errors.ts';
import type { HttpContext } from '../context.ts';
import { parseUpstreamNarUrl } from './upstream-url.ts';

/**
 * The NAR of what only an upstream has, by the URL in its narinfo, for readers in this process; `undefined` where it is not there any more.
 *
 * @throws DroverError `upstream-failed` where the upstream, which is believed to have it, does not give it now
 */
export async function openUpstreamNar(
  application: Pick<HttpContext['application'], 'openUpstream' | 'upstreamItem'>,
  url: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const name = parseUpstreamNarUrl(url);
  if (name === undefined) return undefined;
  const opened = await application.openUpstream(name.hashPart, name.narHash, signal);
  if (opened !== undefined) return opened.nar;
  const item = application.upstreamItem(name.hashPart);
  if (item?.narHash !== name.narHash) return undefined;
  throw new DroverError('upstream-failed', `${item.path}: the upstream ${item.upstream} does not give its NAR now`);
}
