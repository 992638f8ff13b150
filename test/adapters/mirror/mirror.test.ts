import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { compareMirror } from '../../../adapters/mirror/compare.ts';
import { openMirror } from '../../../adapters/mirror/mirror.ts';
import type { Drover } from '../../../client/drover.ts';
import { DroverProblem, DroverUnreachable } from '../../../client/errors.ts';
import { type NarInfo, renderNarinfo } from '../../../domain/store/narinfo.ts';
import { fakeBase } from '../../support/paths.ts';
import { narOf, sha256Of } from '../pool/nars.ts';

const root = mkdtempSync(join(tmpdir(), 'drover-mirror-'));
after(() => rmSync(root, { recursive: true, force: true }));
const never = new AbortController().signal;

interface Item {
  readonly path: string;
  readonly nar: Buffer;
  readonly info: NarInfo;
}

function itemOf(n: number, nar: Buffer, changes: Partial<NarInfo> = {}): Item {
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
function droverOf(items: readonly Item[]): { readonly drover: Drover; readonly asked: string[] } {
  const asked: string[] = [];
  const drover = {
    async request(_: string, path: string): Promise<Response> {
      asked.push(path);
      if (path === '/nix-cache-info') return new Response('StoreDir: /nix/store\n');
      const item = items.find(
        ({ path: own, info }) => path === `/${own.slice(0, 32)}.narinfo` || path === `/${info.url}`,
      );
      if (item === undefined) throw new DroverProblem('not-found', 404, 'not there', {});
      if (path.endsWith('.narinfo')) return new Response(renderNarinfo(item.info));
      const pieces = Array.from({ length: Math.ceil(item.nar.length / 1000) }, (_, n) =>
        item.nar.subarray(n * 1000, n * 1000 + 1000),
      );
      return new Response(ReadableStream.from(pieces) as ReadableStream<Uint8Array>);
    },
    async *events({ from }: { from: string }) {
      if (from !== 'start') return;
      for (const [n, { path }] of items.entries())
        yield { type: 'drover.StoreItemAdded', source: 'urn:x', position: `${n}`, data: { path } };
    },
    listItems: async () => ({ rows: items.map(({ path }) => ({ path })) }),
  };
  return { drover: drover as unknown as Drover, asked };
}

async function mirror(drover: Drover, folder: string): Promise<{ lacking: readonly string[]; troubles: string[] }> {
  const troubles: string[] = [];
  const options = { drover, folder, wants: () => true, connections: 8, signal: never, progress() {} };
  const opened = await openMirror({ ...options, trouble: (message) => troubles.push(message) });
  return { lacking: await opened.run(true), troubles };
}

const compare = async (drover: Drover, folder: string) =>
  (await compareMirror({ drover, folder, wants: () => true, connections: 2, progress() {} })).differences;

describe('mirror', () => {
  it('fetches a NAR once that many items have', async () => {
    const nar = await narOf(Buffer.alloc(100_000, 'x'));
    const items = [1, 2, 3, 4, 5, 6].map((n) => itemOf(n, nar));
    const { drover, asked } = droverOf(items);
    const folder = join(root, 'same');
    assert.deepEqual(await mirror(drover, folder), { lacking: [], troubles: [] });
    assert.deepEqual(await compare(drover, folder), []);
    assert.equal(asked.filter((path) => path.startsWith('/nar/')).length, 1);
    assert.deepEqual(readFileSync(join(folder, items[0]?.info.url as string)), nar);
  });

  it('publishes nothing over a NAR that is another, or has the place of another', async () => {
    const [one, two] = await Promise.all([narOf('one'), narOf('two')]);
    const good = itemOf(1, one);
    const lies = itemOf(2, one, { narHash: sha256Of(two) });
    const squats = itemOf(3, two, { url: good.info.url });
    const part = itemOf(4, two, { url: `${good.info.url}.part` });
    const { drover } = droverOf([good, lies, squats, part]);
    const folder = join(root, 'lies');
    const { lacking, troubles } = await mirror(drover, folder);
    assert.deepEqual(lacking, [lies.path, squats.path, part.path].sort());
    assert.equal(new Set(troubles).size, 3, troubles.join('\n'));
    assert.deepEqual(readFileSync(join(folder, good.info.url)), one);
  });

  it('gives up a coordinator that does not answer where it is to end, with what there is kept', async () => {
    const { drover } = droverOf([itemOf(1, await narOf('one'))]);
    const folder = join(root, 'silent');
    await mirror(drover, folder);
    const none = () => Promise.reject(new DroverUnreachable('nobody answers'));
    async function* noEvents({ onLost }: { onLost(reason: string): void }) {
      for (;;) yield onLost('nobody answers');
    }
    for (const away of [
      { ...drover, request: none },
      { ...drover, events: noEvents },
    ] as unknown as Drover[]) {
      const options = { drover: away, folder, wants: () => true, connections: 8, signal: never, progress() {} };
      const opened = await openMirror({ ...options, patienceMs: 0, trouble() {} });
      await assert.rejects(opened.run(true), /nobody answers; what is in .*silent stays, and the next run goes on/);
    }
    assert.deepEqual(await compare(drover, folder), []);
  });

  it('verifies what an earlier run has brought and not published', async () => {
    const nar = await narOf('whole');
    const item = itemOf(1, nar);
    for (const [name, bytes, fetches] of [
      ['whole', nar, 0],
      ['damaged', Buffer.alloc(nar.length, 'x'), 1],
    ] as const) {
      const folder = join(root, `left-${name}`);
      await mkdir(join(folder, 'nar'), { recursive: true });
      writeFileSync(join(folder, item.info.url), bytes);
      const { drover, asked } = droverOf([item]);
      // What turns out wrong is thrown away, and fetched by the next run.
      for (let run = 0; run <= fetches; run++) await mirror(drover, folder);
      assert.equal(asked.filter((path) => path.startsWith('/nar/')).length, fetches, name);
      assert.deepEqual(readFileSync(join(folder, item.info.url)), nar);
      assert.deepEqual(await compare(drover, folder), []);
    }
  });

  it('removes what is its own alone, and nothing to compare', async () => {
    const nar = await narOf('some');
    const { drover } = droverOf([itemOf(1, nar)]);
    const folder = join(root, 'shared');
    await mkdir(join(folder, 'nar', 'sub'), { recursive: true });
    const others = ['notes.tmp', 'nar/thesis.txt', 'nar/sub/file'];
    const ours = [`${fakeBase('item', 9).slice(0, 32)}.narinfo.tmp`, `nar/${sha256Of(nar).slice(7)}.nar.zst.part`];
    for (const name of [...others, ...ours]) writeFileSync(join(folder, name), name);
    const before = readdirSync(folder, { recursive: true }).sort();
    assert.deepEqual(
      (await compare(drover, folder)).map(({ kind }) => kind),
      ['missing'],
    );
    assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), before);
    await mirror(drover, folder);
    for (const name of others) assert.ok(statSync(join(folder, name)).isFile(), name);
    for (const name of ours) assert.ok(!existsSync(join(folder, name)), name);
    const absent = join(root, 'absent');
    await compare(drover, absent);
    assert.ok(!existsSync(absent));
  });
});
