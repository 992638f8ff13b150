import type { AgentRecord } from '../projections/agents.ts';
import type { Farm } from '../projections/farm.ts';
import { countStandings, readyBySystem } from '../projections/standing.ts';
import type { FarmStatus } from './application.ts';

/** The figures of a farm that are in its log. */
export function figuresOf(farm: Farm): Omit<FarmStatus, 'position' | 'pendingCommits' | 'uploads'> {
  const { queue, graph, availability, blocked } = farm;
  const agents = [...farm.agents.all()].filter(({ state }) => state.connection !== 'retired');
  const connected = agents.filter(({ state }) => state.connection === 'connected');
  const { queued: _, ...others } = queue.counts();
  return {
    builds: { ...countStandings(farm), ...others },
    blocked: blocked.counts().causes,
    ...readyBySystem(farm),
    derivations: graph.derivations,
    items: availability.present,
    ...(availability.upstream > 0 && { upstreamItems: availability.upstream }),
    agents: {
      registered: agents.length,
      connected: connected.length,
      slots: connected.reduce((sum, agent) => sum + slotsOf(agent), 0),
      busy: connected.reduce((sum, agent) => sum + Math.min(slotsOf(agent), queue.live(agent.name).size), 0),
      excess: connected.reduce((sum, agent) => sum + Math.max(0, queue.live(agent.name).size - slotsOf(agent)), 0),
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
