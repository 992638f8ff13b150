import type { DerivationStore } from '../../coordinator/ports/derivation-store.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';

/** A derivation store in memory over facts that are known beforehand, inputs first; the texts are their paths. */
export function createFakeDerivationStore(
  facts: readonly DerivationFacts[],
  textOf: (path: string) => Uint8Array = (path) => Buffer.from(path),
): DerivationStore {
  const byHash = new Map(facts.map((one, index) => [one.path.slice(0, 32), { one, index }]));
  return {
    missing: async (paths) => paths.filter((path) => !byHash.has(path.slice(0, 32))),
    add: async () => ({ added: 0 }),
    text: async (path) => (byHash.has(path.slice(0, 32)) ? textOf(path) : undefined),
    async *closure(roots, skip) {
      const found = new Set<number>();
      const pending = [...roots];
      for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
        const known = byHash.get(path.slice(0, 32));
        if (!known) throw new Error(`the derivation store does not have ${path}`);
        if (found.has(known.index) || skip(known.one.path)) continue;
        found.add(known.index);
        pending.push(...known.one.inputs);
      }
      const order = [...found].sort((a, b) => a - b).map((index) => facts[index] as DerivationFacts);
      for (let start = 0; start < order.length; start += 1000) yield order.slice(start, start + 1000);
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** A log store that keeps nothing. */
export const noLogs = {
  size: async () => 0,
  append: async (_build: string, _attempt: number, offset: number, data: Uint8Array) => offset + data.length,
  finish: async () => undefined,
  read: async () => undefined,
  async [Symbol.asyncDispose]() {},
};
