import { hashPartLength } from '../../domain/store/store-path.ts';
import { createRecent } from '../../projections/recent.ts';
import type { Core } from '../core.ts';
import { lastRevision } from '../log/last-revision.ts';
import type { Meta, Revision } from '../ports/event-store.ts';

/** Makes derivations known to the farm, from the derivation store. */
export interface Adding {
  /**
   * Appends DerivationAdded for everything in the closures of derivations that the farm does not know, inputs first, durably.
   *
   * @param check is called before each part; what it throws ends it.
   * @throws DroverError where the store does not have one of them
   */
  add(roots: readonly string[], meta: Meta, check?: () => void): Promise<void>;
}

/** Revisions that are remembered of streams that were written to last, for certain, each some 100 bytes. */
const mostRemembered = 10_000;
/** Streams that are read at a time. */
const readsAtOnce = 16;
/** Walks of one submission: one is enough, unless something is forgotten while it is under way. */
const mostWalks = 100;

export function createAdding({ farm, writer, log, derivations }: Core): Adding {
  const { graph, texts, forgetting } = farm;
  const isKnown = (path: string): boolean => graph.drvByHash(path) !== undefined;
  /** Of derivations that were added here; the log may not have them yet. */
  const added = createRecent<string, Revision>(mostRemembered);

  /** Durability that is awaited later; a failure in between is not unhandled. */
  function durableSoon(): Promise<void> {
    const durable = writer.durable();
    durable.catch(() => undefined);
    return durable;
  }

  /** What a derivation that the farm does not know has in the log: one that was forgotten has a stream. */
  const revisionOf = (path: string): Promise<Revision | 'none'> =>
    lastRevision(log, `derivation-${path.slice(0, hashPartLength)}`);

  /** One walk through what is not known. */
  async function walk(roots: readonly string[], meta: Meta, check: () => void): Promise<void> {
    let earlier = Promise.resolve();
    const forgotten = forgetting.derivations;
    for await (const part of derivations.closure(roots, isKnown)) {
      check();
      const before = new Map<string, Revision | 'none'>();
      // Where nothing was ever forgotten, what is not known was never there.
      if (forgetting.derivations > 0)
        for (let start = 0; start < part.length; start += readsAtOnce)
          await Promise.all(
            part
              .slice(start, start + readsAtOnce)
              .map(async ({ path }) => void before.set(path, await revisionOf(path))),
          );
      check();
      for (const facts of part) {
        if (isKnown(facts.path)) continue;
        // One that was known when the walk came by may have been forgotten since, by the last of these as well: the next walk has it.
        if (forgetting.derivations !== forgotten && !facts.inputs.every(isKnown)) break;
        const hash = facts.path.slice(0, hashPartLength);
        const expected = added.get(hash) ?? before.get(facts.path) ?? 'none';
        writer.commit('derivation', hash, expected, [{ type: 'DerivationAdded', data: facts }], meta);
        const drv = graph.drvByHash(hash);
        if (drv !== undefined) added.set(hash, texts.revision(drv));
      }
      // One part ahead of the disk: deciding and storing go on side by side, and little is in memory only.
      await earlier;
      earlier = durableSoon();
    }
    await earlier;
  }

  return {
    async add(roots, meta, check = () => undefined) {
      for (let walks = 0; ; walks++) {
        const unknown = roots.filter((root) => !isKnown(root));
        if (unknown.length === 0) return;
        if (walks === mostWalks)
          throw new Error(`${unknown[0]} is not known after ${walks} walks through what it is made of`);
        await walk(unknown, meta, check);
      }
    },
  };
}
