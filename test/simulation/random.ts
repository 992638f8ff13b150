/** Seeded choices. The same seed gives the same, on any machine. */
export interface Random {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** One of 0 … `most` - 1. */
  below(most: number): number;
  /** Milliseconds from `least` to `most`, whole. */
  between(least: number, most: number): number;
  chance(probability: number): boolean;
  /** `undefined` where there is none. */
  pick<Value>(values: readonly Value[]): Value | undefined;
  /** One of the names, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name;
  bytes(length: number): Uint8Array;
  /** Choices of their own: what is chosen there changes nothing here. */
  fork(name: string): Random;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;

  /** mulberry32. */
  function fraction(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const random: Random = {
    fraction,
    below: (most) => Math.floor(fraction() * most),
    between: (least, most) => least + Math.floor(fraction() * (most - least + 1)),
    chance: (probability) => fraction() < probability,
    pick: (values) => values[Math.floor(fraction() * values.length)],
    weighted(weights) {
      const entries = Object.entries(weights) as [keyof typeof weights, number][];
      let left = fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [name, weight] of entries) {
        left -= weight;
        if (left < 0) return name;
      }
      throw new Error('expected something to choose from, got nothing');
    },
    bytes: (length) => Uint8Array.from({ length }, () => Math.floor(fraction() * 256)),
    fork: (name) => createRandom(mix(seed, name)),
  };
  return random;
}

/** FNV-1a over the name, begun with the seed. */
function mix(seed: number, name: string): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
