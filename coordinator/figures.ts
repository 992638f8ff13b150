import type { AgentRecord } from '../projections/agents.ts';
import type { BlockingCause } from '../projections/blocked.ts';
import type { Farm } from '../projections/farm.ts';
import { countStandings, readyBySystem } from '../projections/standing.ts';
import type { VerificationStatus } from './items/verifying.ts';

export interface FarmStatus {
  /** Every build is in one of these. */
  readonly builds: {
    readonly blocked: number;
    readonly waiting: number;
    readonly ready: number;
    readonly backoff: number;
    readonly deferred: number;
    readonly allocated: number;
    readonly running: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly canceled: number;
  };
  /** Blocked builds by what blocks them at the root; one that several things block is in several. */
  readonly blocked: Readonly<Record<BlockingCause, number>>;
  /** Ready builds per system. */
  readonly ready: Readonly<Record<string, number>>;
  /** Builds per system that would be ready, did any agent take them; they are blocked. */
  readonly unattended: Readonly<Record<string, number>>;
  readonly derivations: number;
  /** In the pool … */
  readonly items: number;
  /** … and those that only upstreams have, as far as is known; absent: none. */
  readonly upstreamItems?: number;
  readonly agents: {
    readonly connected: number;
    readonly registered: number;
    /** Slots of connected agents, and those of them that are in use. */
    readonly slots: number;
    readonly busy: number;
    /** Attempts that connected agents have beyond their slots, as after a start with fewer: they wait for one there. */
    readonly excess: number;
    /** Attempts at agents that are not connected. */
    readonly away: number;
  };
  /** Position of the last event that is durable. */
  readonly position: string | undefined;
  /** Commits decided and not yet durable. */
  readonly pendingCommits: number;
  readonly uploads: {
    /** Those that found no room in the pool and have not gone on since. */
    readonly waiting: number;
    /** How often one found no room, since the start. */
    readonly refused: number;
  };
  /** Where the pool is verified by itself (the settings `verify`). */
  readonly verification?: VerificationStatus;
}

/**
 * The figures of a farm that are in its log.
 *
 * @param built how many attempts of an agent are built and hold no slot, which the log does not say.
 */
export function figuresOf(
  farm: Farm,
  built: (agent: string) => number = () => 0,
): Omit<FarmStatus, 'position' | 'pendingCommits' | 'uploads'> {
  const { queue, graph, availability, blocked } = farm;
  const agents = [...farm.agents.all()].filter(({ state }) => state.connection !== 'retired');
  const connected = agents.filter(({ state }) => state.connection === 'connected');
  const { queued: _, ...others } = queue.counts();
  const excessOf = (agent: AgentRecord): number => queue.live(agent.name).size - built(agent.name) - slotsOf(agent);
  const bySystem = readyBySystem(farm);
  return {
    builds: { ...countStandings(farm, bySystem), ...others },
    blocked: blocked.counts().causes,
    ...bySystem,
    derivations: graph.derivations,
    items: availability.present,
    ...(availability.upstream > 0 && { upstreamItems: availability.upstream }),
    agents: {
      registered: agents.length,
      connected: connected.length,
      slots: connected.reduce((sum, agent) => sum + slotsOf(agent), 0),
      busy: connected.reduce((sum, agent) => sum + Math.min(slotsOf(agent), queue.live(agent.name).size), 0),
      excess: connected.reduce((sum, agent) => sum + Math.max(0, excessOf(agent)), 0),
      away: agents.reduce(
        (sum, { name, state }) => sum + (state.connection === 'connected' ? 0 : queue.live(name).size),
        0,
      ),
    },
  };
}

function slotsOf({ state }: AgentRecord): number {
  return state.abilities?.slots ?? 0;
}
