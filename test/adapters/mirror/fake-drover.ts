import { narinfoForFoldersType, withGuixSignature } from '../../../adapters/mirror/guix-signature-field.ts';
import type { Drover } from '../../../client/drover.ts';
import { DroverProblem } from '../../../client/errors.ts';
import type { RequestOptions } from '../../../client/http.ts';
import { type GuixSecretKey, makeGuixKey } from '../../../domain/guix/keys.ts';
import { guixSignedText } from '../../../domain/guix/narinfo.ts';
import { hashOfSigned } from '../../../domain/guix/packed-signature.ts';
import { signPacked } from '../../../domain/guix/signature.ts';
import { type NarInfo, renderNarinfo } from '../../../domain/store/narinfo.ts';
import { fakeBase } from '../../support/paths.ts';
import { sha256Of } from '../pool/nars.ts';

/** Of all events: long ago. */
const eventTime = '2026-01-01T00:00:00.000Z';

export interface Item {
  readonly path: string;
  readonly nar: Buffer;
  readonly info: NarInfo;
}

export const guixKey: GuixSecretKey = makeGuixKey(Buffer.alloc(32, 7));
const isOfGuix = ({ info }: Item): boolean => info.storePath.startsWith('/gnu/store/');
const rowOf = (item: Item) => ({ path: item.path, ...(isOfGuix(item) && { storeDir: '/gnu/store' }) });

export function itemOf(n: number, nar: Buffer, changes: Partial<NarInfo> = {}): Item {
  const path = fakeBase('item', n);
  const hash = sha256Of(nar);
  const info: NarInfo = {
    storePath: `/nix/store/${path}`,
    url: `nar/${hash.slice(7)}.nar`,
    compression: 'none',
    fileHash: hash,
    fileSize: nar.length,
    narHash: hash,
    narSize: nar.length,
    references: [],
    signatures: [],
    ...changes,
  };
  return { path, nar, info };
}

/** As a coordinator passes on what only an upstream has: its NAR is elsewhere, and its file is not spoken of. */
export function upstreamItemOf(n: number, nar: Buffer, changes: Partial<NarInfo> = {}): Item {
  const hash = sha256Of(nar);
  const url = `nar/upstream/${fakeBase('item', n).slice(0, 32)}-${hash.slice(7)}.nar`;
  const { info, ...item } = itemOf(n, nar, {
    url,
    elsewhere: { upstream: 'up', compression: 'xz', url: '1' },
    ...changes,
  });
  const { fileHash: _, fileSize: __, ...said } = info;
  return { ...item, info: said };
}

/** A coordinator that has these items, those of /gnu/store below /guix/ and signed by a key of the test, and gives each NAR out in small pieces. */
export function droverOf(
  items: readonly Item[],
  source = 'urn:x',
): { readonly drover: Drover; readonly asked: string[] } {
  const asked: string[] = [];
  const drover = {
    async request(_: string, path: string, { headers = {} }: RequestOptions = {}): Promise<Response> {
      asked.push(path);
      if (path === '/nix-cache-info') return new Response('StoreDir: /nix/store\n');
      if (path === '/guix/nix-cache-info' && items.some(isOfGuix)) return new Response('StoreDir: /gnu/store\n');
      const item = items.find(
        (one) =>
          path === `${isOfGuix(one) ? '/guix' : ''}/${one.path.slice(0, 32)}.narinfo` || path === `/${one.info.url}`,
      );
      if (item === undefined) throw new DroverProblem('not-found', 404, 'not there', {});
      if (path.endsWith('.narinfo'))
        return new Response(
          headers.accept === narinfoForFoldersType
            ? withGuixSignature(item.info, signPacked(guixKey, hashOfSigned(guixSignedText(item.info))))
            : renderNarinfo(item.info),
        );
      // What an upstream has is given out whole only.
      const range = path.startsWith('/nar/upstream/') ? undefined : headers.range;
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
      const nar = item.nar.subarray(from);
      const pieces = Array.from({ length: Math.ceil(nar.length / 1000) }, (_, n) =>
        nar.subarray(n * 1000, n * 1000 + 1000),
      );
      const status = range === undefined ? 200 : 206;
      return new Response(ReadableStream.from(pieces) as ReadableStream<Uint8Array>, { status });
    },
    async *events({ from }: { from: string }) {
      if (from !== 'start') return;
      for (const [n, item] of items.entries()) {
        const data = { ...rowOf(item), references: item.info.references };
        yield { type: 'drover.StoreItemAdded', source, position: `${n}`, data };
      }
    },
    listItems: async () => ({ rows: items.map(rowOf) }),
    getItem: () => Promise.reject(new DroverProblem('unknown-item', 404, 'not there', {})),
  };
  return { drover: drover as unknown as Drover, asked };
}

/** The same with a log that grows before those that follow. */
export function growingDrover() {
  const served: Item[] = [];
  const log: unknown[] = [];
  const known = new Map<string, Item>();
  const { drover, asked } = droverOf(served);
  let grown = Promise.withResolvers<void>();
  function tell(type: string, data: object): void {
    log.push({ type: `drover.${type}`, source: 'urn:x', position: `${log.length}`, time: eventTime, data });
    grown.resolve();
    grown = Promise.withResolvers();
  }
  function unserve(items: readonly Item[]): void {
    for (const item of items) if (served.includes(item)) served.splice(served.indexOf(item), 1);
  }
  async function* events({ from, follow, signal }: { from: string; follow?: boolean; signal: AbortSignal }) {
    asked.push(follow === false ? '/v1/events' : '/v1/events?follow');
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
    for (let n = from === 'start' ? 0 : Number(from) + 1; ; ) {
      while (n < log.length) yield log[n++];
      if (follow !== false) await Promise.race([grown.promise, aborted]);
      if (follow === false || signal.aborted) return;
    }
  }
  const getItem = async ({ item }: { item: string }) => ({ references: known.get(item)?.info.references });
  return {
    drover: { ...drover, events, getItem } as unknown as Drover,
    asked,
    /** Serves them, and tells of the first. */
    add(...items: readonly [Item, ...Item[]]): void {
      served.push(...items);
      for (const item of items) known.set(item.path, item);
      const [{ path, info }] = items;
      tell('StoreItemAdded', { path, references: info.references });
    },
    /** Serves them, and tells that an upstream has the first. */
    find(...items: readonly [Item, ...Item[]]): void {
      unserve(items);
      served.push(...items);
      const [{ path, info }] = items;
      const { narHash, narSize, references, signatures } = info;
      tell('StoreItemFoundUpstream', { path, upstream: 'up', narHash, narSize, references, signatures });
    },
    /** Serves none of them any more, and tells that the first was unpublished, a while before its NAR goes. */
    unpublish(graceMs: number, ...items: readonly [Item, ...Item[]]): void {
      unserve(items);
      tell('StoreItemUnpublished', { path: items[0].path, until: Date.parse(eventTime) + graceMs });
    },
    /** Serves none of them any more, and tells that the first is deleted. */
    remove(...items: readonly [Item, ...Item[]]): void {
      unserve(items);
      tell('StoreItemDeleted', { path: items[0].path });
    },
  };
}
