import { liveAgent } from '../../domain/build/state.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Core } from '../core.ts';
import type { Room } from '../items/room.ts';
import type { Attempts } from './attempts.ts';
import type { WaitingAttempts } from './waiting-attempts.ts';

/**
 * Ends attempts that take far too long, although their agents are connected. Agents end builds that run for too long; an agent that
 * does not, or has forgotten what it was given, must not keep a build for ever.
 */
export interface AttemptWatch extends Disposable {
  /** A part of an output (its base name) has come from an agent. */
  uploaded(agent: string, path: string): void;
}

interface Parts {
  readonly attempts: Pick<Attempts, 'abandon'>;
  readonly room: Pick<Room, 'waiting'>;
  readonly waiting: Pick<WaitingAttempts, 'find'>;
}

/** Events by which an agent has an attempt. */
const gives: ReadonlySet<string> = new Set(['BuildAllocated', 'BuildAttemptKept', 'BuildStarted']);

interface Watched {
  readonly agent: string;
  /** How long nothing may come of it, in milliseconds. */
  readonly limit: number;
  /** Since when nothing of it has come, by the monotonic clock. */
  heardAt: number;
  /** When it is looked at, by the same. */
  due: number;
  /** How often it was given more time: parts of its outputs came, or its agent says that it cannot reach the coordinator. */
  extensions: number;
}

/** Uploads and waits come to an end; an agent that always has one more does not build. */
const mostExtensions = 10;

/** The longest wait that a timer takes. */
const longestMs = 2 ** 31 - 1;

export function watchAttempts(
  { farm, writer, policy, runtime }: Core,
  { attempts, room, waiting }: Parts,
): AttemptWatch {
  const { clock, timers } = runtime;
  const watched = new Map<string, Watched>();
  /** One for all, for the first that is due: hardly any attempt is ever looked at, and each would arm two. */
  let next: { readonly at: number; readonly timer: Disposable } | undefined;

  /** Far beyond what an agent takes that ends builds as it is told, with the fetching of inputs before. */
  function limitOf({ state }: BuildRecord): number {
    const seconds = Math.max(state.options.timeoutSeconds ?? 0, policy.timeoutSeconds) + policy.leaseSeconds;
    return Math.min(longestMs, seconds * 1000);
  }

  function arm(at: number): void {
    if (next !== undefined && next.at <= at) return;
    next?.timer[Symbol.dispose]();
    next = { at, timer: timers.after(at - clock.monotonic(), look) };
  }

  function look(): void {
    next = undefined;
    if (writer.failure) return;
    const now = clock.monotonic();
    for (const [id, entry] of [...watched]) if (entry.due <= now && watched.get(id) === entry) judge(id, entry, now);
    let first = Number.POSITIVE_INFINITY;
    for (const { due } of watched.values()) first = Math.min(first, due);
    if (watched.size > 0) arm(first);
  }

  function judge(id: string, entry: Watched, now: number): void {
    const { agent, limit } = entry;
    const idle = now - entry.heardAt;
    const isAway = farm.agents.get(agent)?.state.connection !== 'connected';
    const waits = waiting.find(agent, id) !== undefined;
    // What is away has its lease, and what finds no room here has to wait as long as that is so.
    if (isAway || (waits && room.waiting > 0)) entry.due = now + limit;
    else if ((waits || idle < limit) && entry.extensions++ < mostExtensions)
      entry.due = now + (waits ? limit : limit - idle);
    else {
      entry.due = now + limit;
      const seconds = Math.round(limit / 1000);
      const message = `its agent is connected and has neither ended nor delivered it within ${seconds} s`;
      attempts.abandon(farm.queue.build(id) as BuildRecord, 'agent-error', message);
    }
  }

  function follow(id: string, build: BuildRecord | undefined): void {
    const agent = build && liveAgent(build.state);
    if (build === undefined || agent === undefined) {
      if (watched.delete(id) && watched.size === 0) stop();
      return;
    }
    const limit = limitOf(build);
    const heardAt = clock.monotonic();
    const due = heardAt + limit;
    watched.set(id, { agent, limit, heardAt, due, extensions: 0 });
    arm(due);
  }

  function stop(): void {
    next?.timer[Symbol.dispose]();
    next = undefined;
  }

  writer.listen((category, id, { type }) => {
    if (category !== 'build') return;
    if (gives.has(type) || watched.has(id)) follow(id, farm.queue.build(id));
  });
  for (const { name } of farm.agents.all()) for (const build of farm.queue.live(name)) follow(buildId(build), build);

  return {
    uploaded(agent, path) {
      for (const build of farm.queue.live(agent)) {
        const entry = watched.get(buildId(build));
        const isOutput = farm.graph.outputs(build.drv).some(({ item }) => farm.graph.itemPath(item) === path);
        if (entry && isOutput) entry.heardAt = clock.monotonic();
      }
    },
    [Symbol.dispose]() {
      stop();
      watched.clear();
    },
  };
}
