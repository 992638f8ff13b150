import { isEnded } from '../../domain/build/state.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Allocator } from '../agents/allocator.ts';
import { type Core, commandBuild } from '../core.ts';

/**
 * Attempts that were taken back from an agent which turns out to be still at them, while another attempt is under way elsewhere. They go
 * on where they are, as what they make counts as long as the build is not finished (I4), and are stopped once it is. Where nobody else has the
 * build any more, one of them is what it goes on with.
 */
export interface LateAttempts {
  /** Lets the attempt go on; it keeps its slot. */
  keep(agent: string, build: BuildRecord, attempt: number): void;
  /** The agent says how it ended. */
  over(agent: string, build: string, attempt: number): void;
  /** The agent's link was made anew: what it runs is known from its hello. */
  forget(agent: string): void;
  /** Makes late attempts those of builds that nobody has any more: no agent gets a second attempt of what it is at, and no work is done twice. */
  takeUp(): void;
}

export function createLateAttempts(
  core: Core,
  allocator: Pick<Allocator, 'occupied' | 'stopping' | 'stopped'>,
): LateAttempts {
  const { farm, writer, links } = core;
  /** Per build: who runs which attempt of it. */
  const late = new Map<string, Map<string, number>>();

  function remove(build: string, agent: string): void {
    const holders = late.get(build);
    holders?.delete(agent);
    if (holders?.size === 0) late.delete(build);
  }

  writer.listen((category, id) => {
    if (category !== 'build' || !late.has(id)) return;
    const build = farm.queue.build(id);
    if (!build || !isEnded(build.state.status)) return;
    const reason = build.state.status === 'succeeded' ? 'another attempt has succeeded' : `it is ${build.state.status}`;
    for (const [agent, attempt] of late.get(id) ?? []) {
      allocator.stopping(agent, `${id}#${attempt}`);
      writer.afterwards(() => links.send(agent, { type: 'cancel', build: id, attempt, reason }));
    }
    late.delete(id);
  });

  return {
    keep(agent, build, attempt) {
      const id = buildId(build);
      late.set(id, (late.get(id) ?? new Map()).set(agent, attempt));
      allocator.occupied(agent, `${id}#${attempt}`);
    },
    over(agent, build, attempt) {
      if (late.get(build)?.get(agent) === attempt) remove(build, agent);
    },
    forget(agent) {
      for (const build of [...late.keys()]) remove(build, agent);
    },
    takeUp() {
      for (const [id, holders] of late) {
        const build = farm.queue.build(id);
        if (build?.state.status !== 'queued') continue;
        for (const [agent, attempt] of holders) {
          if (farm.agents.get(agent)?.state.connection !== 'connected') continue;
          // Late are only those that had got further than their inputs.
          const command = { type: 'adopt', agent, attempt, started: true } as const;
          const outcome = commandBuild(core, build, command, { actor: 'allocator' });
          if (typeof outcome === 'string') continue;
          remove(id, agent);
          // It is among the live ones that its agent has, from here on.
          allocator.stopped(agent, `${id}#${attempt}`);
          break;
        }
      }
    },
  };
}
