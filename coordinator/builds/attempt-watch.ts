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

interface Watched {
  readonly agent: string;
  /** Since when nothing of it has come, by the monotonic clock. */
  heardAt: number;
  /** How often it was given more time: parts of its outputs came, or its agent says that it cannot reach the coordinator. */
  extensions: number;
  timer: Disposable;
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

  /** Far beyond what an agent takes that ends builds as it is told, with the fetching of inputs before. */
  function limitOf({ state }: BuildRecord): number {
    const seconds = Math.max(state.options.timeoutSeconds ?? 0, policy.timeoutSeconds) + policy.leaseSeconds;
    return Math.min(longestMs, seconds * 1000);
  }

  function arm(build: BuildRecord, entry: Watched, ms: number): void {
    entry.timer = timers.after(ms, () => {
      if (writer.failure) return;
      const id = buildId(build);
      const limit = limitOf(build);
      const idle = clock.monotonic() - entry.heardAt;
      const isAway = farm.agents.get(entry.agent)?.state.connection !== 'connected';
      const waits = waiting.find(entry.agent, id) !== undefined;
      // What is away has its lease, and what finds no room here has to wait as long as that is so.
      if (isAway || (waits && room.waiting > 0)) return arm(build, entry, limit);
      if ((waits || idle < limit) && entry.extensions++ < mostExtensions)
        return arm(build, entry, waits ? limit : limit - idle);
      attempts.abandon(
        build,
        'agent-error',
        `its agent is connected and has neither ended nor delivered it within ${Math.round(limit / 1000)} s`,
      );
    });
  }

  function follow(build: BuildRecord): void {
    const id = buildId(build);
    const { state } = build;
    const agent = liveAgent(state);
    watched.get(id)?.timer[Symbol.dispose]();
    watched.delete(id);
    if (agent === undefined) return;
    const entry: Watched = { agent, heardAt: clock.monotonic(), extensions: 0, timer: { [Symbol.dispose]() {} } };
    watched.set(id, entry);
    arm(build, entry, limitOf(build));
  }

  writer.listen((category, id) => {
    const build = category === 'build' ? farm.queue.build(id) : undefined;
    if (build && (watched.has(id) || liveAgent(build.state) !== undefined)) follow(build);
  });
  for (const { name } of farm.agents.all()) for (const build of farm.queue.live(name)) follow(build);

  return {
    uploaded(agent, path) {
      for (const build of farm.queue.live(agent)) {
        const entry = watched.get(buildId(build));
        const isOutput = farm.graph.outputs(build.drv).some(({ item }) => farm.graph.itemPath(item) === path);
        if (entry && isOutput) entry.heardAt = clock.monotonic();
      }
    },
    [Symbol.dispose]() {
      for (const { timer } of watched.values()) timer[Symbol.dispose]();
      watched.clear();
    },
  };
}
