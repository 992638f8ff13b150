import { isThere } from '../projections/hooks.ts';
import { loggedWaits } from '../projections/moment.ts';
import { neededBelow } from '../projections/sources-below.ts';
import { agentStatusOf, lockedOut, loggedUntil } from './agents/agent-status.ts';
import type { Application } from './application.ts';
import type { Core } from './core.ts';
import { DroverError } from './errors.ts';
import { figuresOf } from './figures.ts';
import { statusWithoutRunner } from './hooks/status.ts';
import { nextDaily } from './items/collection-schedule.ts';
import type { Position } from './ports/event-store.ts';
import { createReading, type Reading } from './reading.ts';
import { createSlices } from './slices.ts';
import type { UpstreamSettings } from './upstreams/settings.ts';
import { describeUpstream } from './upstreams/status.ts';

/** What a farm as it was at a moment answers; see {@link Application}. */
export type MomentApplication = Reading &
  Pick<
    Application,
    | 'readiness'
    | 'settled'
    | 'position'
    | 'status'
    | 'agents'
    | 'hooks'
    | 'upstreams'
    | 'upstream'
    | 'upstreamItem'
    | 'settleLog'
  >;

export interface MomentSources extends Pick<Core, 'farm' | 'log' | 'policy' | 'runtime'> {
  /** Of the last event. */
  readonly position: Position;
  /** As the configuration has them now. */
  readonly upstreams: readonly UpstreamSettings[];
}

/**
 * A farm that was folded up to a moment, and is only read. Its clock stands still at the time of the last event; what no event says, as heartbeats,
 * deliveries under way and what upstreams were asked, is not there.
 */
export function createMomentApplication(sources: MomentSources): MomentApplication {
  const { farm, policy, runtime, position, upstreams } = sources;
  const { dailyAtMs } = policy.collection;
  const reading = createReading(sources, createSlices(runtime), {
    waits: loggedWaits(farm),
    busy: () => false,
    promised: () => [],
    notQueued: () => undefined,
    needSources: () => ({ farm, uploads: new Map(), below: neededBelow(farm, policy.storeDir) }),
    nextCollection: () => (dailyAtMs === undefined ? undefined : nextDaily(dailyAtMs, runtime.clock.now())),
  });
  const statuses = () => upstreams.map((settings) => describeUpstream(settings, farm));

  return {
    ...reading,
    readiness: () => ({ ready: true, reasons: [] }),
    settled: async () => 0,
    position: () => position,
    status: () => ({ ...figuresOf(farm), position, pendingCommits: 0, uploads: { waiting: 0, refused: 0 } }),
    agents: () =>
      Array.from(farm.agents.all(), (agent) =>
        agentStatusOf(farm, agent, { until: loggedUntil(agent), refused: lockedOut(farm.tokens, agent) }),
      ),
    hooks: () => [...farm.hooks.all()].filter(isThere).map(statusWithoutRunner),
    upstreams: statuses,
    upstream(name) {
      const found = statuses().find((one) => one.name === name);
      if (found === undefined) throw new DroverError('unknown-upstream', `there is no upstream ${name}`);
      return found;
    },
    upstreamItem(hashPart) {
      const item = farm.graph.itemsByHash(hashPart).find((one) => farm.upstreams.get(one) !== undefined);
      const known = item !== undefined && farm.availability.isAvailable(item) ? farm.upstreams.get(item) : undefined;
      return known && { ...known, isDirect: false };
    },
    settleLog: async () => undefined,
  };
}
