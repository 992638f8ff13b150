import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { compareMirror } from '../../../adapters/mirror/compare.ts';
import { type MirrorOptions, openMirror } from '../../../adapters/mirror/mirror.ts';
import type { Drover } from '../../../client/drover.ts';
import { DroverProblem, DroverUnreachable } from '../../../client/errors.ts';
import { faultOfNarinfo } from '../../../domain/guix/signature.ts';
import { fingerprint } from '../../../domain/store/fingerprint.ts';
import { renderNarinfo } from '../../../domain/store/narinfo.ts';
import { generateSigningKey, sign } from '../../../domain/store/signature.ts';
import { fakeBase } from '../../support/paths.ts';
import { narOf, sha256Of } from '../pool/nars.ts';
import { droverOf, growingDrover, guixKey, type Item, itemOf, upstreamItemOf } from './fake-drover.ts';

const root = mkdtempSync(join(tmpdir(), 'drover-mirror-'));
after(() => rmSync(root, { recursive: true, force: true }));
const never = new AbortController().signal;

async function mirror(
  drover: Drover,
  folder: string,
  more: Partial<MirrorOptions> = {},
): Promise<{ lacking: readonly string[]; troubles: string[] }> {
  const troubles: string[] = [];
  const options = { drover, folder, wants: () => true, connections: 8, signal: never, progress() {}, ...more };
  using opened = await openMirror({ ...options, trouble: (message) => troubles.push(message) });
  return { lacking: await opened.run(true), troubles };
}

const compare = async (drover: Drover, folder: string) =>
  (await compareMirror({ drover, folder, wants: () => true, connections: 2, bytes: true, progress() {} })).differences;

type SigningKey = ReturnType<typeof generateSigningKey>;

type ExpectAfter = (number: number, change: () => void) => Promise<void>;

/** A mirror that follows while `body` runs, and has so many items at first. */
async function following(
  { drover, asked }: Pick<ReturnType<typeof growingDrover>, 'drover' | 'asked'>,
  folder: string,
  number: number,
  body: (expectAfter: ExpectAfter) => Promise<void>,
): Promise<void> {
  let has = (_: number): void => undefined;
  const expectAfter: ExpectAfter = (wanted, change) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    has = (now) => now === wanted && resolve();
    change();
    return promise;
  };
  const ending = new AbortController();
  using opened = await openMirror({
    ...{ drover, folder, wants: () => true, connections: 8, signal: ending.signal },
    progress: (state) => has(state.published),
    trouble: assert.fail,
  });
  let run: Promise<unknown> = Promise.resolve();
  const before = asked.length;
  await expectAfter(number, () => {
    run = opened.run(false);
  });
  while (!asked.includes('/v1/events?follow', before)) await new Promise((resolve) => setImmediate(resolve));
  await body(expectAfter);
  ending.abort();
  await run;
}

const narinfoIn = (folder: string, { path }: Item): string => join(folder, `${path.slice(0, 32)}.narinfo`);

describe('mirror', () => {
  it('counts as compared what is on one side at least, and not what is listed until it is gone', async () => {
    const folder = join(root, 'compared');
    const kept = itemOf(1, await narOf('kept'));
    const { drover } = droverOf([kept]);
    await mirror(drover, folder);
    const listed: Drover = {
      ...drover,
      async listItems(...asked) {
        const page = await drover.listItems(...asked);
        return {
          ...page,
          rows: [...page.rows, { ...page.rows[0], path: fakeBase('going', 2) } as (typeof page.rows)[0]],
        };
      },
    };
    const { compared, differences } = await compareMirror({
      ...{ drover: listed, folder, wants: () => true, connections: 2, bytes: true },
      progress() {},
    });
    assert.deepEqual([compared, differences], [1, []]);
  });

  it('is of one store directory: a plain cache of the first, or what guix publish gives out, compared and repaired alike', async () => {
    const guixItem = async (n: number, references: string[] = []) => {
      const { path, nar, info } = itemOf(n, await narOf(`of Guix ${n}`.repeat(100)), { references });
      return { path, nar, info: { ...info, storePath: `/gnu/store/${path}` } };
    };
    const [one, three] = [itemOf(1, await narOf('of Nix')), await guixItem(3)];
    const two = await guixItem(2, [three.path]);
    const { drover } = droverOf([one, two, three]);
    const folder = join(root, 'of-nix');
    assert.deepEqual(await mirror(drover, folder), { lacking: [], troubles: [] });
    assert.deepEqual([existsSync(narinfoIn(folder, one)), existsSync(narinfoIn(folder, two))], [true, false]);
    assert.deepEqual(await compare(drover, folder), []);

    const baked = join(root, 'of-guix');
    const form = { compressions: ['gzip', 'zstd'] } as const;
    assert.deepEqual(await mirror(drover, baked, form), { lacking: [], troubles: [] });
    const check = async () =>
      (
        await compareMirror({
          ...{ drover, folder: baked, wants: () => true, connections: 2, bytes: true, progress() {} },
          ...form,
        })
      ).differences;
    assert.deepEqual(await check(), []);
    assert.deepEqual(
      ['hashes', 'gzip', 'zstd'].map((name) => readdirSync(join(baked, name)).length),
      [2, 4, 4],
    );
    const narinfo = readFileSync(join(baked, 'zstd', `${two.path}.narinfo`), 'utf8');
    const { expression } = guixKey.publicKey;
    assert.equal(faultOfNarinfo(narinfo, [expression]), undefined);

    const [hash, nar] = [join(baked, 'hashes', two.path.slice(0, 32)), join(baked, 'zstd', `${three.path}.nar`)];
    for (const [damage, { path: item }, kind] of [
      [() => rmSync(hash), two, 'nar'],
      [() => writeFileSync(nar, Buffer.alloc(statSync(nar).size, 'x')), three, 'nar'],
      [() => truncateSync(join(baked, 'gzip', `${three.path}.narinfo`), 20), three, 'missing'],
    ] as const) {
      damage();
      const differences = await check();
      assert.deepEqual(differences, [{ item, kind }]);
      const options = { drover, folder: baked, wants: () => true, connections: 8, signal: never, progress() {} };
      using opened = await openMirror({ ...options, ...form, trouble: () => {} });
      await opened.repair(differences);
      assert.deepEqual(await opened.run(true), []);
      assert.deepEqual(await check(), []);
    }

    await assert.rejects(mirror(drover, folder, form), /expected a folder in the layout of guix publish/);
    await assert.rejects(mirror(drover, baked), /expected a plain binary cache/);
    const none = mirror(droverOf([one]).drover, join(root, 'of-none'), form);
    await assert.rejects(none, /expected a coordinator with a cache of \/gnu\/store .* other-store-dirs/);
  });

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

  it('says which keys it trusts, and where another one has the same name', async () => {
    const [own, other, third] = ['drover-1', 'drover-1', 'third-1'].map((name, seed) =>
      generateSigningKey(name, Buffer.alloc(32, seed)),
    ) as [SigningKey, SigningKey, SigningKey];
    const nar = await narOf('signed');
    const signedBy = (n: number, { secret }: SigningKey) => {
      const item = itemOf(n, nar);
      return { ...item, info: { ...item.info, signatures: [sign(secret, fingerprint(item.info))] } };
    };
    const items = [signedBy(1, own), signedBy(2, other), signedBy(3, third)];
    const { lacking, troubles } = await mirror(droverOf(items).drover, join(root, 'keys'), { keys: [own.public] });
    assert.deepEqual(lacking, [items[1]?.path, items[2]?.path]);
    const said = (n: number) => troubles.find((line) => line.startsWith(items[n]?.path.slice(0, 32) ?? '-'));
    assert.match(
      said(1) ?? '',
      /expected a signature by one of drover-1, got one by another key of the name drover-1$/,
    );
    assert.match(said(2) ?? '', /expected a signature by one of drover-1$/);
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
      using opened = await openMirror({ ...options, patienceMs: 0, trouble() {} });
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

  it('has again what went because of something else, also when it is killed just after it took it out', async () => {
    const base = itemOf(1, await narOf('base'));
    const above = itemOf(2, await narOf('above'), { references: [base.path] });
    const { drover } = droverOf([base, above]);
    const none = droverOf([]).drover;
    const folder = join(root, 'killed');
    const state = join(folder, '.drover-mirror.json');
    await mirror(drover, folder);
    const since = (...types: string[]) =>
      async function* ({ from }: { from: string }) {
        for (const [n, type] of types.entries())
          if (from === 'start' || Number(from) < 2 + n)
            yield { type: `drover.${type}`, source: 'urn:x', position: `${2 + n}`, data: { path: base.path } };
      };
    let then: Buffer | undefined;
    const gone = {
      ...none,
      events: since('StoreItemMissing'),
      async request(method: 'GET', path: string) {
        // Asked for once both have gone: what is written after that is taken back.
        if (path === `/${above.path.slice(0, 32)}.narinfo`) then ??= readFileSync(state);
        return none.request(method, path);
      },
    } as unknown as Drover;
    assert.deepEqual((await mirror(gone, folder)).lacking, [above.path]);
    assert.ok(then);
    writeFileSync(state, then);
    const events = since('StoreItemMissing', 'StoreItemAdded');
    assert.deepEqual((await mirror({ ...drover, events } as unknown as Drover, folder)).lacking, []);
    assert.deepEqual(await compare(drover, folder), []);
  });

  it('keeps a NAR for as long after its narinfo as the coordinator does, also where it hears of both ends at once', async () => {
    const { drover, add, unpublish, remove } = growingDrover();
    const [item, other] = [itemOf(1, await narOf('one')), itemOf(2, await narOf('two'))];
    add(item);
    add(other);
    const folder = join(root, 'leaving');
    const has = ({ info }: Item): boolean => existsSync(join(folder, info.url));
    await mirror(drover, folder);
    unpublish(3_600_000, item);
    remove(item);
    await mirror(drover, folder);
    assert.deepEqual([existsSync(narinfoIn(folder, item)), has(item)], [false, true]);
    // Nothing changes, and nothing goes.
    await mirror(drover, folder);
    assert.ok(has(item));
    // One that follows removes it by itself.
    const state = join(folder, '.drover-mirror.json');
    const kept = JSON.parse(readFileSync(state, 'utf8'));
    writeFileSync(state, JSON.stringify({ ...kept, leaving: { [item.info.url]: Date.now() + 100 } }));
    const ending = new AbortController();
    using opened = await openMirror({
      ...{ drover, folder, wants: () => true, connections: 8, signal: ending.signal, progress() {} },
      trouble: assert.fail,
    });
    const run = opened.run(false);
    while (has(item)) await new Promise((resolve) => setImmediate(resolve));
    unpublish(0, other);
    while (has(other)) await new Promise((resolve) => setImmediate(resolve));
    ending.abort();
    await run;
    assert.equal(JSON.parse(readFileSync(state, 'utf8')).leaving, undefined);
  });

  it('compares no longer where there is always one more page', async () => {
    const item = itemOf(1, await narOf('one'));
    const { drover } = droverOf([item]);
    let page = 0;
    const endless = { ...drover, listItems: async () => ({ rows: [{ path: item.path }], next: `${page++}` }) };
    const folder = join(root, 'endless pages');
    await mirror(drover, folder);
    await assert.rejects(
      compare(endless as unknown as Drover, folder),
      /expected pages with items that were not on others/,
    );
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

  it('keeps a second mirror out of its folder, and names the first', async () => {
    const { drover } = droverOf([]);
    const folder = join(root, 'twice');
    const options = { drover, folder, wants: () => true, connections: 1, signal: never, progress() {}, trouble() {} };
    const first = await openMirror(options);
    await assert.rejects(openMirror(options), {
      name: 'FolderInUse',
      message: new RegExp(`process ${process.pid} on \\S+ does to .*twice`),
    });
    first[Symbol.dispose]();
    await mirror(drover, folder);
  });

  it('keeps what only an upstream has as it does the rest, where something refers to it', async () => {
    const nar = await narOf('of an upstream');
    const { info: own } = itemOf(1, nar);
    const found = upstreamItemOf(1, nar);
    const above = itemOf(2, await narOf('above'), { references: [found.path] });
    const { drover } = droverOf([found, above]);
    const folder = join(root, 'upstream');
    const wants = (path: string) => path === above.path;
    // What came of it before the connection was lost is of no use: it is given out whole only.
    await mkdir(join(folder, 'nar'), { recursive: true });
    writeFileSync(join(folder, `${own.url}.part`), nar.subarray(0, 100));
    assert.deepEqual(await mirror(drover, folder, { wants }), { lacking: [], troubles: [] });
    assert.deepEqual(readFileSync(join(folder, own.url)), nar);
    // As one of the pool, with no word of where else it is.
    assert.equal(readFileSync(narinfoIn(folder, found), 'utf8'), renderNarinfo(own));
    assert.deepEqual(await compare(drover, folder), []);
    assert.deepEqual(await mirror(drover, folder, { wants }), { lacking: [], troubles: [] });
  });

  it('brings what waits for something once an upstream is found to have that, and asks for nothing when it is found again', async () => {
    const { add, remove, find, ...coordinator } = growingDrover();
    const { drover, asked } = coordinator;
    const [base, other] = [await narOf('base'), await narOf('other')];
    const found = upstreamItemOf(1, base);
    const above = itemOf(2, await narOf('above'), { references: [found.path] });
    const folder = join(root, 'found');
    await following(coordinator, folder, 0, async (expectAfter) => {
      await expectAfter(1, () => add(itemOf(1, base)));
      await expectAfter(2, () => add(above));
      await expectAfter(0, () => remove(itemOf(1, base), above));
      await expectAfter(2, () => find(found, above));
      const before = asked.length;
      find(found);
      await expectAfter(3, () => add(itemOf(3, other)));
      assert.deepEqual(
        asked.slice(before).filter((path) => path.includes(found.path.slice(0, 32))),
        [],
      );
    });
    assert.deepEqual(await compare(drover, folder), []);
  });

  it('leaves out an item that refers to ever new ones, and brings the others', async () => {
    const nar = await narOf('one');
    const endless = itemOf(100, nar, { references: [fakeBase('item', 101)] });
    const good = [itemOf(1, nar), itemOf(2, await narOf('two'))];
    const { drover } = droverOf([good[0] as Item, endless, good[1] as Item]);
    const known = Array.from({ length: 1000 }, (_, n) => fakeBase('item', 101 + n));
    let asked = 0;
    const request: Drover['request'] = async (method, path, options) => {
      const at = known.findIndex((base) => path === `/${base.slice(0, 32)}.narinfo`);
      if (at === -1) return drover.request(method, path, options);
      assert.ok(++asked < 100, 'it goes on and on');
      return new Response(renderNarinfo(itemOf(101 + at, nar, { references: [known[at + 1] as string] }).info));
    };
    const folder = join(root, 'endless');
    const most = { narinfos: 5, bytes: 1_000_000 };
    const { lacking, troubles } = await mirror({ ...drover, request }, folder, { most });
    assert.deepEqual(lacking, [endless.path]);
    assert.match(troubles.join('\n'), new RegExp(`${endless.path}: expected an item with at most 5 others`));
    for (const item of good) assert.ok(existsSync(narinfoIn(folder, item)));
  });

  it('sets aside what is damaged in its folder, and has it again', async () => {
    const below = itemOf(1, await narOf('below'));
    const above = itemOf(2, await narOf('above'), { references: [below.path] });
    const { drover } = droverOf([below, above]);
    const folder = join(root, 'damaged');
    await mirror(drover, folder);
    const file = narinfoIn(folder, below);
    const good = readFileSync(file);
    for (const bad of ['', 'StorePath: /nix/store/x', readFileSync(narinfoIn(folder, above))]) {
      writeFileSync(file, bad);
      const { lacking, troubles } = await mirror(drover, folder);
      assert.deepEqual([lacking, readFileSync(file)], [[], good]);
      assert.match(troubles.join('\n'), /^[0-9a-z]{32}\.narinfo was damaged and is set aside/);
      assert.ok(existsSync(`${file}.damaged`));
    }
    // Somebody removed one: what refers to it may not stay alone, and both come back.
    rmSync(file);
    assert.deepEqual(await mirror(drover, folder), { lacking: [], troubles: [] });
    const state = join(folder, '.drover-mirror.json');
    const whole = readFileSync(state, 'utf8');
    for (const bad of [whole.slice(0, -5), '', '{"version":1}']) {
      writeFileSync(state, bad);
      const { troubles } = await mirror(drover, folder);
      assert.match(troubles.join('\n'), /drover-mirror\.json is damaged and was set aside/);
      assert.deepEqual(JSON.parse(readFileSync(state, 'utf8')), JSON.parse(whole));
    }
    writeFileSync(state, '{"version":2}');
    await assert.rejects(mirror(drover, folder), /expected version 1, got 2: a newer Drover/);
    writeFileSync(state, whole);
    assert.deepEqual(await compare(drover, folder), []);
  });

  it('finds a byte of a NAR that is wrong, and repairs it', async () => {
    const nar = await narOf('right');
    const items = [itemOf(1, nar), itemOf(2, nar, { references: [fakeBase('item', 1)] })];
    const { drover } = droverOf(items);
    const folder = join(root, 'bytes');
    await mirror(drover, folder);
    const file = join(folder, items[0]?.info.url as string);
    for (const damage of [
      () => writeFileSync(file, Buffer.from(nar).fill('?', 100, 101)),
      () => truncateSync(file, 10),
      () => rmSync(file),
    ]) {
      damage();
      const differences = await compare(drover, folder);
      assert.deepEqual(
        differences.map(({ kind }) => kind),
        ['nar', 'nar'],
      );
      const options = { drover, folder, wants: () => true, connections: 2, signal: never, progress() {}, trouble() {} };
      using opened = await openMirror(options);
      await opened.repair(differences);
      assert.deepEqual(await opened.run(true), []);
      assert.deepEqual(readFileSync(file), nar);
      assert.deepEqual(await compare(drover, folder), []);
    }
  });

  it('takes nothing away on the word of another log, or of an empty one', async () => {
    const item = itemOf(1, await narOf('kept'));
    const folder = join(root, 'other-log');
    await mirror(droverOf([item]).drover, folder);
    const state = JSON.parse(readFileSync(join(folder, '.drover-mirror.json'), 'utf8'));
    writeFileSync(join(folder, '.drover-mirror.json'), JSON.stringify({ ...state, event: 'item-x@0' }));
    await assert.rejects(mirror(droverOf([]).drover, folder), /mirrors urn:x, and the coordinator's log is empty/);
    await assert.rejects(mirror(droverOf([item], 'urn:y').drover, folder), /mirrors urn:x, .* log is urn:y/);
    assert.ok(existsSync(narinfoIn(folder, item)));
  });

  it('says once for each reason that there is no answer', async () => {
    const { drover } = droverOf([itemOf(1, await narOf('away'))]);
    const answers = [502, 502, 502, 503, 502];
    const request: Drover['request'] = async (method, path, options) => {
      const status = path === '/nix-cache-info' ? answers.shift() : undefined;
      if (status !== undefined) throw new DroverProblem('busy', status, `it says ${status}`, {}, 1);
      return drover.request(method, path, options);
    };
    const { troubles } = await mirror({ ...drover, request }, join(root, 'away'));
    assert.deepEqual(
      troubles,
      [502, 503, 502].map((status) => `it says ${status}; trying again`),
    );
  });

  it('waits as long as it is told, and ends where it is refused', async () => {
    const item = itemOf(1, await narOf('late'));
    const { drover } = droverOf([item]);
    let refused = 0;
    const answer =
      (status: number, retryAfter?: number): Drover['request'] =>
      async (method, path, options) => {
        if (path.startsWith('/nar/') && (status !== 503 || refused++ === 0))
          throw new DroverProblem('busy', status, `it says ${status}`, {}, retryAfter);
        return drover.request(method, path, options);
      };
    const before = performance.now();
    const { lacking, troubles } = await mirror({ ...drover, request: answer(503, 700) }, join(root, 'busy'));
    assert.deepEqual([lacking, troubles], [[], ['it says 503; trying again']]);
    assert.ok(performance.now() - before >= 690);
    for (const status of [401, 403])
      await assert.rejects(mirror({ ...drover, request: answer(status) }, join(root, 'refused')), { status });
    assert.deepEqual((await mirror({ ...drover, request: answer(404) }, join(root, 'gone'))).lacking, [item.path]);
  });

  it('asks for the two files of an item that comes, and for one that is not served only once what it lacks is there', async () => {
    const nar = (n: number) => narOf(`number ${n}`);
    const base = itemOf(1, await nar(1));
    const middle = itemOf(2, await nar(2), { references: [base.path] });
    const top = itemOf(3, await nar(3), { references: [middle.path, fakeBase('item', 3)] });
    const { add, remove, ...coordinator } = growingDrover();
    const { asked } = coordinator;
    const count = (path: string): number => asked.filter((one) => one === path).length;
    const narinfos = (...items: readonly Item[]) => items.map(({ path }) => count(`/${path.slice(0, 32)}.narinfo`));
    async function addOthers(expectAfter: ExpectAfter, from: number, to: number): Promise<void> {
      for (let n = from; n <= to; n++) {
        const other = itemOf(10 + n, await nar(10 + n));
        await expectAfter(n, () => add(other));
      }
    }

    const folder = join(root, 'follows');
    await following(coordinator, folder, 0, async (expectAfter) => {
      for (const [n, item] of [base, middle, top].entries()) await expectAfter(n + 1, () => add(item));
      assert.deepEqual(narinfos(base, middle, top), [1, 1, 1]);
      for (const { info } of [base, middle, top]) assert.equal(count(`/${info.url}`), 1);
      await expectAfter(0, () => remove(base, middle, top));
      await addOthers(expectAfter, 1, 5);
      assert.deepEqual(narinfos(middle, top), [2, 2]);
      assert.deepEqual([count('/v1/events'), count('/v1/events?follow')], [1, 1], 'up to the head, and then on');
    });
    await following(coordinator, folder, 5, async (expectAfter) => {
      await addOthers(expectAfter, 6, 9);
      // Once more, as it began.
      assert.deepEqual(narinfos(middle, top), [3, 3]);
      await expectAfter(12, () => add(base, middle, top));
      assert.deepEqual(narinfos(middle, top), [4, 4]);
    });
  });

  it('never follows a link out of its folder', async () => {
    const item = itemOf(1, await narOf('inside'));
    const { drover } = droverOf([item]);
    const outside = join(root, 'outside');
    await mkdir(outside);
    writeFileSync(join(outside, 'file'), 'mine');
    const linked = join(root, 'linked');
    await mkdir(linked);
    symlinkSync(outside, join(linked, 'nar'));
    await assert.rejects(mirror(drover, linked), /nar: expected a folder, got a symbolic link/);
    for (const name of [`${item.info.url}.part`, '.drover-mirror.json.tmp', '.drover-mirror.lock']) {
      const folder = join(root, `link-${name.replaceAll('/', '-')}`);
      await mkdir(join(folder, 'nar'), { recursive: true });
      symlinkSync(join(outside, 'file'), join(folder, name));
      await mirror(drover, folder).catch(() => {});
      assert.equal(readFileSync(join(outside, 'file'), 'utf8'), 'mine', name);
    }
    assert.deepEqual(readdirSync(outside), ['file']);
  });
});
