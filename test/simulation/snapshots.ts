import { isDeepStrictEqual } from 'node:util';
import { recover } from '../../coordinator/log/recovery.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { Snapshot, Snapshots } from '../../coordinator/ports/snapshots.ts';
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

  return {
    async *newest() {
      const made = random.chance(0.8) ? await snapshot() : undefined;
      if (made) yield made;
    },
    async audit() {
      const { farm } = await recover(log, storeDir);
      const from = await snapshot();
      const again = await recover(log, storeDir, { from });
      const [given, has] = [knownTo(farm), knownTo(again.farm)];
      for (const [name, saved] of Object.entries(given))
        insist(isDeepStrictEqual(has[name], saved), 'I3', `${name} is not what the log gives, from ${from?.name}`);
      return farm;
    },
  };
}
