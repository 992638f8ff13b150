import type { DirectUpstreamSettings } from '../../domain/agent/messages.ts';
import type { UpstreamItem } from '../../domain/item/events.ts';
import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import { DroverError } from '../errors.ts';
import type { ItemStreams } from '../items/item-streams.ts';
import type { Items } from '../items/items.ts';
import type { Meta } from '../ports/event-store.ts';
import { type NarFault, UpstreamError } from '../ports/upstream.ts';
import type { InSlices } from '../slices.ts';
import { type AskedUpstream, createAsker } from './asking.ts';
import { searchClosure } from './closure-search.ts';
import { startExpiry } from './expiry.ts';
import { createSearch, type SearchFigures } from './finding.ts';
import { startForgetting } from './forgetting.ts';
import { bring, narFault, noNar, notFetched, openNar } from './nars.ts';
import { createProofs, noteLoss } from './proofs.ts';
import { isDirect, type UpstreamSettings } from './settings.ts';
import { probe, statusOf, type UpstreamProbe, type UpstreamStatus } from './status.ts';

/** Other caches whose substitutes count as available: the process managers around them. */
export interface Upstreams extends Disposable {
  /** Looks for what these derivations need; see {@link searchClosure}. At once, where nothing is asked. */
  search(roots: readonly string[], all: boolean, meta: Meta): Promise<SearchFigures>;
  /** Looks for single items (base names), with what they refer to. */
  searchItems(paths: readonly string[], meta: Meta): Promise<SearchFigures>;
  /** What only an upstream has, if it may be used now, by the hash part of its path. */
  item(hashPart: string): ServedUpstreamItem | undefined;
  /** Its NAR, if it is such an item and still has this hash. What does not come as it should is looked at. */
  open(hashPart: string, narHash: string, signal: AbortSignal, via?: string): Promise<OpenedNar | undefined>;
  /** Whether the upstream has such an item for another coordinator, too: not, where it would have it from there. One that gives no answer may have it. */
  confirm(hashPart: string, via: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Whether the upstream gives such an item now. If not, that is StoreItemLostUpstream, and it is not believed again for a while.
   *
   * @param how `some`: that its NAR begins to come is enough; `all` of it has to be what was signed.
   */
  isServable(path: string, how: 'some' | 'all'): Promise<boolean>;
  /** Fetches an item into the pool, if one has it with just this hash. Resolves with the name of the upstream that had it. */
  fetch(path: string, narHash: string, meta: Meta): Promise<string | undefined>;
  status(): readonly UpstreamStatus[];
  /** @throws DroverError `unknown-upstream`. */
  statusOf(name: string): UpstreamStatus;
  /** Asks one for what it is, and for items. */
  check(name: string, items: readonly string[]): Promise<UpstreamProbe>;
  readonly publicKeys: readonly string[];
  /** Those from which agents fetch themselves. */
  readonly direct: readonly DirectUpstreamSettings[];
  resume(): void;
}

export interface ServedUpstreamItem extends UpstreamItem {
  /** Agents may fetch it from the upstream themselves. */
  readonly isDirect: boolean;
}

export interface OpenedNar {
  readonly size: number;
  readonly nar: AsyncIterable<Uint8Array>;
}

/** Of items that are found together, so that they expire together. */
const expiryStepMs = 10_000;

export function createUpstreams(
  core: Core,
  streams: ItemStreams,
  items: Items,
  deadlines: Deadlines,
  inSlices: InSlices,
): Upstreams {
  const { farm, runtime, logger } = core;
  const { graph, availability } = farm;
  const stop = new AbortController();
  const proofs = createProofs(core, streams, stop.signal);
  const asker = createAsker(core, core.upstreams, proofs.isProved);
  const doubted = new Map<string, Promise<boolean>>();

  function expires(name: string): number {
    const ttl = (asker.of(name)?.settings.ttlSeconds ?? 0) * 1000;
    return Math.ceil((runtime.clock.now() + ttl) / expiryStepMs) * expiryStepMs;
  }
  const forgetting = startForgetting(core, asker, inSlices);

  /** Runs a search for as long as somebody may wait for one. */
  async function patiently(
    meta: Meta,
    run: (search: ReturnType<typeof createSearch>) => Promise<void>,
  ): Promise<SearchFigures> {
    if (!asker.canAsk()) return { asked: 0, found: 0, unknown: 0 };
    const longest = Math.max(...asker.upstreams.map(({ settings }) => settings.checkSeconds));
    const over = new AbortController();
    const timer = runtime.timers.after(longest * 1000, () => over.abort());
    try {
      const signal = AbortSignal.any([over.signal, stop.signal]);
      const search = createSearch(core, streams, asker, inSlices, { meta, signal, expires });
      await run(search);
      if (over.signal.aborted)
        logger.warn(
          { ...search.figures, seconds: longest },
          'upstreams were not asked for all that a submission needs: it would have taken too long (check-seconds)',
        );
      return search.figures;
    } finally {
      timer[Symbol.dispose]();
    }
  }

  const searchItems: Upstreams['searchItems'] = (paths, meta) => patiently(meta, (search) => search.round(paths));
  const expiry = startExpiry(core, asker, deadlines, expires, searchItems, stop.signal);

  function lose(known: UpstreamItem, settings: UpstreamSettings, { reason, how }: NarFault): void {
    // It may have come into the pool in the meantime, have been found elsewhere, or be forgotten: then its number is another's.
    const item = graph.itemOf(known.path);
    const still = item === undefined ? undefined : farm.upstreams.get(item);
    if (still?.path === known.path && still.upstream === known.upstream)
      noteLoss(core, streams, settings, known.path, { reason, how });
  }

  async function look(known: UpstreamItem, how: 'some' | 'all'): Promise<boolean> {
    const upstream = asker.of(known.upstream);
    if (upstream === undefined) return false;
    const { settings } = upstream;
    const lost = (fault: NarFault): void => lose(known, settings, fault);
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, stop.signal]);
    try {
      if (how === 'all') {
        const fault = await narFault(upstream, known, signal);
        if (fault !== undefined) lost(fault);
      } else {
        const nar = await openNar(upstream, known, signal);
        if (nar === undefined) lost(noNar);
        else for await (const _ of nar) break;
      }
    } catch (error) {
      if (stop.signal.aborted) return false;
      lost(notFetched(error as Error));
    } finally {
      end.abort();
    }
    const item = graph.itemOf(known.path);
    return item !== undefined && availability.isAvailable(item);
  }

  async function isServable(path: string, how: 'some' | 'all'): Promise<boolean> {
    const item = graph.itemOf(path);
    const known = item === undefined ? undefined : farm.upstreams.get(item);
    if (item === undefined || known === undefined) return item !== undefined && availability.isAvailable(item);
    if (!availability.isAvailable(item)) return false;
    const key = `${how} ${path}`;
    const running = doubted.get(key) ?? look(known, how).finally(() => doubted.delete(key));
    doubted.set(key, running);
    return running;
  }

  const itemOf = (hashPart: string): UpstreamItem | undefined => {
    const item = graph.itemsByHash(hashPart).find((one) => farm.upstreams.get(one) !== undefined);
    return item !== undefined && availability.isAvailable(item) ? farm.upstreams.get(item) : undefined;
  };

  async function* watched(
    nar: AsyncIterable<Uint8Array>,
    path: string,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* nar;
    } catch (error) {
      // Whoever reads it begins anew; what never comes well is not to be tried for ever.
      if (!signal.aborted && !stop.signal.aborted)
        isServable(path, 'all').catch((failure: Error) =>
          logger.error({ err: failure }, 'could not check an upstream'),
        );
      throw error instanceof UpstreamError ? new DroverError('upstream-failed', `${path}: ${error.message}`) : error;
    }
  }

  function find(name: string): AskedUpstream {
    const upstream = asker.of(name);
    if (upstream === undefined) throw new DroverError('unknown-upstream', `there is no upstream ${name}`);
    return upstream;
  }

  return {
    search: (roots, all, meta) => patiently(meta, (search) => searchClosure(farm, search, inSlices, roots, all)),
    searchItems,
    item(hashPart) {
      const item = itemOf(hashPart);
      const upstream = item && asker.of(item.upstream);
      return item && { ...item, isDirect: upstream !== undefined && isDirect(upstream.settings) };
    },
    async open(hashPart, narHash, signal, via) {
      const item = itemOf(hashPart);
      const upstream = item && asker.of(item.upstream);
      if (item === undefined || upstream === undefined || item.narHash !== narHash) return undefined;
      let nar: AsyncIterable<Uint8Array> | undefined;
      try {
        nar = await openNar(upstream, item, signal, via);
        upstream.health.answered();
        // Else its narinfo would be served for as long as it is believed, and no client get the NAR. What it has not for another coordinator, it may have.
        if (nar === undefined && via === undefined) lose(item, upstream.settings, noNar);
      } catch (error) {
        if (signal.aborted) throw error;
        upstream.health.failed(error as Error);
        logger.warn({ item: item.path, upstream: item.upstream, err: error }, 'an upstream does not give a NAR');
      }
      return nar && { size: item.narSize, nar: watched(nar, item.path, signal) };
    },
    async confirm(hashPart, via, signal) {
      const item = itemOf(hashPart);
      if (item === undefined) return false;
      const wish = { signal: AbortSignal.any([signal, stop.signal]), fresh: true, only: item.upstream, via };
      const answer = await asker.ask(item.path, wish);
      return typeof answer === 'string' ? answer === 'unknown' : answer.narHash === item.narHash;
    },
    isServable,
    async fetch(path, narHash, meta) {
      for (const upstream of asker.upstreams) {
        const { name } = upstream.settings;
        const answer = await asker.ask(path, { signal: stop.signal, fresh: true, only: name });
        if (typeof answer === 'string' || answer.narHash !== narHash) continue;
        const fault = await bring(core, items, upstream, answer, meta, stop.signal).catch(
          (error: Error) => error.message,
        );
        if (fault === undefined) return name;
        if (stop.signal.aborted) return undefined;
        logger.warn({ item: path, upstream: name }, `an item could not be fetched from an upstream: ${fault}`);
      }
      return undefined;
    },
    status: () => asker.upstreams.map((upstream) => statusOf(upstream, farm)),
    statusOf: (name) => statusOf(find(name), farm),
    check: async (name, wanted) => probe(core, asker, find(name), wanted, stop.signal),
    publicKeys: asker.upstreams.flatMap(({ settings }) => settings.publicKeys),
    direct: asker.upstreams
      .filter(({ settings }) => isDirect(settings))
      .map(({ settings: { name, url, publicKeys, timeoutSeconds, allowPrivate } }) => {
        return { name, url, publicKeys, timeoutSeconds, allowPrivate };
      }),
    resume() {
      expiry.resume();
      forgetting.resume();
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}
