import type { DroverEvent } from '../../domain/events.ts';
import type { EventFacts } from '../../domain/hook/match.ts';
import { factsOf } from '../../projections/event-facts.ts';
import type { Core } from '../core.ts';
import { pastBuild, pastDerivation, pastSubmission } from '../history/past.ts';
import { decodeEvent, type RecordedEvent } from '../log/event-codec.ts';
import type { StoredEvent } from '../ports/event-store.ts';

/** What is known of stored events; each is looked up once, however many hooks ask. */
export interface StoredFacts {
  /** The same whenever it is asked; of what the farm has forgotten, once it was recalled. */
  of(event: StoredEvent): EventFacts;
  /** Looks up in the log what the farm has forgotten of the events. To be called before {@link of} where they are not new. */
  recall(events: readonly StoredEvent[]): Promise<void>;
}

export function createStoredFacts(core: Pick<Core, 'farm' | 'log'>): StoredFacts {
  const { farm } = core;
  const known = new WeakMap<StoredEvent, EventFacts>();

  function placeOf({ stream }: StoredEvent): { category: string; id: string } {
    const dash = stream.indexOf('-');
    return { category: stream.slice(0, dash), id: stream.slice(dash + 1) };
  }

  function lookUp(event: StoredEvent): EventFacts {
    const { category, id } = placeOf(event);
    const decoded = decodeEvent(event);
    return decoded.known ? factsOf(farm, category, id, decoded as DroverEvent) : {};
  }

  /** `undefined` where the farm has it, or nobody. */
  async function past(event: RecordedEvent, { category, id }: { category: string; id: string }) {
    const found = (facts: EventFacts) => facts;
    if (category === 'build' && farm.queue.build(id) === undefined) {
      const build = await pastBuild(core, id);
      return build && found(factsOf(build.farm, category, id, event));
    }
    if (category === 'submission' && farm.submissions.get(id) === undefined) {
      const submission = await pastSubmission(core, id);
      return submission && found({ tags: submission.wish.options.tags });
    }
    const { path, deriver } = event.data as { path?: string; deriver?: string };
    const derivation = category === 'derivation' ? path : category === 'item' ? deriver : undefined;
    if (derivation === undefined || farm.graph.drvOf(derivation) !== undefined) return undefined;
    const added = await pastDerivation(core, derivation);
    if (added === undefined) return undefined;
    const { system, storeDir } = added.data;
    if (category === 'item') return found({ name: path?.slice(33), system });
    const name = derivation.slice(33).replace(/\.drv$/, '');
    return found({ derivation, ...(storeDir !== undefined && { storeDir }), name, system });
  }

  return {
    of(event) {
      const facts = known.get(event) ?? lookUp(event);
      known.set(event, facts);
      return facts;
    },
    async recall(events) {
      for (const event of events) {
        if (known.has(event)) continue;
        const decoded = farm.forgetting.derivations === 0 ? undefined : decodeEvent(event);
        const facts = decoded?.known ? await past(decoded, placeOf(event)) : undefined;
        // Also what the farm knows: it may forget it before it is asked for.
        known.set(event, facts ?? lookUp(event));
      }
    },
  };
}
