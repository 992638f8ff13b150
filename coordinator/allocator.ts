import { intakeOf } from '../domain/agent/state.ts';
import type { FailureClass } from '../domain/build/failure-class.ts';
import { allocateFrameBytes, listBytes, maxCoordinatorFrameBytes } from '../domain/limits.ts';
import { type AgentRecord, misfit } from '../projections/agents.ts';
import type { JobClass } from '../projections/graph.ts';
import { type BuildRecord, buildId } from '../projections/queue.ts';
import { type Core, commandBuild } from './core.ts';
import type { WaitingAttempts } from './waiting-attempts.ts';

/**
 * Gives ready builds to free slots: always the most urgent build that some agent with a free slot can run. Runs within the same turn of
 * the loop as the event that made it worth while; never waits, never polls.
 */
export interface Allocator {
  /** Something changed that may make an allocation possible. */
  schedule(): void;
  /** An attempt was cancelled: it keeps its slot until the agent says that it has stopped. */
  stopping(agent: string, attempt: string): void;
  stopped(agent: string, attempt: string): void;
  /** The agent's link was made anew: what it runs is known from its hello. */
  forgetStopping(agent: string): void;
  /** Sends (again) an attempt that is allocated to the agent. */
  push(build: BuildRecord): void;
  /** Whether the agent would be given builds of this class: it is connected, accepts builds and fits. */
  suits(agent: AgentRecord, jobClass: JobClass): boolean;
  /** How many agents could build this class if they were here and accepted builds; those that were removed do not count. */
  able(jobClass: JobClass): number;
  freeSlots(agent: AgentRecord): number;
}

/** Builds that prefer another agent and are passed over in one run; more than that wait for the next. */
const mostPassedOver = 100;
const meta = { actor: 'allocator' };

interface Candidate {
  readonly agent: AgentRecord;
  free: number;
}

/** Submitting sends what is missing, and is the only thing that can. */
const textLost =
  'the text of the derivation is not in the derivation store: submit it again, or restore the store and retry the build';

export function createAllocator(core: Core, waiting: WaitingAttempts): Allocator {
  const { farm, writer, derivations, links, policy, logger } = core;
  const { queue, graph } = farm;
  const stopping = new Map<string, Set<string>>();
  const fits = new Map<string, { abilities: unknown; byClass: (boolean | undefined)[] }>();
  let scheduled = false;

  /** Whether the agent can build the class at all; remembered per agent until its abilities change. */
  function fit(agent: AgentRecord, jobClass: JobClass): boolean {
    let known = fits.get(agent.name);
    if (!known || known.abilities !== agent.state.abilities) {
      known = { abilities: agent.state.abilities, byClass: [] };
      fits.set(agent.name, known);
    }
    known.byClass[jobClass.index] ??= misfit(agent.state, jobClass) === undefined;
    return known.byClass[jobClass.index] as boolean;
  }
  const suits = (agent: AgentRecord, jobClass: JobClass): boolean =>
    intakeOf(agent.state) === 'accepting' && fit(agent, jobClass);

  function able(jobClass: JobClass): number {
    let count = 0;
    for (const agent of farm.agents.all()) if (agent.state.connection !== 'retired' && fit(agent, jobClass)) count++;
    return count;
  }

  function freeSlots(agent: AgentRecord): number {
    const slots = agent.state.abilities?.slots ?? 0;
    // What is built and only waits for room here holds no slot; but not more of it than there are slots, or disks would fill.
    const built = Math.min(slots, waiting.uploads(agent.name));
    return slots - (queue.live(agent.name).size - built) - (stopping.get(agent.name)?.size ?? 0);
  }

  function mostUrgent(candidates: readonly Candidate[]): BuildRecord | undefined {
    let best: BuildRecord | undefined;
    for (const jobClass of graph.jobClasses) {
      const first = queue.ready(jobClass).first();
      if (!first || (best && !queue.before(first, best))) continue;
      if (candidates.some(({ agent, free }) => free > 0 && fit(agent, jobClass))) best = first;
    }
    return best;
  }

  /** The least busy agent that fits. One on which the infrastructure failed this build is taken only where no other would do. */
  function choose(build: BuildRecord, candidates: readonly Candidate[]): Candidate | undefined {
    const jobClass = graph.jobClass(build.drv);
    const { avoid } = build.state;
    let best: Candidate | undefined;
    for (const candidate of candidates) {
      if (candidate.free <= 0 || !fit(candidate.agent, jobClass) || avoid.includes(candidate.agent.name)) continue;
      if (!best || share(candidate) > share(best)) best = candidate;
    }
    if (best || avoid.length === 0) return best;
    for (const agent of farm.agents.all()) if (!avoid.includes(agent.name) && suits(agent, jobClass)) return undefined;
    return candidates.find(({ agent, free }) => free > 0 && fit(agent, jobClass));
  }

  function run(): void {
    scheduled = false;
    if (writer.failure) return;
    const candidates: Candidate[] = [];
    for (const agent of farm.agents.all()) {
      if (intakeOf(agent.state) !== 'accepting') continue;
      const free = freeSlots(agent);
      if (free > 0) candidates.push({ agent, free });
    }
    if (candidates.length === 0) return;
    queue.urgency.settle();
    const passedOver: BuildRecord[] = [];
    for (let build = mostUrgent(candidates); build; build = mostUrgent(candidates)) {
      const chosen = choose(build, candidates);
      if (chosen) {
        commandBuild(core, build, { type: 'allocate', agent: chosen.agent.name }, meta);
        chosen.free--;
        push(build);
      } else {
        queue.ready(graph.jobClass(build.drv)).remove(build);
        if (passedOver.push(build) === mostPassedOver) break;
      }
    }
    for (const build of passedOver) queue.ready(graph.jobClass(build.drv)).add(build);
  }

  function push(build: BuildRecord): void {
    const { attempt, agents, options } = build.state;
    const agent = agents[attempt - 1] as string;
    const derivation = graph.drvPath(build.drv);
    const text = derivations.text(derivation); // Read while the event is made durable.
    const live = (): boolean => queue.live(agent).has(build) && build.state.attempt === attempt;
    const unsendable = (failure: FailureClass, message: string): void => {
      logger.error({ build: buildId(build), derivation }, message);
      if (live()) fail(build, agent, attempt, failure, message);
    };
    const send = async (): Promise<void> => {
      const bytes = await text.catch((error: Error) => {
        // The coordinator's own trouble: no agent's, and not to be tried without end.
        unsendable('unknown', `the derivation store failed: ${error.message}`);
      });
      // Cancelled, or the agent was lost, in the meantime.
      if (!live()) return;
      if (!bytes) return unsendable('rejected', textLost);
      const inputs: string[] = [];
      graph.eachNeed(build.drv, (item) => inputs.push(graph.itemPath(item)));
      const size = allocateFrameBytes(bytes.length, listBytes(inputs));
      if (size > maxCoordinatorFrameBytes) {
        const expected = `expected text and list of inputs of at most ${maxCoordinatorFrameBytes} bytes`;
        return unsendable('rejected', `${derivation} does not fit into a frame to an agent: ${expected}, got ${size}`);
      }
      links.send(agent, {
        type: 'allocate',
        build: buildId(build),
        attempt,
        derivation,
        text: bytes,
        inputs,
        timeoutSeconds: options.timeoutSeconds ?? policy.timeoutSeconds,
        maxSilentSeconds: options.maxSilentSeconds ?? policy.maxSilentSeconds,
        maxLogBytes: policy.maxLogBytes,
      });
    };
    text.catch(() => undefined);
    writer.afterwards(() => {
      send().catch((error: unknown) => {
        // A writer that has failed takes nothing more, and the coordinator starts again from the log.
        if (!writer.failure) logger.error({ err: error, build: buildId(build) }, 'an attempt could not be sent');
      });
    });
  }

  function fail(build: BuildRecord, agent: string, attempt: number, failureClass: FailureClass, message: string): void {
    const { clock, random } = core.runtime;
    const failure = {
      class: failureClass,
      message,
      setup: true,
      missing: [],
      able: able(graph.jobClass(build.drv)),
      now: clock.now(),
      fraction: random.fraction(),
    } as const;
    commandBuild(core, build, { type: 'fail', attempt, agent, ...failure }, meta);
  }

  return {
    schedule() {
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(run);
    },
    stopping(agent, attempt) {
      const set = stopping.get(agent) ?? new Set();
      stopping.set(agent, set.add(attempt));
    },
    stopped(agent, attempt) {
      if (stopping.get(agent)?.delete(attempt)) this.schedule();
    },
    forgetStopping: (agent) => void stopping.delete(agent),
    push,
    suits,
    able,
    freeSlots,
  };
}

/** Share of the agent's slots that is free. */
function share({ agent, free }: Candidate): number {
  return free / (agent.state.abilities?.slots ?? 1);
}
