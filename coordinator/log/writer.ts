import type { Category, DroverEvent } from '../../domain/events.ts';
import type { Farm } from '../../projections/farm.ts';
import { type Tree, takeUpChain } from '../audit/chain.ts';
import type { AppendResult, ChainState, Commit, EventStore, Meta, Position, Revision } from '../ports/event-store.ts';
import type { LogMark } from '../ports/log-mark.ts';
import type { Clock, Runtime } from '../ports/runtime.ts';
import { encodeEvent } from './event-codec.ts';

/** Called after an event was folded; never during replay. */
export type Listener = (category: Category, id: string, event: DroverEvent) => void;
/** Called with each commit once it is durable, in the order of the log, in the turn in which that is known; with the place of its last event. */
export type DurableListener = (
  commit: Commit,
  last: { readonly revision: Revision; readonly position: Position },
) => void;

/**
 * The one way for events to come about. A commit is folded into the farm at once, so that the next decision sees it, and handed to the
 * event store; whatever it leads to outside (an answer, a message to an agent) is withheld until it is durable. If an append fails, the
 * farm is ahead of the log: nothing more is let out, `failed` is called, and the coordinator starts again from the log.
 * See docs/decisions (deciding ahead of durability).
 */
export interface Writer {
  commit(category: Category, id: string, expected: Revision | 'none', events: readonly DroverEvent[], meta: Meta): void;
  /** Runs `effect` once everything committed so far is durable, in the order of these calls; never, if that fails. */
  afterwards(effect: () => void): void;
  /** Resolves once everything committed so far is durable; rejects if it cannot be made so. */
  durable(): Promise<void>;
  listen(listener: Listener): void;
  /** @param listener must not throw. */
  whenDurable(listener: DurableListener): void;
  /** Commits that are not durable yet. */
  readonly pending: number;
  readonly position: Position | undefined;
  /** Commits of the log and those that are on their way there; `undefined` where they carry no hashes. */
  readonly size: number | undefined;
  /**
   * Calls `use` with the Merkle tree of all commits up to this call of it, so that it can be the next to commit; never, where they carry no
   * hashes. Rejects if they cannot be made durable.
   */
  withTree(use: (tree: Tree) => void): Promise<void>;
  /** Why nothing is taken any more. */
  readonly failure: Error | undefined;
  stop(reason: Error): void;
}

interface Effect {
  /** Number of commits that have to be durable. */
  readonly after: number;
  run(): void;
  fail(error: Error): void;
}

export interface WriterOptions {
  readonly store: EventStore;
  readonly farm: Farm;
  readonly clock: Pick<Clock, 'now'>;
  /** Different at each start: a commit id is never used by two coordinators. */
  readonly epoch: string;
  readonly position: Position | undefined;
  /** Of the log as it was replayed; without one, commits carry no hashes. */
  readonly chain?: ChainState;
  failed(error: Error): void;
  /** Told of the last event of what has become durable, and of how many events that is. */
  stored?(mark: LogMark, events: number): void;
  /** Where in a trace what happens to a stream is, as a `traceparent`, for commits that do not say; `undefined` for in none. */
  traceOf?(category: Category, id: string, correlation: string | undefined): string | undefined;
}

export function createWriter(options: WriterOptions): Writer {
  const { store, farm, clock, epoch, position, failed, stored, traceOf } = options;
  const chain = options.chain && takeUpChain(store, options.chain);
  const listeners: Listener[] = [];
  const durableListeners: DurableListener[] = [];
  const effects: Effect[] = [];
  let next = 0; // Effects from here on have not run; the array is cut now and then.
  let batch: Commit[] = [];
  let committed = 0;
  let durable = 0;
  let last = position;
  let failure: Error | undefined;

  function fail(error: Error): void {
    if (failure) return;
    failure = error;
    batch = [];
    for (const effect of effects.splice(next)) effect.fail(error);
    failed(error);
  }

  function settle(commits: readonly Commit[], results: readonly AppendResult[]): void {
    if (failure) return;
    for (let index = 0; index < results.length; index++) {
      const result = results[index] as AppendResult;
      if (result.ok) continue;
      const { stream, expected } = commits[index] as Commit;
      return fail(
        new Error(
          `another coordinator writes to this log: ${stream} is at revision ${result.actual}, expected ${expected}; stepping down`,
        ),
      );
    }
    durable += results.length;
    const latest = results.at(-1);
    const commit = commits.at(-1);
    if (latest?.ok && commit) {
      last = latest.position;
      let events = 0;
      for (const commit of commits) events += commit.events.length;
      stored?.({ stream: commit.stream, revision: latest.revision, commit: commit.id, position: last }, events);
    }
    if (durableListeners.length > 0)
      for (const [index, result] of results.entries())
        if (result.ok) for (const listener of durableListeners) listener(commits[index] as Commit, result);
    while (next < effects.length && (effects[next] as Effect).after <= durable) (effects[next++] as Effect).run();
    if (next > 1024) {
      effects.splice(0, next);
      next = 0;
    }
  }

  function flush(): void {
    const commits = batch;
    if (commits.length === 0) return;
    batch = [];
    store
      .appendBatch(commits)
      .then((results) => settle(commits, results))
      // Also where an effect throws: it is not known which of those behind it had their turn.
      .catch((error: unknown) => fail(error instanceof Error ? error : new Error(String(error))));
  }

  function add(effect: Omit<Effect, 'after'>): void {
    if (failure) effect.fail(failure);
    else if (durable === committed && next === effects.length) effect.run();
    else effects.push({ after: committed, ...effect });
  }

  return {
    commit(category, id, wanted, events, given) {
      if (failure) throw failure;
      if (events.length === 0) return;
      const trace = given.trace ?? traceOf?.(category, id, given.correlation);
      const meta = trace === undefined ? given : { ...given, trace };
      const at = clock.now();
      // Encoding validates: an event that its own schema refuses is folded nowhere.
      const encoded = events.map(encodeEvent);
      // What is new here may have a stream of which nothing was understood.
      const expected = wanted === 'none' ? (farm.strays.revision(category, id) ?? 'none') : wanted;
      const first = expected === 'none' ? 0 : expected + 1;
      for (let index = 0; index < events.length; index++) {
        const event = events[index] as DroverEvent;
        farm.apply(category, id, event, first + index, at, meta.correlation, trace, meta.actor);
      }
      const commit: Commit = {
        id: `${epoch}.${committed}`,
        stream: `${category}-${id}`,
        expected,
        events: encoded,
        meta,
        at,
      };
      if (batch.push(chain?.link(commit, first) ?? commit) === 1) queueMicrotask(flush);
      committed++;
      for (const event of events) for (const listener of listeners) listener(category, id, event);
    },
    afterwards: (effect) => add({ run: effect, fail: () => undefined }),
    durable: () => new Promise((resolve, reject) => add({ run: resolve, fail: reject })),
    listen: (listener) => void listeners.push(listener),
    whenDurable: (listener) => void durableListeners.push(listener),
    get pending() {
      return committed - durable;
    },
    get position() {
      return last;
    },
    get size() {
      return chain?.size;
    },
    async withTree(use) {
      flush();
      await chain?.withTree(use);
    },
    get failure() {
      return failure;
    },
    stop: fail,
  };
}

/** Waits until everything committed so far is durable, or can never be, but no longer than this. */
export async function durableWithin(
  { writer, runtime }: { readonly writer: Writer; readonly runtime: Pick<Runtime, 'timers'> },
  milliseconds: number,
): Promise<void> {
  if (!writer.failure) await within(runtime, milliseconds, writer.durable());
}

/** Waits for something, but no longer than this. */
export async function within(
  { timers }: Pick<Runtime, 'timers'>,
  milliseconds: number,
  work: Promise<void>,
): Promise<void> {
  const longest = Promise.withResolvers<void>();
  const timer = timers.after(milliseconds, longest.resolve);
  await Promise.race([work, longest.promise]);
  timer[Symbol.dispose]();
}
