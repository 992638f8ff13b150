import type { BuildEntry } from '../audit/ledger.ts';
import type { SimulatedFarm } from '../farm.ts';
import type { Machine } from '../machine.ts';
import type { Random } from '../random.ts';

/**
 * Something that a person or a program wants of the farm. To add one, add an entry to one of the tables of this folder: it chooses what it is about with
 * `random` alone, asks by `farm.ask`, and says what was acknowledged, which has to be in the log by then (I1).
 */
export interface Operator {
  /** How often it is chosen, against the others. */
  readonly weight: number;
  act(farm: SimulatedFarm, random: Random): Promise<void>;
}

export function pause(farm: SimulatedFarm, ms: number): Promise<void> {
  return new Promise((resolve) => void farm.client.after(ms, resolve));
}

export function pickBuild(farm: SimulatedFarm, random: Random): BuildEntry | undefined {
  const all = [...farm.ledger.builds.values()];
  // What is not over is more of interest.
  const open = all.filter(
    ({ standing }) => standing === 'queued' || standing === 'allocated' || standing === 'running',
  );
  return random.chance(0.7) && open.length > 0 ? random.pick(open) : random.pick(all);
}

export const pickRoots = (farm: SimulatedFarm, random: Random): string[] => {
  const { recipes } = farm.graph;
  const count = random.chance(0.3) ? 2 : 1;
  const roots = Array.from(
    { length: count },
    () => random.pick(recipes.slice(recipes.length >> 1))?.facts.path as string,
  );
  return [...new Set(roots)];
};

export const pickItem = (farm: SimulatedFarm, random: Random): string | undefined =>
  random.pick([...farm.ledger.items.keys()]);

export function agentState(farm: SimulatedFarm, { name }: Machine): string {
  const agent = farm.ledger.agents.get(name);
  if (!agent) return 'unknown';
  for (const state of ['retired', 'paused', 'draining', 'leaving', 'quarantined', 'unfit', 'limited'] as const)
    if (agent[state]) return state;
  return agent.connected ? 'connected' : 'away';
}

/** For how long somebody puts something off: mostly so that its time comes, now and then far beyond all else. */
export const deferralMs = (random: Random): number =>
  random.chance(0.1) ? 30 * 86_400_000 : random.between(500, 40_000);
