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
  /** Whether {@link of} can say it: otherwise the farm has forgotten what the event is about, or never knew it, and it has to be recalled. */
  isHeld(event: StoredEvent): boolean;
  /** Looks up in the log what the farm has forgotten of the events. To be called before {@link of} where they are not new. */
  recall(events: readonly StoredEvent[]): Promise<void>;
}

interface Place {
  readonly category: string;
  readonly id: string;
}

export function createStoredFacts(core: Pick<Core, 'farm' | 'log'>): StoredFacts {
  const { farm } = core;
  const known = new WeakMap<StoredEvent, EventFacts>();

  function placeOf({ stream }: StoredEvent): Place {
    const dash = stream.indexOf('-');
    return { category: stream.slice(0, dash), id: stream.slice(dash + 1) };
  }

  function lookUp(event: StoredEvent): EventFacts {
    const { category, id } = placeOf(event);
    const decoded = decodeEvent(event);
    return decoded.known ? factsOf(farm, category, id, decoded as DroverEvent) : {};
  }

  /** Whether the farm has what the event is about. */
  function isThere(event: StoredEvent): boolean {
    // Nothing was ever forgotten.
    if (farm.forgetting.revision === undefined) return true;
    const { category, id } = placeOf(event);
    if (category === 'build') return farm.queue.build(id) !== undefined;
    if (category === 'submission') return farm.submissions.get(id) !== undefined;
    if (category !== 'item' && category !== 'derivation') return true;
    const decoded = decodeEvent(event);
    const derivation = decoded.known ? derivationOf(category, decoded) : undefined;
    return derivation === undefined || farm.graph.drvOf(derivation) !== undefined;
  }

  /** `undefined` where nobody has it. */
  async function past(event: RecordedEvent, { category, id }: Place): Promise<EventFacts | undefined> {
    if (category === 'build') {
      const build = await pastBuild(core, id);
      return build && factsOf(build.farm, category, id, event);
    }
    if (category === 'submission') {
      const submission = await pastSubmission(core, id);
      return submission && { tags: submission.wish.options.tags };
    }
    const derivation = derivationOf(category, event);
    const added = derivation === undefined ? undefined : await pastDerivation(core, derivation);
    if (derivation === undefined || added === undefined) return undefined;
    const { system, storeDir } = added.data;
    if (category === 'item') return { name: (event.data as { path?: string }).path?.slice(33), system };
    const name = derivation.slice(33).replace(/\.drv$/, '');
    return { derivation, ...(storeDir !== undefined && { storeDir }), name, system };
  }

  return {
    of(event) {
      const facts = known.get(event) ?? lookUp(event);
      known.set(event, facts);
      return facts;
    },
    isHeld: (event) => known.has(event) || isThere(event),
    async recall(events) {
      for (const event of events) {
        if (known.has(event)) continue;
        const decoded = isThere(event) ? undefined : decodeEvent(event);
        const facts = decoded?.known ? await past(decoded, placeOf(event)) : undefined;
        // Also what the farm knows: it may forget it before it is asked for.
        known.set(event, facts ?? lookUp(event));
      }
    },
  };
}

/** The derivation that an event of an item or a derivation is about, where it says so. */
function derivationOf(category: string, { data }: RecordedEvent): string | undefined {
  const { path, deriver } = data as { path?: string; deriver?: string };
  return category === 'derivation' ? path : category === 'item' ? deriver : undefined;
}
