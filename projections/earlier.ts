import { earlierMs } from '../domain/history/earlier-builds.ts';
import type { HistoryEvent } from '../domain/history/events.ts';
import type { Durations } from './durations.ts';
import { createMemory, type Memory } from './memory.ts';

/** What other coordinators told of their builds: how many by source, and to {@link Durations} how long they took. The builds themselves are in the views. */
export interface Earlier {
  get(source: string): EarlierSource | undefined;
  apply(source: string, event: HistoryEvent, revision: number): void;
  describe(): Iterable<string>;
}

export interface EarlierSource {
  readonly builds: number;
  revision: number;
}

export function createEarlier(durations: Pick<Durations, 'learnEarlier'>, memory: Memory = createMemory()): Earlier {
  const sources = memory.map<string, EarlierSource>('sources');
  return {
    get: (source) => sources.get(source),
    apply(source, { data: { builds } }, revision) {
      sources.set(source, { builds: (sources.get(source)?.builds ?? 0) + builds.length, revision });
      for (const build of builds) {
        const ms = earlierMs(build);
        if (ms !== undefined) durations.learnEarlier(build, ms);
      }
    },
    *describe() {
      for (const [source, { builds, revision }] of sources) yield `history ${source} ${revision} ${builds}`;
    },
  };
}
