import type { EarlierBuild, HistoryEvent } from './events.ts';
import { mostEarlierBuilds } from './events.ts';

/** What takes longer than this was no build: a machine slept, or a clock was set. */
const longestMs = 14 * 24 * 60 * 60 * 1000;

/** How long a build took that succeeded, in milliseconds; `undefined` where that is not known or cannot be. */
export function earlierMs({ outcome, startedAt, endedAt }: EarlierBuild): number | undefined {
  if (outcome !== 'succeeded' || startedAt === undefined || endedAt === undefined) return undefined;
  const ms = endedAt - startedAt;
  return ms >= 0 && ms <= longestMs ? ms : undefined;
}

/** The events that record these builds, each of them once, in parts that fit into a commit of `maxBytes`. */
export function recordEarlier(builds: readonly EarlierBuild[], maxBytes: number): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  let part: EarlierBuild[] = [];
  let bytes = 0;
  for (const build of new Map(builds.map((one) => [one.id, one])).values()) {
    const size = Buffer.byteLength(JSON.stringify(build)) + 1;
    if (part.length === mostEarlierBuilds || (part.length > 0 && bytes + size > maxBytes)) {
      events.push({ type: 'EarlierBuildsRecorded', data: { builds: part } });
      part = [];
      bytes = 0;
    }
    part.push(build);
    bytes += size;
  }
  if (part.length > 0) events.push({ type: 'EarlierBuildsRecorded', data: { builds: part } });
  return events;
}
