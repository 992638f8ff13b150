import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeSourcePath } from '../../domain/store/store-path.ts';
import { declarationOf, narOf } from '../adapters/pool/nars.ts';
import { becomes } from '../support/becomes.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import type { Farm } from '../support/e2e/farm.ts';
import { startDrover } from '../support/e2e/process.ts';
import { startStaticServer } from '../support/static-server.ts';

const narinfos = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.narinfo'))
    .sort();

/** Each narinfo's NAR is there, and the narinfos of all that it refers to. */
function assertClosed(folder: string): void {
  for (const name of narinfos(folder)) {
    const text = readFileSync(join(folder, name), 'utf8');
    const references = /^References: (.*)$/m.exec(text)?.[1]?.split(' ').filter(Boolean) ?? [];
    for (const reference of references) assert.ok(existsSync(join(folder, `${reference.slice(0, 32)}.narinfo`)), text);
    assert.ok(existsSync(join(folder, /^URL: (.*)$/m.exec(text)?.[1] as string)), text);
  }
}

const trusting = { env: { DROVER_HOOKS_TRUST_API: 'true' } };

e2e(
  'mirrors and folders of hooks follow what is added and deleted, and real Nix fetches from them',
  trusting,
  async (farm) => {
    await Promise.all([farm.agent('a', { features: ['left'] }), farm.agent('b', { features: ['right'] })]);
    const published = join(farm.folder, 'published');
    const copied = join(farm.folder, 'copied');
    const hook = async (...flags: string[]) => {
      const { code, said } = await farm.drover(['hooks', 'add', ...flags]);
      assert.equal(code, 0, said);
    };
    mkdirSync(published);
    await hook('releases', '--publish', published, '--drv', 'left');
    const { watched } = await farm.submit(['top'], '--wait');
    const folder = join(farm.folder, 'mirror');
    const mirror = (...flags: string[]) => farm.drover(['mirror', '--to', folder, ...flags]);
    const environment = { DROVER_URL: farm.url, DROVER_TOKEN: farm.adminToken };

    const first = await mirror('--once', '--keys', farm.publicKey);
    assert.equal(first.code, 0, first.said);
    assertClosed(folder);
    const { rows } = (await farm.request('GET', '/v1/items?limit=1000')).body;
    assert.equal(narinfos(folder).length, rows.length);
    assert.equal((await mirror('--check')).code, 0);

    // A real client, with an empty store, and nothing but the folder.
    await using server = await startStaticServer(folder);
    const top = watched.find(({ derivation }: { derivation: string }) => derivation.endsWith('-top.drv'));
    const output = (await farm.request('GET', `/v1/builds/${top.id}`)).body.outputs.out;
    const root = join(farm.folder, 'client');
    mkdirSync(root);
    const trust = ['--option', 'substituters', server.url, '--option', 'trusted-public-keys', farm.publicKey];
    await farm.nix('nix-store', ['--store', `local?root=${root}`, '--realise', `/nix/store/${output}`, ...trust]);
    assert.match(readFileSync(join(root, 'nix/store', output), 'utf8'), /^top of right/);

    // The coordinator's own mirror, of what was there before; a restart of it goes on.
    mkdirSync(copied);
    await hook('copy', '--mirror', copied);
    await becomes(copied, () => narinfos(copied).length > 0);
    const left = rows.find(({ path }: { path: string }) => path.endsWith('-left'));
    const base = rows.find(({ path }: { path: string }) => path.endsWith('-base'));
    assert.ok(left.references.includes(base.path), 'the test needs an item that refers to another');
    const names = [base, left].map(({ path }) => `${path.slice(0, 32)}.narinfo`).sort();
    const has = (place: string) => names.every((name) => existsSync(join(place, name)));
    const hasNone = (place: string) => names.every((name) => !existsSync(join(place, name)));
    await becomes(published, () => has(published));
    await farm.kill9();
    const away = join(farm.folder, 'other-client');
    mkdirSync(away);
    const trusted = [
      '--option',
      'substituters',
      `file://${published}`,
      '--option',
      'trusted-public-keys',
      farm.publicKey,
    ];
    await farm.nix('nix-store', ['--store', `local?root=${away}`, '--realise', `/nix/store/${left.path}`, ...trusted]);
    assert.match(readFileSync(join(away, 'nix/store', left.path), 'utf8'), /^left of /);
    await farm.start([], trusting);
    await becomes(copied, () => narinfos(copied).length === rows.length);
    assertClosed(copied);
    const check = async (to: string) => (await farm.drover(['mirror', '--to', to, '--check'])).code;
    assert.equal(await check(copied), 0);
    const all = narinfos(published);

    // What is deleted goes, and with it what refers to it; built again, it comes again.
    const follower = startDrover(['mirror', '--to', folder], { env: environment });
    const file = (item: { path: string }) => join(folder, `${item.path.slice(0, 32)}.narinfo`);
    assert.equal((await farm.request('DELETE', `/v1/items/${base.path}?force=true`)).status, 204);
    await becomes(folder, () => !existsSync(file(base)));
    assert.ok(!existsSync(file(left)), 'what refers to it went before');
    for (const place of [published, copied]) await becomes(place, () => hasNone(place));
    await farm.submit(['base'], '--wait');
    await becomes(folder, () => existsSync(file(left)));
    assertClosed(folder);
    for (const place of [published, copied]) await becomes(place, () => has(place));
    assert.deepEqual(narinfos(published), all);
    assert.equal(await check(copied), 0);
    follower.kill('SIGTERM');
    await follower.exited;
    assert.equal((await mirror('--once')).code, 0);
    assert.equal((await mirror('--check')).code, 0);

    // What is wrong with the folder is found.
    const nar = readdirSync(join(folder, 'nar'))[0] as string;
    truncateSync(join(folder, 'nar', nar), 10);
    const damaged = await mirror('--check');
    assert.equal(damaged.code, 1);
    assert.match(damaged.stdout, /^nar {8}[0-9a-z]{32}-/);
    // With the same flags, as the line after that says.
    assert.match(damaged.said, /'drover mirror --repair' with the same flags/);
    assert.equal((await mirror('--check', '--repair')).code, 0);
    assert.equal((await mirror('--check')).code, 0);

    // Signed by somebody else, filtered, of another log.
    const strange = await farm.drover([
      'mirror',
      '--to',
      join(farm.folder, 'strange'),
      '--once',
      '--keys',
      `other:${Buffer.alloc(32).toString('base64')}`,
    ]);
    assert.equal(strange.code, 1);
    assert.match(strange.said, /expected a signature by one of other/);
    assert.deepEqual(narinfos(join(farm.folder, 'strange')), []);
    const some = join(farm.folder, 'some');
    assert.equal((await farm.drover(['mirror', '--to', some, '--once', '--filter', '^left$'])).code, 0);
    assert.deepEqual(narinfos(some), [base, left].map(({ path }) => `${path.slice(0, 32)}.narinfo`).sort());
    writeFileSync(
      join(some, '.drover-mirror.json'),
      JSON.stringify({ version: 1, source: 'urn:drover:log:x', waiting: [] }),
    );
    const other = await farm.drover(['mirror', '--to', some, '--once']);
    assert.equal(other.code, 1);
    assert.match(other.said, /mirrors urn:drover:log:x/);
  },
);

/** Uploads a source; it has to contain the hash parts of what it refers to. */
async function upload(
  farm: Farm,
  name: string,
  bytes: Uint8Array,
  references: readonly string[] = [],
): Promise<string> {
  const nar = await narOf(bytes);
  const full = references.map((path) => `/nix/store/${path}`);
  const path = makeSourcePath(name, createHash('sha256').update(nar).digest(), full, false, '/nix/store').slice(
    '/nix/store/'.length,
  );
  const begun = await farm.request('POST', '/v1/uploads', { body: declarationOf(nar, nar, { path, references }) });
  assert.equal(begun.status, 201, JSON.stringify(begun.body));
  const headers = { 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' };
  const sent = await farm.request('PATCH', `/v1/uploads/${begun.body.id}`, { raw: nar, headers });
  assert.ok(sent.status < 300, JSON.stringify(sent.body));
  return path;
}

/** Resolves after so many changes of a file in the folder or among its NARs: at any moment of what a mirror does. */
function changes(folder: string, count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    const watchers = [folder, join(folder, 'nar')].map((place) => watch(place, look));
    function look(): void {
      if (--left > 0) return;
      for (const watcher of watchers) watcher.close();
      resolve();
    }
  });
}

const number = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
/** Many of both are more than `npm test` has time for: docs/reliability.md says what came of them. */
const manyItems = number('MIRROR_ITEMS', 20);
const kills = number('MIRROR_KILLS', 2);
const isBig = manyItems > 1000;

e2e('a mirror that is killed at random moments, as its coordinator is, ends equal', {}, async (farm) => {
  const begun = performance.now();
  const say = (text: string) => void (isBig && console.log(text));
  const seconds = () => Math.round((performance.now() - begun) / 1000);
  /** What the coordinator has, with what to send of each to have it again. */
  const items = new Map<string, { name: string; bytes: Uint8Array; references: readonly string[] }>();
  async function add(name: string): Promise<void> {
    const known = [...items.keys()];
    const references =
      known.length === 0 ? [] : [...new Set([0, 0].map(() => known[randomInt(known.length)] as string))].sort();
    const bytes = Buffer.concat([Buffer.from(references.join(' ')), randomBytes(randomInt(isBig ? 40_000 : 200_000))]);
    items.set(await upload(farm, name, bytes, references), { name, bytes, references });
  }
  async function addMany(name: string, count: number): Promise<void> {
    let n = 0;
    const work = async () => {
      while (n < count) await add(`${name}-${n++}`);
    };
    await Promise.all(Array.from({ length: Math.min(16, Math.ceil(count / 5)) }, work));
  }
  const remove = async (path: string) =>
    assert.equal((await farm.request('DELETE', `/v1/items/${path}?now=true&force=true`)).status, 204, path);

  // Each file makes at least six changes.
  const longest = Math.ceil((2 * manyItems) / kills);
  let added = 0;
  /** A moment of the mirror's work. What it has to do may be less than that: it is given an item at a time meanwhile. */
  async function someMoment(folder: string): Promise<void> {
    const over = new AbortController();
    const moment = changes(folder, randomInt(1, longest)).then(() => over.abort());
    while (!over.signal.aborted) {
      const name = `meanwhile-${++added}`;
      const bytes = randomBytes(1000);
      const path = await upload(farm, name, bytes);
      items.set(path, { name, bytes, references: [] });
      const file = join(folder, `${path.slice(0, 32)}.narinfo`);
      await Promise.race([moment, becomes(folder, () => existsSync(file), over.signal)]);
    }
  }

  await addMany('source', manyItems);
  say(`${manyItems} items uploaded after ${seconds()} s`);
  const folder = join(farm.folder, 'mirror');
  mkdirSync(join(folder, 'nar'), { recursive: true });
  for (let round = 1; round <= kills; round++) {
    const environment = { DROVER_URL: farm.url, DROVER_TOKEN: farm.adminToken };
    const mirror = startDrover(['mirror', '--to', folder, '--connections', '2'], { env: environment });
    await someMoment(folder);
    if (round % 2 === 0) {
      await farm.kill9();
      await farm.start();
    } else {
      const known = [...items.keys()];
      const [gone, back] = [known[randomInt(known.length)], known[randomInt(known.length)]] as [string, string];
      // What refers to it, directly or not, is served no more until it is there again.
      await remove(back);
      // What nothing refers to goes for good.
      const isUsed = [...items.values()].some(({ references }) => references.includes(gone));
      if (!isUsed && gone !== back) {
        await remove(gone);
        items.delete(gone);
      }
      await addMany(`round-${round}`, Math.ceil(manyItems / 1000));
      await someMoment(folder);
      const { name, bytes, references } = items.get(back) as {
        name: string;
        bytes: Uint8Array;
        references: string[];
      };
      await upload(farm, name, bytes, references);
    }
    await someMoment(folder);
    mirror.kill('SIGKILL');
    await mirror.exited;
    assertClosed(folder);
    say(`round ${round}: ${narinfos(folder).length} of ${items.size} items after ${seconds()} s`);
  }
  const last = await farm.drover(['mirror', '--to', folder, '--once']);
  assert.equal(last.code, 0, last.said);
  assertClosed(folder);
  assert.equal(narinfos(folder).length, items.size);
  const check = await farm.drover(['mirror', '--to', folder, '--check']);
  assert.equal(check.code, 0, check.said);
  assert.match(check.said, new RegExp(`${items.size.toLocaleString('en')} items compared, 0 differ`));
  assert.equal(readdirSync(join(folder, 'nar')).length, items.size, 'nothing is left of what was deleted or cut');
  const bytes = [...items.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  say(`${items.size} items, ${Math.round(bytes / 1e6)} MB, equal after ${seconds()} s`);
});

e2e('a mirror of a log that has lost its end becomes what is left, and follows that', {}, async (farm) => {
  const folder = join(farm.folder, 'mirror');
  const older = join(farm.folder, 'older.db');
  const send = (name: string) => upload(farm, name, randomBytes(1000));
  const mirror = (...flags: string[]) => farm.drover(['mirror', '--to', folder, ...flags]);
  const expectEqual = async (...paths: string[]) => {
    assert.deepEqual(narinfos(folder), paths.map((path) => `${path.slice(0, 32)}.narinfo`).sort());
    assert.equal((await mirror('--check')).code, 0);
  };
  const kept = await send('kept');
  const deleted = await send('deleted');
  farm.coordinator.kill('SIGTERM');
  await farm.coordinator.exited;
  copyFileSync(join(farm.data, 'events.db'), older);
  await farm.start();
  await farm.request('DELETE', `/v1/items/${deleted}?now=true`);
  const lost = [await send('lost'), await send('lost-too')];
  assert.equal((await mirror('--once')).code, 0);
  await expectEqual(kept, ...lost);

  // A restore of an older log, accepted as it is: the mirror has read on to what is not there any more.
  farm.coordinator.kill('SIGTERM');
  await farm.coordinator.exited;
  copyFileSync(older, join(farm.data, 'events.db'));
  assert.equal((await farm.drover(['log', 'accept', '--data', farm.data])).code, 0);
  await farm.start();
  const told = await mirror('--once');
  assert.match(
    told.said,
    /the log has lost item-\S+@0 at \d+, which was read already: it is read again from its start/,
  );
  assert.deepEqual(narinfos(folder), [`${kept.slice(0, 32)}.narinfo`]);

  const more = [];
  for (let n = 0; n < 3; n++) more.push(await send(`more-${n}`));
  await mirror('--once');
  await expectEqual(kept, ...more);
});
