import type { FarmSize } from './farm.ts';
import { directFaults, faults, rareFaults, upstreamFaults } from './faults.ts';
import { operators, rareOperators } from './operators.ts';
import { createRandom } from './random.ts';
import { settingsOf } from './settings.ts';

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

interface Range {
  readonly derivations: readonly [number, number];
  readonly agents: readonly [number, number];
  readonly wishes: readonly [number, number];
  readonly mishaps: readonly [number, number];
}

/** Most farms are small, as most mistakes show there, and many of them say more than a few large ones. */
function rangeOf(seed: number): Range {
  if (seed % 100 === 0) return { derivations: [25, 40], agents: [20, 40], wishes: [30, 40], mishaps: [12, 20] };
  if (seed % 10 === 0) return { derivations: [8, 18], agents: [3, 6], wishes: [12, 30], mishaps: [6, 14] };
  return { derivations: [3, 8], agents: [2, 3], wishes: [5, 12], mishaps: [3, 7] };
}

export function planOf(seed: number): Plan {
  let random = createRandom(seed).fork('plan');
  const range = rangeOf(seed);
  const settings = settingsOf(createRandom(seed).fork('settings'));
  const size = { derivations: random.between(...range.derivations), agents: random.between(...range.agents), settings };
  const wishes = random.between(...range.wishes);
  const mishaps = random.between(...range.mishaps);
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
  // Chosen apart, so that farms without upstreams are the same farms whatever befalls upstreams.
  if (settings.upstreams.length > 0) {
    random = createRandom(seed).fork('upstreams');
    acts.push(...Array.from({ length: random.between(2, 6) }, () => act('fault', upstreamFaults)));
  }
  const some = (kind: Act['kind'], of: Parameters<typeof act>[1], most: number): void =>
    void acts.push(...Array.from({ length: random.between(1, most) }, () => act(kind, of)));
  random = createRandom(seed).fork('rare');
  if (random.chance(0.4)) some('operator', rareOperators, 4);
  if (random.chance(0.25)) some('fault', rareFaults, 2);
  if (settings.upstreams.some(({ mode }) => mode === 'direct')) some('fault', directFaults, 3);
  return { seed, size, acts: acts.sort((one, other) => one.at - other.at) };
}
