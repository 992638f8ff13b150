import type { UpstreamItem } from '../../domain/item/events.ts';
import type { Item } from '../../projections/graph.ts';
import type { Core } from '../core.ts';
import { losses } from '../items/rebuilds.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices } from '../slices.ts';
import type { Asker } from './asking.ts';
import { holding } from './trust.ts';

/** Gives up what upstreams have, without asking them: what the configuration does not trust any more, and what refers to something that nothing will bring. */
export interface Forgetting {
  /** At a start: looks through all that upstreams are relied on for. */
  resume(): void;
}

const meta: Meta = { actor: 'upstreams' };

export function startForgetting(
  { farm, writer, policy, logger }: Core,
  asker: Pick<Asker, 'of'>,
  inSlices: InSlices,
): Forgetting {
  const { graph, availability, producers } = farm;

  function forget(item: Item, reason: string): void {
    const known = farm.upstreams.get(item);
    if (known === undefined) return;
    const { path, upstream } = known;
    const event = { type: 'StoreItemLostUpstream', data: { path, upstream, reason } } as const;
    writer.commit('item', path.slice(0, 32), farm.itemRevision(path), [event], meta);
  }

  const isUpstreams = (item: Item): boolean => availability.isObtainable(item) && !availability.isPresent(item);
  /** Neither can it be obtained, nor is there a derivation to build it by: whoever refers to it would be waited for without an end, and can be built. */
  const isNowhere = (item: Item): boolean => !availability.isObtainable(item) && producers.of(item) === undefined;
  const reasonFor = (item: Item): string => `it refers to ${graph.itemPath(item)}, which nothing will bring`;

  function* forgetReferrers(item: Item): Generator<undefined> {
    if (!isNowhere(item)) return;
    for (const referrer of availability.referrersOf(item)) {
      if (isUpstreams(referrer) && isNowhere(item)) forget(referrer, reasonFor(item));
      yield;
    }
  }

  function isTrusted(item: UpstreamItem): boolean {
    const settings = asker.of(item.upstream)?.settings;
    const storePath = `${policy.storeDir}/${item.path}`;
    return settings !== undefined && holding({ ...item, storePath }, settings.publicKeys).length > 0;
  }

  function* look(): Generator<undefined> {
    /** By upstream: whether the one that was found first is trusted. To verify all takes seconds, and a key changes for all of them. */
    const trusted = new Map<string, boolean>();
    for (const { item, upstream } of [...farm.upstreams.all()]) {
      yield;
      const known = farm.upstreams.get(item);
      if (known?.upstream !== upstream) continue;
      const wasTrusted = trusted.get(upstream);
      const isStill = wasTrusted || isTrusted(known);
      if (wasTrusted === undefined) trusted.set(upstream, isStill);
      if (!isStill) forget(item, 'the upstream, or its key, is not in the configuration any more');
      else if (!availability.isAvailable(item)) {
        const nowhere = availability.references(item).find(isNowhere);
        if (nowhere !== undefined) forget(item, reasonFor(nowhere));
      }
    }
  }

  function inTurns(steps: Generator<undefined>): void {
    inSlices(steps).catch((error: Error) => {
      if (writer.failure === undefined) logger.error({ err: error }, 'could not forget what upstreams had');
    });
  }

  writer.listen((_, __, event) => {
    if (farm.upstreams.size === 0 || !losses.has(event.type) || !('path' in event.data)) return;
    const item = graph.itemOf(event.data.path);
    // A decision of its own, not from within the fold.
    if (item !== undefined) queueMicrotask(() => inTurns(forgetReferrers(item)));
  });

  return {
    resume() {
      if (farm.upstreams.size > 0) inTurns(look());
    },
  };
}
