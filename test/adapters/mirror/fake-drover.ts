import type { Drover } from '../../../client/drover.ts';
import { DroverProblem } from '../../../client/errors.ts';
import type { RequestOptions } from '../../../client/http.ts';
import { type NarInfo, renderNarinfo } from '../../../domain/store/narinfo.ts';
import { fakeBase } from '../../support/paths.ts';
import { sha256Of } from '../pool/nars.ts';

export interface Item {
  readonly path: string;
  readonly nar: Buffer;
  readonly info: NarInfo;
}

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

/** A coordinator that has these items, and gives each NAR out in small pieces. */
export function droverOf(
  items: readonly Item[],
  source = 'urn:x',
): { readonly drover: Drover; readonly asked: string[] } {
  const asked: string[] = [];
  const drover = {
    async request(_: string, path: string, { headers = {} }: RequestOptions = {}): Promise<Response> {
      asked.push(path);
      if (path === '/nix-cache-info') return new Response('StoreDir: /nix/store\n');
      const item = items.find(
        ({ path: own, info }) => path === `/${own.slice(0, 32)}.narinfo` || path === `/${info.url}`,
      );
      if (item === undefined) throw new DroverProblem('not-found', 404, 'not there', {});
      if (path.endsWith('.narinfo')) return new Response(renderNarinfo(item.info));
      const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
      const nar = item.nar.subarray(from);
      const pieces = Array.from({ length: Math.ceil(nar.length / 1000) }, (_, n) =>
        nar.subarray(n * 1000, n * 1000 + 1000),
      );
      const status = headers.range === undefined ? 200 : 206;
      return new Response(ReadableStream.from(pieces) as ReadableStream<Uint8Array>, { status });
    },
    async *events({ from }: { from: string }) {
      if (from !== 'start') return;
      for (const [n, { path }] of items.entries())
        yield { type: 'drover.StoreItemAdded', source, position: `${n}`, data: { path } };
    },
    listItems: async () => ({ rows: items.map(({ path }) => ({ path })) }),
  };
  return { drover: drover as unknown as Drover, asked };
}
