import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { verifyDerivation } from '../../domain/store/verify-derivation.ts';
import { guixStoreDir, loadGuixDerivationsInOrder } from '../../test/support/guix-graph.ts';
import { hashLike } from '../event-store/load.ts';

/** A graph of derivations, inputs before what needs them, made one at a time: a million of them do not fit in memory twice. */
export interface BenchGraph {
  readonly name: string;
  readonly storeDir: string;
  readonly size: number;
  facts(n: number): DerivationFacts;
}

/** The real graph of Guix; `undefined` where the fixture is not there. */
export async function guixGraph(): Promise<BenchGraph | undefined> {
  const derivations = await loadGuixDerivationsInOrder();
  if (!derivations) return undefined;
  const modulos = new Map<string, string>();
  const facts = derivations.map(({ name, bytes }) => {
    const path = `${guixStoreDir}/${name}`;
    const verified = verifyDerivation(path, bytes, {
      storeDir: guixStoreDir,
      modulo: (input) => modulos.get(input),
    });
    if (verified.refused) throw new Error(verified.refused.message);
    modulos.set(path, verified.modulo);
    return verified.facts;
  });
  return {
    name: `Guix, ${facts.length} derivations`,
    storeDir: guixStoreDir,
    size: facts.length,
    facts: (n) => facts[n] as DerivationFacts,
  };
}

/** Quantiles of the number of inputs in the graph of Guix (fixtures, stats.json): 31 % have none, the mean is 32. */
const inputQuantiles = [0, 0, 0, 0, 2, 8, 14, 28, 45, 60, 560] as const;
/** A few derivations are inputs of most others there (guile: 65 %, tar: 50 %). */
const hubs = 20;

/**
 * A made-up graph of the same shape.
 *
 * @param seedOf those of one seed have as many inputs, where there are so many before them
 */
export function generatedGraph(size: number, seedOf: (n: number) => number = (n) => n): BenchGraph {
  const path = paths(size);
  return {
    name: `generated, ${size} derivations`,
    storeDir: '/nix/store',
    size,
    facts(n) {
      const random = randomFrom(seedOf(n));
      const place = random() * (inputQuantiles.length - 1);
      const low = inputQuantiles[Math.floor(place)] as number;
      const high = inputQuantiles[Math.floor(place) + 1] ?? low;
      const wanted = Math.min(n, Math.round(low + (high - low) * (place % 1) ** 3));
      const inputs = new Set<number>();
      for (let k = 0; k < wanted; k++) {
        // Hubs first; the others from anywhere, some from what was added shortly before: that makes long chains.
        if (k < hubs && random() < 0.9) inputs.add(k);
        else inputs.add(random() < 0.02 ? n - 1 - Math.floor(random() * Math.min(n, 50)) : Math.floor(random() * n));
      }
      return factsOf(n, size, path, inputs);
    },
  };
}

/**
 * `width` chains of the given length; each derivation needs the one before it in its chain and some others of earlier rows. As many
 * builds are ready at any time as there are chains.
 */
export function chains(width: number, length: number, more = 31, generation = width * length): BenchGraph {
  const size = width * length;
  const path = paths(size);
  return {
    name: `${width} chains of ${length}`,
    storeDir: '/nix/store',
    size,
    facts(n) {
      const random = randomFrom(n);
      const inputs = new Set<number>();
      const first = n - (n % generation);
      if (n - first >= width) inputs.add(n - width);
      // Rows further down, which have ended long before, so that the chains stay independent of each other.
      const others = n - first - 3 * width;
      for (let k = 0; k < more && others > 0; k++) inputs.add(first + Math.floor(random() * others));
      return factsOf(n, size, path, inputs);
    },
  };
}

function paths(size: number): (n: number) => string {
  const known = Array.from({ length: size }, (_, n) => `${hashLike(n)}-package${n % 5000}-1.${n % 90}.drv`);
  return (n) => known[n] as string;
}

function factsOf(n: number, size: number, path: (n: number) => string, inputs: ReadonlySet<number>): DerivationFacts {
  return {
    path: path(n),
    system: n % 20 === 0 ? 'i686-linux' : 'x86_64-linux',
    outputs: { out: `${hashLike(size + n)}-package${n % 5000}-1.${n % 90}` },
    inputs: Array.from(inputs, (input) => path(input).slice(0, 32)).sort(),
    sources: [],
  };
}

/** Numbers in [0, 1) that are the same for the same `n` at every size. */
function randomFrom(n: number): () => number {
  let state = Math.imul(n + 1, 0x9e3779b1) | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
