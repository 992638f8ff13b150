import type { Farm } from '../../projections/farm.ts';
import type { Distrust } from '../../projections/upstreams.ts';
import type { UpstreamSettings } from './settings.ts';

/** Whatever an upstream does: it may be mended one day. */
const longestMs = 30 * 86_400_000;

export function distrustOf(
  { graph, upstreams }: Pick<Farm, 'graph' | 'upstreams'>,
  path: string,
  upstream: string,
): Distrust | undefined {
  const item = graph.itemOf(path);
  return item === undefined ? undefined : upstreams.distrust(item, upstream);
}

/**
 * For how long an upstream that did not give an item is not believed to have it, in milliseconds: twice as long as the last time, within bounds.
 *
 * @param how `wrong`: it gave something else, or nothing; `silent`: it gave no answer, and may only be away
 */
export function distrustMs(
  before: Distrust | undefined,
  { ttlSeconds, negativeTtlSeconds }: Pick<UpstreamSettings, 'ttlSeconds' | 'negativeTtlSeconds'>,
  how: 'wrong' | 'silent',
): number {
  const first = (how === 'wrong' ? ttlSeconds : negativeTtlSeconds) * 1000;
  const most = how === 'wrong' ? longestMs : ttlSeconds * 1000;
  const lasted = before === undefined ? 0 : before.until - before.at;
  return Math.max(first, Math.min(most, 2 * lasted));
}
