import type { AppendResult, Commit, EventStore } from '../../coordinator/ports/event-store.ts';
import { EventStoreError } from '../../coordinator/ports/event-store.ts';
import type { Life } from './life.ts';

/** How the disk that the log is on is. */
export interface DiskWeather {
  /** No append is taken. */
  refuses: boolean;
  /** The next sync fails; what was written is there all the same, or is not. */
  syncFails: 'kept' | 'lost' | undefined;
  /** Called once after the next append is durable, before anybody is told. */
  beforeAnswer: (() => void) | undefined;
  /** The engine says that it is away: appends wait. */
  away: boolean;
}

/** The log's disk: what is on it outlives every coordinator. */
export interface EventDisk {
  readonly weather: DiskWeather;
  /** The disk itself, for whoever audits it. */
  readonly log: EventStore;
  /** For one process. */
  open(life: Life): EventStore;
  /** What was away is back. */
  clear(): void;
}

/** @param stored is told of commits once they are durable, in the order of the log. */
export function createEventDisk(
  log: EventStore,
  stored: (commits: readonly Commit[], results: readonly AppendResult[]) => void,
): EventDisk {
  const weather: DiskWeather = { refuses: false, syncFails: undefined, beforeAnswer: undefined, away: false };
  const watchers = new Set<() => void>();
  let back = Promise.withResolvers<void>();

  function open(life: Life): EventStore {
    let closed = false;
    let previous: Promise<unknown> = Promise.resolve();

    async function write(commits: readonly Commit[]): Promise<readonly AppendResult[]> {
      while (weather.away) await life.answer(back.promise);
      await life.io();
      if (closed) throw new EventStoreError('closed', 'the event store is closed');
      if (weather.refuses) throw new EventStoreError('disk-full', 'the disk is full');
      const sync = weather.syncFails;
      weather.syncFails = undefined;
      if (sync === 'lost') throw new EventStoreError('unavailable', 'fsync: EIO');
      const results = await log.appendBatch(commits);
      stored(commits, results);
      const { beforeAnswer } = weather;
      weather.beforeAnswer = undefined;
      beforeAnswer?.();
      if (sync === 'kept') throw new EventStoreError('unavailable', 'fsync: EIO');
      return results;
    }

    function appendBatch(commits: readonly Commit[]): Promise<readonly AppendResult[]> {
      // One ordered pipeline, which stops at the first failure.
      const result = previous.then(() => write(commits));
      previous = result;
      result.catch(() => undefined);
      return life.answer(result);
    }

    /** Who reads does not wait, and is told: as of a server to which the connection is lost. */
    async function* orFail<Stored>(ask: () => AsyncIterable<Stored>): AsyncIterable<Stored> {
      const requireHere = (): void => {
        if (weather.away) throw new EventStoreError('unavailable', 'the event store is away');
      };
      requireHere();
      for await (const stored of ask()) {
        yield stored;
        requireHere();
      }
    }

    return {
      get obstacle() {
        return weather.away ? 'the event store is away' : undefined;
      },
      watchObstacle(listener) {
        const mine = (): void => void (life.alive && listener());
        watchers.add(mine);
        return { [Symbol.dispose]: () => void watchers.delete(mine) };
      },
      capabilities: log.capabilities,
      appendBatch,
      append: async (commit) => (await appendBatch([commit]))[0] as AppendResult,
      read: (...question) => orFail(() => log.read(...question)),
      readAll: (...question) => orFail(() => log.readAll(...question)),
      subscribe: log.subscribe,
      head: log.head,
      async [Symbol.asyncDispose]() {
        closed = true;
      },
    };
  }

  return {
    weather: new Proxy(weather, {
      set(target, name, value) {
        Reflect.set(target, name, value);
        if (name === 'away') {
          if (value === false) {
            back.resolve();
            back = Promise.withResolvers();
          }
          for (const tell of [...watchers]) tell();
        }
        return true;
      },
    }),
    log,
    open,
    clear() {
      weather.refuses = false;
      weather.syncFails = undefined;
      weather.beforeAnswer = undefined;
      if (!weather.away) return;
      weather.away = false;
      back.resolve();
      back = Promise.withResolvers();
      for (const tell of [...watchers]) tell();
    },
  };
}
