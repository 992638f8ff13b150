import type { Core } from '../core.ts';
import type { ItemStreams } from '../items/item-streams.ts';
import type { Meta } from '../ports/event-store.ts';
import type { NarFault } from '../ports/upstream.ts';
import { type AskedUpstream, createTurns } from './asking.ts';
import { distrustMs, distrustOf } from './distrust.ts';
import { narFault, notFetched } from './nars.ts';
import { createRemembered } from './remembered.ts';
import type { UpstreamSettings } from './settings.ts';
import type { Believed } from './trust.ts';

const manager: Meta = { actor: 'upstreams' };
/** NARs that are read at a time for that. */
const most = 4;

/** What an upstream did not give once is believed again when it has given all of it to the coordinator, not to an agent that would fail by it. */
export interface Proofs {
  /** Whether it has, or does so before the signal aborts, and within `check-seconds`. What it does not give is StoreItemLostUpstream, for a longer time than before. */
  isProved(upstream: AskedUpstream, item: Believed, signal: AbortSignal): Promise<boolean>;
}

/** @param stopped ends what is under way. */
export function createProofs(core: Core, streams: ItemStreams, stopped: AbortSignal): Proofs {
  const { farm, runtime } = core;
  const running = new Map<string, Promise<boolean>>();
  const { take, give } = createTurns(most);
  /** Proved after whoever waited for it had given up. */
  const proved = createRemembered(runtime.clock);

  async function prove(upstream: AskedUpstream, item: Believed, key: string): Promise<boolean> {
    await take();
    try {
      const fault = stopped.aborted ? undefined : await narFault(upstream, item, stopped).catch(notFetched);
      if (stopped.aborted) return false;
      if (fault === undefined) {
        proved.remember(key, upstream.settings.ttlSeconds * 1000);
        return true;
      }
      await streams.look([item.path]);
      // It may have come by another way in the meantime.
      const known = farm.graph.itemOf(item.path);
      if (known !== undefined && !farm.availability.isObtainable(known))
        noteLoss(core, streams, upstream.settings, item.path, fault);
      return false;
    } finally {
      give();
    }
  }

  return {
    async isProved(upstream, item, signal) {
      const key = `${upstream.settings.name} ${item.path} ${item.narHash}`;
      if (proved.has(key)) return true;
      const proof = running.get(key) ?? prove(upstream, item, key).finally(() => running.delete(key));
      running.set(key, proof);
      const givenUp = Promise.withResolvers<false>();
      const giveUp = (): void => givenUp.resolve(false);
      if (signal.aborted) return false;
      signal.addEventListener('abort', giveUp);
      using _ = runtime.timers.after(upstream.settings.checkSeconds * 1000, giveUp);
      try {
        return await Promise.race([proof, givenUp.promise]);
      } finally {
        signal.removeEventListener('abort', giveUp);
      }
    },
  };
}

/** StoreItemLostUpstream: it is not believed to have the item for a while, which is longer each time. */
export function noteLoss(
  { farm, writer, runtime, logger }: Core,
  streams: Pick<ItemStreams, 'revision'>,
  settings: UpstreamSettings,
  path: string,
  { reason, how }: NarFault,
): void {
  const { name: upstream } = settings;
  const ms = distrustMs(distrustOf(farm, path, upstream), settings, how);
  logger.warn({ item: path, upstream, seconds: Math.ceil(ms / 1000) }, `an upstream has lost an item: ${reason}`);
  const until = runtime.clock.now() + ms;
  const data = { path, upstream, reason: reason.slice(0, 2000), until };
  const event = { type: 'StoreItemLostUpstream', data } as const;
  writer.commit('item', path.slice(0, 32), streams.revision(path), [event], manager);
}
