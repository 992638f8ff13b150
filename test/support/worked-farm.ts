import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import { ownerOfAgent } from '../../coordinator/items/uploads.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { HookTransport } from '../../coordinator/ports/hook-transport.ts';
import type { UpstreamSource } from '../../coordinator/upstreams/asking.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { buildId } from '../../projections/builds.ts';
import type { Drv } from '../../projections/graph.ts';
import type { WaitedInput } from '../../projections/why.ts';
import { createVirtualTime } from '../simulation/time.ts';
import { admin, openTestCoordinator } from './coordinator.ts';
import { noHooks } from './fake-hook-transport.ts';
import { createFakePool } from './fake-pool.ts';
import { fakeSha256 } from './paths.ts';

export interface Wish {
  readonly inputs?: boolean;
  readonly force?: boolean;
}

/** A real coordinator, and one agent that builds whatever it is given as soon as {@link WorkedFarm.work} is called. */
export type WorkedFarm = Awaited<ReturnType<typeof openWorkedFarm>>;

/**
 * @param facts inputs first.
 * @param without features that the agent does not have; it has all others that any derivation wants.
 */
export async function openWorkedFarm(
  facts: readonly DerivationFacts[],
  {
    without = [] as string[],
    seed = 1,
    upstreams = [] as readonly UpstreamSource[],
    rememberedBuilds = 1e6,
    store = openMemoryEventStore() as EventStore,
    hookTransport = noHooks as HookTransport,
    time = createVirtualTime(seed),
  } = {},
) {
  const hashes = new Map(facts.flatMap(({ outputs, fixed }) => (fixed ? [[outputs.out, fixed.hash] as const] : [])));
  const fake = createFakePool();
  // What a fixed output holds is what its derivation says.
  const contentHash = async (id: string) =>
    hashes.get((await fake.finished(id, ownerOfAgent('a')))?.item.path as string);
  const test = await openTestCoordinator(facts, {
    seed,
    upstreams,
    rememberedBuilds,
    store,
    hookTransport,
    time,
    pool: { ...fake, contentHash } as typeof fake,
  });
  const { application, farm } = test;
  const { graph, availability, queue } = farm;
  const by = { id: 'agent', scope: 'agent', agent: 'a' } as const;
  const tried: string[] = [];
  const systems = [...new Set(facts.map(({ system }) => system))];
  const features = [...new Set(facts.flatMap((one) => one.features ?? []))].filter((one) => !without.includes(one));
  await test.connect('a', { systems, features, slots: 1000 });

  async function succeed(build: string, attempt: number, drv: Drv): Promise<void> {
    const outputs = [];
    for (const { name, item } of graph.outputs(drv)) {
      const path = graph.itemPath(item);
      const nar = { path, narHash: fakeSha256(item + 1), narSize: 1, references: [] };
      const isThere = availability.isPresent(item);
      const upload = isThere
        ? undefined
        : await application.beginUpload(by, { ...nar, build, attempt, compression: 'zstd', fileSize: 1 });
      outputs.push({ name, ...nar, ...(upload && { upload: upload.id }) });
    }
    await application.agentMessage('a', { type: 'succeeded', build, attempt, outputs, durationMs: 1000, logBytes: 0 });
  }

  return {
    ...test,
    /** Base names of the derivations that were given to the agent, in that order. */
    tried,
    async wish(roots: readonly string[], { inputs = true, force = false }: Wish = {}) {
      const result = await application.submit(admin, { roots, options: { priority: 0 }, inputs, force });
      await test.settle();
      return result;
    },
    /** Builds until nothing is given to the agent any more. */
    async work(fails: (derivation: string) => boolean = () => false): Promise<void> {
      for (let given = test.allocations(); given.length > 0; given = test.allocations()) {
        for (const { build, attempt, derivation } of given) {
          const { status, attempt: latest } = queue.build(build)?.state ?? {};
          if (status !== 'allocated' || latest !== attempt) {
            await application.agentMessage('a', { type: 'released', build, attempt, reason: 'canceled' });
            continue;
          }
          tried.push(derivation);
          if (fails(derivation)) {
            const failure = { type: 'failed', build, attempt, class: 'rejected', message: 'simulated' } as const;
            await application.agentMessage('a', failure);
          } else await succeed(build, attempt, graph.drvOf(derivation) as Drv);
        }
        await test.settle();
      }
    },
    isAvailable: (path: string): boolean => {
      const item = graph.itemOf(path);
      return item !== undefined && availability.isAvailable(item);
    },
    statusOf: (derivation: string): string | undefined => {
      const drv = graph.drvOf(derivation);
      return drv === undefined ? undefined : queue.latest(drv)?.state.status;
    },
    whyOf(derivation: string) {
      const build = queue.unfinished(graph.drvOf(derivation) as Drv);
      if (!build) throw new Error(`there is no unfinished build of ${derivation}`);
      return application.why(buildId(build));
    },
    /**
     * Follows `why` from every unfinished build to what a person has to do: inputs that nothing under way would make. Throws where it
     * goes round, and where a build waits for nothing.
     */
    async acts(): Promise<WaitedInput[]> {
      const found = new Map<string, WaitedInput>();
      const done = new Set<string>();
      for (const start of queue.unfinishedBuilds()) {
        const path: { id: string; left: string[] }[] = [{ id: buildId(start), left: await follow(buildId(start)) }];
        for (let top = path.at(-1); top; top = path.at(-1)) {
          const next = top.left.pop();
          if (next === undefined) {
            done.add(top.id);
            path.pop();
          } else if (path.some(({ id }) => id === next)) throw new Error(`why goes round at ${next}`);
          else if (!done.has(next)) path.push({ id: next, left: await follow(next) });
        }
      }
      return [...found.values()];

      async function follow(id: string): Promise<string[]> {
        const build = queue.build(id);
        if (!build) throw new Error(`why names ${id}, which is no build`);
        if (done.has(id)) return [];
        const why = await application.why(id);
        if (why.reason !== 'inputs') throw new Error(`${id} waits for ${why.reason}: ${why.summary}`);
        if (why.blockers.length === 0) throw new Error(`${id} is not called blocked: ${why.summary}`);
        return why.inputs.flatMap((input) => {
          if (['queued', 'blocked', 'building'].includes(input.state)) return [input.build as string];
          found.set(input.item, input);
          return [];
        });
      }
    },
  };
}
