import type { Item } from '../../projections/graph.ts';
import type { Application } from '../application.ts';
import type { Core } from '../core.ts';
import { DroverError } from '../errors.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';
import type { Texts } from './texts.ts';

/** What clients send before they submit: the derivations and sources that are not here yet. */
export type Sending = Pick<
  Application,
  'missingDerivations' | 'addDerivations' | 'derivationText' | 'missingSources'
> & {
  /** Sources of which clients were told lately that they need not be sent. */
  promised(): Iterable<Item>;
};

/** How long a client has, from when it asks for missing sources, to send those and to submit. */
const promiseMs = 3_600_000;

/** @param added called when derivations were sent. */
export function createSending(
  core: Core,
  restored: Pick<Texts, 'sent'>,
  upstreams: Pick<Upstreams, 'searchItems'>,
  added: () => void,
): Sending {
  const { farm, writer, derivations, runtime } = core;
  const { graph } = farm;
  /** Sources that a client was told are here, by when: what it is about to submit needs them. */
  const promised = new Map<Item, number>();

  return {
    async missingDerivations(paths) {
      const missing = new Set(await derivations.missing(paths));
      // What has come to be readable again nobody sends: this is where it shows.
      await restored.sent(paths.filter((path) => !missing.has(path)));
      return [...missing];
    },
    async addDerivations(texts) {
      const result = await derivations.add(texts);
      // Also of those before one that is refused.
      await restored.sent(texts.map(({ path }) => path));
      await writer.durable();
      added();
      if (!('refused' in result)) return result;
      const { code, path, message } = result.refused;
      throw new DroverError(code as 'malformed-derivation', `${path}: ${message}`, { path });
    },
    derivationText: (path) => derivations.text(path),
    async missingSources(roots, checkUpstream = 'all') {
      const [lacking] = await derivations.missing(roots);
      if (lacking !== undefined)
        throw new DroverError('unknown-derivation', `roots: ${lacking} was not sent`, { path: lacking });
      const missing = new Set<string>();
      for await (const part of derivations.closure(roots, () => false))
        for (const { sources } of part)
          for (const source of sources) {
            const item = graph.itemOf(source);
            if (item === undefined || !farm.availability.isObtainable(item)) missing.add(source);
            else promised.set(item, runtime.clock.monotonic());
          }
      if (checkUpstream === 'never' || missing.size === 0) return [...missing];
      await upstreams.searchItems([...missing], { actor: 'upstreams' });
      return [...missing].filter((source) => {
        const item = graph.itemOf(source);
        return item === undefined || !farm.availability.isAvailable(item);
      });
    },
    promised() {
      const now = runtime.clock.monotonic();
      for (const [item, at] of promised) if (now - at > promiseMs) promised.delete(item);
      return promised.keys();
    },
  };
}
