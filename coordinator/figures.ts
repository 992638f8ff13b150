import type { Farm } from '../projections/farm.ts';
import type { FarmStatus } from './application.ts';

/** The figures of a farm that are in its log. */
export function figuresOf({
  queue,
  graph,
  availability,
  agents: all,
}: Farm): Omit<FarmStatus, 'position' | 'pendingCommits' | 'uploads'> {
  const agents = [...all.all()].filter(({ state }) => state.connection !== 'retired');
  const connected = agents.filter(({ state }) => state.connection === 'connected');
  return {
    builds: queue.counts(),
    ready: queue.readyBySystem(),
    derivations: graph.derivations,
    items: availability.present,
    agents: {
      registered: agents.length,
      connected: connected.length,
      slots: connected.reduce((sum, { state }) => sum + (state.abilities?.slots ?? 0), 0),
      busy: agents.reduce((sum, { name }) => sum + queue.live(name).size, 0),
    },
  };
}
