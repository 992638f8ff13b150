import type { AgentOob } from '../../domain/agent/messages.ts';

type Heartbeat = Extract<AgentOob, { type: 'heartbeat' }>;

/** What was told and when, by the monotonic clock. */
export interface ToldBeat {
  readonly beat: Heartbeat;
  readonly at: number;
}

/** After so many milliseconds a heartbeat is told whatever it says: the coordinator may have let one pass, or was not told all. */
const longestUntold = 60_000;
/** Differences of the load and of the free disk that are news: less than that nobody acts on. */
const loadNews = 0.5;
const diskNews = 0.01;

/** Whether the coordinator has to hear a heartbeat, or an answer to its question is enough. */
export function isNews(beat: Heartbeat, told: ToldBeat | undefined, now: number): boolean {
  if (told === undefined || now - told.at >= longestUntold) return true;
  const { load1 = 0, freeBytes = 0, ...rest } = beat;
  const { load1: oldLoad = 0, freeBytes: oldFree = 0, ...oldRest } = told.beat;
  return (
    Math.abs(load1 - oldLoad) >= loadNews ||
    Math.abs(freeBytes - oldFree) > oldFree * diskNews ||
    // Made at one place, member by member in one order.
    JSON.stringify(rest) !== JSON.stringify(oldRest)
  );
}
