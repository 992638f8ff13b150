import { intakeOf } from '../../domain/agent/state.ts';
import type { FailureClass } from '../../domain/build/failure-class.ts';
import { isAvoided } from '../../domain/build/state.ts';
import { allocateFrameBytes, listBytes, maxCoordinatorFrameBytes } from '../../domain/limits.ts';
import { type AgentRecord, misfit } from '../../projections/agents.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { JobClass } from '../../projections/graph.ts';
import type { WaitingAttempts } from '../builds/waiting-attempts.ts';
import { type Core, commandBuild } from '../core.ts';
import { gone, type Texts } from '../submissions/texts.ts';
import type { Holdings } from './holdings.ts';

/**
 * Gives ready builds to free slots: always the most urgent build that some agent with a free slot can run. Runs within the same turn of
 * the loop as the event that made it worth while; never waits, never polls.
 */
export interface Allocator {
  /** Something changed that may make an allocation possible. */
  schedule(): void;
  /** An attempt goes on that is not live any more: it keeps its slot. */
  occupied(agent: string, attempt: string): void;
  /** An attempt was cancelled: it keeps its slot until the agent says that it has stopped, but no longer than a lease. */
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
  [Symbol.dispose](): void;
}

/** Builds that prefer another agent and are passed over in one run; more than that wait for the next. */
const mostPassedOver = 100;
const meta = { actor: 'allocator' };

export interface AllocatorParts {
  readonly waiting: WaitingAttempts;
  readonly texts: Pick<Texts, 'lost' | 'unread'>;
  readonly holdings: Pick<Holdings, 'preferred'>;
  /** Goes on with attempts that agents are at already, of builds that nobody has: before these are given to anybody anew. */
  takeUpLate(): void;
}

interface Candidate {
  readonly name: string;
  readonly agent: AgentRecord;
  free: number;
}

/** Which classes an agent can build, as far as that was asked. */
interface Fits {
  readonly abilities: unknown;
  readonly byClass: (boolean | undefined)[];
  /** How many classes there were when it was last looked which of them it can build. */
  looked: number;
}

export function createAllocator(core: Core, { waiting, texts, holdings, takeUpLate }: AllocatorParts): Allocator {
  const { farm, writer, derivations, links, policy, runtime, logger } = core;
  const { queue, graph } = farm;
  /** Per agent: attempts that are not live and hold a slot, each with what ends that. */
  const holding = new Map<string, Map<string, Disposable | undefined>>();
  const fits = new Map<string, Fits>();
  /** Classes that some agent has been able to build. Whoever submits makes up classes: of the others there may be very many. */
  const buildable: JobClass[] = [];
  const isBuildable: boolean[] = [];
  let scheduled = false;
  /** Those among which one build has its choice. */
  const equals: Candidate[] = [];

  /** Whether the agent can build the class at all; remembered per agent until its abilities change. */
  function fit(agent: AgentRecord, jobClass: JobClass): boolean {
    const { byClass } = fitsOf(agent);
    byClass[jobClass.index] ??= misfit(agent.state, jobClass) === undefined;
    return byClass[jobClass.index] as boolean;
  }
  function fitsOf(agent: AgentRecord): Fits {
    const known = fits.get(agent.name);
    if (known !== undefined && known.abilities === agent.state.abilities) return known;
    const renewed: Fits = { abilities: agent.state.abilities, byClass: [], looked: 0 };
    fits.set(agent.name, renewed);
    return renewed;
  }
  /** Looks at the classes that have come since it last did. */
  function findBuildable(agent: AgentRecord): void {
    const known = fitsOf(agent);
    for (; known.looked < graph.jobClasses.length; known.looked++) {
      const jobClass = graph.jobClasses[known.looked] as JobClass;
      if (isBuildable[jobClass.index] || !fit(agent, jobClass)) continue;
      isBuildable[jobClass.index] = true;
      buildable.push(jobClass);
    }
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
    // What is built and on its way here, or waits for room, holds no slot; but not more of it than there are slots, or disks would fill.
    const built = Math.min(slots, waiting.built(agent.name));
    return slots - (queue.live(agent.name).size - built) - (holding.get(agent.name)?.size ?? 0);
  }

  function mostUrgent(candidates: readonly Candidate[]): BuildRecord | undefined {
    let best: BuildRecord | undefined;
    for (const jobClass of buildable) {
      const first = queue.ready(jobClass).first();
      if (!first || (best && !queue.before(first, best))) continue;
      if (candidates.some(({ agent, free }) => free > 0 && fit(agent, jobClass))) best = first;
    }
    return best;
  }

  /**
   * The least busy agent that fits; of those, the one that lacks the fewest bytes of the inputs. One on which the infrastructure failed this build is taken only
   * where no other would do.
   */
  function choose(build: BuildRecord, candidates: readonly Candidate[]): Candidate | undefined {
    const jobClass = graph.jobClass(build.drv);
    const { state } = build;
    const mayAvoid = state.avoid.length + state.lost.length > 0;
    const avoided = (agent: AgentRecord): boolean => mayAvoid && isAvoided(state, agent.name);
    let most = 0;
    equals.length = 0;
    for (const candidate of candidates) {
      if (candidate.free <= 0 || !fit(candidate.agent, jobClass) || avoided(candidate.agent)) continue;
      const free = share(candidate);
      if (free > most) equals.length = 0;
      if (free < most) continue;
      most = free;
      equals.push(candidate);
    }
    if (equals.length > 0) return holdings.preferred(build.drv, equals);
    if (!mayAvoid) return undefined;
    for (const agent of farm.agents.all()) if (!avoided(agent) && suits(agent, jobClass)) return undefined;
    return candidates.find(({ agent, free }) => free > 0 && fit(agent, jobClass));
  }

  function run(): void {
    scheduled = false;
    if (writer.failure) return;
    takeUpLate();
    const candidates: Candidate[] = [];
    for (const agent of farm.agents.all()) {
      if (intakeOf(agent.state) !== 'accepting') continue;
      const free = freeSlots(agent);
      if (free <= 0) continue;
      candidates.push({ name: agent.name, agent, free });
      findBuildable(agent);
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
    /** Nobody's failure: the build waits until the text is there again. */
    const textLost = (reason: string, how: 'lost' | 'unread'): void => {
      logger.error({ build: buildId(build), derivation }, `the text of the derivation is lost: ${reason}`);
      texts[how](build.drv, reason);
      const message = `the text of ${derivation} is lost: ${reason}`;
      if (live()) fail(build, agent, attempt, 'inputs-missing', message, [derivation]);
    };
    const send = async (): Promise<void> => {
      const bytes = await text.catch((error: Error) => error);
      if (writer.failure) return;
      if (bytes instanceof Error) return textLost(`the derivation store could not read it: ${bytes.message}`, 'unread');
      if (bytes === undefined) return textLost(gone, 'lost');
      // Cancelled, or the agent was lost, in the meantime.
      if (!live()) return;
      const inputs: string[] = [];
      graph.eachNeed(build.drv, (item) => inputs.push(graph.itemPath(item)));
      const size = allocateFrameBytes(bytes.length, listBytes(inputs));
      if (size > maxCoordinatorFrameBytes) {
        const expected = `expected text and list of inputs of at most ${maxCoordinatorFrameBytes} bytes`;
        const message = `${derivation} does not fit into a frame to an agent: ${expected}, got ${size}`;
        logger.error({ build: buildId(build), derivation }, message);
        return fail(build, agent, attempt, 'rejected', message);
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

  function fail(
    build: BuildRecord,
    agent: string,
    attempt: number,
    failureClass: FailureClass,
    message: string,
    missing: readonly string[] = [],
  ): void {
    const { clock, random } = core.runtime;
    const failure = {
      class: failureClass,
      message,
      setup: true,
      missing,
      able: able(graph.jobClass(build.drv)),
      now: clock.now(),
      fraction: random.fraction(),
    } as const;
    commandBuild(core, build, { type: 'fail', attempt, agent, ...failure }, meta);
  }

  function hold(agent: string, attempt: string, timer: Disposable | undefined): void {
    const held = holding.get(agent) ?? new Map();
    held.get(attempt)?.[Symbol.dispose]();
    holding.set(agent, held.set(attempt, timer));
  }

  function release(agent: string): void {
    for (const timer of holding.get(agent)?.values() ?? []) timer?.[Symbol.dispose]();
    holding.delete(agent);
  }

  return {
    schedule() {
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(run);
    },
    occupied: (agent, attempt) => hold(agent, attempt, undefined),
    stopping(agent, attempt) {
      const timer = runtime.timers.after(policy.leaseSeconds * 1000, () => {
        logger.warn(
          { agent, attempt },
          'the agent does not say that it has stopped a cancelled attempt: its slot counts as free',
        );
        this.stopped(agent, attempt);
      });
      hold(agent, attempt, timer);
    },
    stopped(agent, attempt) {
      const held = holding.get(agent);
      if (!held?.has(attempt)) return;
      held.get(attempt)?.[Symbol.dispose]();
      held.delete(attempt);
      this.schedule();
    },
    forgetStopping: release,
    [Symbol.dispose]() {
      for (const agent of [...holding.keys()]) release(agent);
    },
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
