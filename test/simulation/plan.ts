import type { FarmSize } from './farm.ts';
import { faults } from './faults.ts';
import { operators } from './operators.ts';
import { createRandom } from './random.ts';

/** One thing that somebody does, or that befalls the farm. */
export interface Act {
  /** Virtual milliseconds after the beginning. */
  readonly at: number;
  readonly kind: 'operator' | 'fault';
  readonly name: string;
  /** What it chooses by: the same, whatever else happens. */
  readonly seed: number;
}

/** What a seed is: all of a run follows from it. */
export interface Plan {
  readonly seed: number;
  readonly size: FarmSize;
  /** In order of time. */
  readonly acts: readonly Act[];
}

/** How long operators act and faults strike, in virtual milliseconds. */
const spanMs = 40_000;

/** Most farms are small, as most mistakes show there; every twentieth has tens of agents. */
export function planOf(seed: number): Plan {
  const random = createRandom(seed).fork('plan');
  const isLarge = seed % 20 === 0;
  const size = isLarge
    ? { derivations: random.between(40, 60), agents: random.between(20, 40) }
    : { derivations: random.between(6, 18), agents: random.between(2, 5) };
  const wishes = isLarge ? 60 : random.between(12, 30);
  const mishaps = isLarge ? 25 : random.between(4, 14);
  const act = (kind: Act['kind'], weights: Readonly<Record<string, { readonly weight: number }>>): Act => ({
    at: Math.round(random.fraction() * spanMs),
    kind,
    name: random.weighted(Object.fromEntries(Object.entries(weights).map(([name, { weight }]) => [name, weight]))),
    seed: random.below(2 ** 32),
  });
  const acts = [
    ...Array.from({ length: wishes }, () => act('operator', operators)),
    ...Array.from({ length: mishaps }, () => act('fault', faults)),
  ];
  return { seed, size, acts: acts.sort((one, other) => one.at - other.at) };
}
