import { isDeepStrictEqual } from 'node:util';
import { recover, recoverFromNewest } from '../../coordinator/log/recovery.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { Snapshot, SnapshotPart, Snapshots } from '../../coordinator/ports/snapshots.ts';
import type { Farm } from '../../projections/farm.ts';
import { knownTo, saveFarm } from '../support/farm-parts.ts';
import { storeDir } from './graph.ts';
import type { Random } from './random.ts';
import { insist } from './violation.ts';

/** What the process that writes snapshots would have written: of the log up to anywhere, each time that a coordinator starts. */
export interface SimulatedSnapshots extends Snapshots {
  /** I3: what went on from a snapshot is what the log gives. Resolves with the farm that the log gives. */
  audit(): Promise<Farm>;
}

export function createSnapshots(log: EventStore, random: Random): SimulatedSnapshots {
  async function snapshot(): Promise<Snapshot | undefined> {
    const { events } = await recover(log, storeDir);
    const { farm, foldedTo } = await recover(log, storeDir, { upTo: random.below(events + 1) });
    return foldedTo && { foldedTo, parts: saveFarm(farm), name: `a snapshot of ${foldedTo.events} events` };
  }

  const newest = (made: Snapshot | undefined): Snapshots => ({
    async *newest() {
      if (made) yield made;
    },
  });

  /** Of which a part is not what was written: what was loaded before it is of no use. */
  async function* damaged(made: Snapshot | undefined): AsyncGenerator<Snapshot> {
    if (!made || random.chance(0.8)) return;
    const parts = [...(made.parts as Iterable<SnapshotPart>)];
    const good = random.below(parts.length);
    yield {
      ...made,
      name: `${made.name}, damaged`,
      parts: (function* () {
        yield* parts.slice(0, good);
        throw new Error(`${parts[good]?.[0]} is not what was written`);
      })(),
    };
  }

  return {
    async *newest() {
      yield* damaged(await snapshot());
      yield* newest(random.chance(0.8) ? await snapshot() : undefined).newest();
    },
    async audit() {
      const { farm } = await recover(log, storeDir);
      const from = await snapshot();
      const again = await recoverFromNewest(log, storeDir, newest(from));
      const [given, has] = [knownTo(farm), knownTo(again.farm)];
      for (const [name, saved] of Object.entries(given))
        insist(isDeepStrictEqual(has[name], saved), 'I3', `${name} is not what the log gives, from ${from?.name}`);
      return farm;
    },
  };
}
