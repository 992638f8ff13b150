import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { encodeCommit } from '../../../adapters/event-store/encode.ts';
import { flattenCommit, readCommits } from '../../../adapters/event-store/sqlite/flat-commits.ts';
import { createLinker } from '../../../adapters/event-store/sqlite/linker.ts';
import { createParcels, openParcel } from '../../../adapters/event-store/sqlite/parcels.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { createChain, emptyChain, readChain } from '../../../coordinator/audit/chain.ts';
import { createVerifier } from '../../../coordinator/audit/verifier.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import { collect, commitOf, stored } from '../../contract/commits.ts';
import { replaceLog } from '../../support/replace-log.ts';

const folders: string[] = [];
const mounts: string[] = [];
after(() => {
  for (const dir of mounts) execFileSync('umount', [dir]);
  for (const dir of folders) rmSync(dir, { recursive: true });
});
function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'drover-sqlite-'));
  folders.push(dir);
  return dir;
}
/** Mounts something at `dir` for the time of the test run; skips the test where that is not allowed. */
function mount(t: TestContext, dir: string, args: string[]): boolean {
  try {
    execFileSync('mount', [...args, dir], { stdio: 'pipe' });
    mounts.push(dir);
    return true;
  } catch (error) {
    t.skip(`cannot mount here (needs root): ${String((error as { stderr?: unknown }).stderr).trim()}`);
    return false;
  }
}
async function filled(dir: string, commits = 10): Promise<void> {
  await using store = await openSqliteEventStore({ dir });
  await store.appendBatch(Array.from({ length: commits }, (_, n) => commitOf(`build-${n % 5}`, 'any')));
}
function change(dir: string, sql: string): void {
  const db = new DatabaseSync(join(dir, 'events.db'));
  db.exec(sql);
  db.close();
}
async function count(store: EventStore): Promise<number> {
  return (await collect(store.readAll())).reduce((sum, { events }) => sum + events.length, 0);
}

describe('sqlite event store: opening', () => {
  it('refuses a second writer, in this process and in another, and names the first', async () => {
    const dir = newFolder();
    {
      await using first = await openSqliteEventStore({ dir });
      const refused = { code: 'in-use', message: new RegExp(`${dir}.*process ${process.pid}\\b`) };
      await assert.rejects(openSqliteEventStore({ dir }), refused);
      const open = `import { openSqliteEventStore } from ${JSON.stringify(new URL('../../../adapters/event-store/sqlite/store.ts', import.meta.url).href)};
        await openSqliteEventStore({ dir: ${JSON.stringify(dir)} }).catch(({ code, message }) => console.log(JSON.stringify({ code, message })));`;
      const other = JSON.parse(
        execFileSync(process.execPath, ['--input-type=module', '-e', open], { encoding: 'utf8' }),
      );
      assert.equal(other.code, 'in-use');
      assert.match(other.message, refused.message);
      stored(await first.append(commitOf('build-1', 'none')));
    }
    await using again = await openSqliteEventStore({ dir });
    assert.equal(await count(again), 1);
  });
  it('says that there is another writer where somebody removed the lock', async () => {
    const dir = newFolder();
    await using first = await openSqliteEventStore({ dir });
    rmSync(join(dir, 'writer.lock'));
    await using second = await openSqliteEventStore({ dir });
    stored(await second.append(commitOf('build-1', 'none')));
    const refused = { code: 'in-use', message: /another writer has appended to it.*writer\.lock was removed/ };
    await assert.rejects(first.append(commitOf('build-2', 'none')), refused);
  });
  it('opens for reading beside the writer', async () => {
    const dir = newFolder();
    await using writer = await openSqliteEventStore({ dir });
    stored(await writer.append(commitOf('build-1', 'none', [1, 2])));
    await using reader = await openSqliteEventStore({ dir, readOnly: true });
    stored(await writer.append(commitOf('build-1', 1, [3])));
    assert.equal(await reader.head(), await writer.head());
    assert.deepEqual(await collect(reader.read('build-1')), await collect(writer.read('build-1')));
    await assert.rejects(reader.append(commitOf('build-1', 2)), { code: 'read-only' });
    await assert.rejects(openSqliteEventStore({ dir: join(dir, 'nothing'), readOnly: true }), { code: 'unavailable' });
  });
  it('lets others run between two looks at one event', async () => {
    await using store = await openSqliteEventStore({ dir: newFolder() });
    stored(await store.append(commitOf('build-1', 'none', [1, 2])));
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns++;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    for (let n = 0; n < 20; n++) for await (const _ of store.readAll({ limit: 1 })) break;
    isOver = true;
    assert.ok(turns >= 19, `${turns} turns`);
  });
  it('a newer schema', async () => {
    const dir = newFolder();
    await filled(dir);
    change(dir, 'PRAGMA user_version = 99');
    await assert.rejects(openSqliteEventStore({ dir }), {
      code: 'newer-schema',
      message: /schema 99, this one knows up to 3/,
    });
    await assert.rejects(openSqliteEventStore({ dir, readOnly: true }), { code: 'newer-schema' });
  });
  it('the database of another program', async () => {
    const dir = newFolder();
    change(dir, 'CREATE TABLE t (a)');
    await assert.rejects(openSqliteEventStore({ dir }), { code: 'damaged', message: /not an event log/ });
  });
  it('not a database', async () => {
    const dir = newFolder();
    writeFileSync(
      join(dir, 'events.db'),
      'this is not a database at all, and long enough to have a header. '.repeat(100),
    );
    await assert.rejects(openSqliteEventStore({ dir }), { code: 'damaged', message: /events\.db.*recover/ });
  });
  it('pages overwritten', async () => {
    const dir = newFolder();
    await filled(dir, 1000);
    const bytes = readFileSync(join(dir, 'events.db'));
    writeFileSync(join(dir, 'events.db'), bytes.fill(0xa5, 4096));
    await assert.rejects(openSqliteEventStore({ dir }), { code: 'damaged' });
  });
  it('events that are missing, data that is not JSON, an index ahead of the log', async () => {
    for (const [sql, problem] of [
      ['DELETE FROM events WHERE position = 7', /1 of the last 10 events are missing/],
      ['DELETE FROM events WHERE position = 1', /starts at event 2/],
      [`UPDATE events SET data = '{"value":' WHERE position = 9`, /data of 1 of the last 10 events is not JSON/],
      ['UPDATE index_state SET indexed = 11', /index is at event 11, the log ends at 10/],
    ] as const) {
      const dir = newFolder();
      await filled(dir);
      change(dir, sql);
      await assert.rejects(openSqliteEventStore({ dir }), { code: 'damaged', message: problem });
    }
  });
  it('passes no text on that another has put there and that is none or not one line', async () => {
    const dir = newFolder();
    await filled(dir, 4);
    change(dir, `UPDATE events SET data = '{"value":' || char(10) || '7}' WHERE position = 2`);
    change(dir, `UPDATE events SET data = '{"value":' WHERE position = 4`);
    await using store = await openSqliteEventStore({ dir, readOnly: true });
    const [first, second] = (await collect(store.readAll({ json: 'instead', limit: 3 })))[0]?.events ?? [];
    assert.ok(first?.json !== undefined && first.data === undefined);
    assert.deepEqual([second?.json, second?.data], [undefined, { value: 7 }]);
    const named = { code: 'damaged', message: /the data of the event 4, build-3@0, cannot be read/ };
    await assert.rejects(collect(store.readAll({ json: 'instead' })), named);
    await assert.rejects(collect(store.readAll()), named, 'as without texts');
  });
  it('a file where the folder should be', async () => {
    const file = join(newFolder(), 'file');
    writeFileSync(file, '');
    await assert.rejects(openSqliteEventStore({ dir: file }), { code: 'unavailable' });
  });
  it('a folder that may not be written to', async (t) => {
    const dir = newFolder();
    await filled(dir);
    if (!mount(t, dir, ['--bind', dir])) return;
    execFileSync('mount', ['-o', 'remount,ro,bind', dir]);
    await assert.rejects(openSqliteEventStore({ dir }), { code: 'read-only', message: /written to/ });
    await assert.rejects(openSqliteEventStore({ dir: join(dir, 'new') }), { code: 'read-only' });
    await using reader = await openSqliteEventStore({ dir, readOnly: true });
    assert.equal(await count(reader), 10);
  });
  it('a file that may only be read, in a folder that may be written to', async (t) => {
    const dir = newFolder();
    await filled(dir);
    const file = join(dir, 'events.db');
    if (!mount(t, file, ['--bind', file])) return;
    execFileSync('mount', ['-o', 'remount,ro,bind', file]);
    await assert.rejects(openSqliteEventStore({ dir }), { code: 'read-only', message: /written to/ });
    await using reader = await openSqliteEventStore({ dir, readOnly: true });
    assert.equal(await count(reader), 10);
  });
});

describe('sqlite event store: failing', () => {
  it('a full disk fails what is written and all behind it, leaves no hole, and can go on after a restart', async (t) => {
    const dir = newFolder();
    if (!mount(t, dir, ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs'])) return;
    let acknowledged = 0;
    {
      await using store = await openSqliteEventStore({ dir });
      const large = (n: number) => commitOf('build-1', 'any', ['x'.repeat(20_000), n]);
      for (; acknowledged < 10; acknowledged++) stored(await store.append(large(acknowledged)));
      const outcomes = await Promise.allSettled(Array.from({ length: 800 }, (_, n) => store.append(large(n))));
      acknowledged += outcomes.filter(({ status }) => status === 'fulfilled').length;
      const firstFailed = outcomes.findIndex(({ status }) => status === 'rejected');
      assert.ok(firstFailed >= 0, 'the disk was full');
      for (const outcome of outcomes.slice(firstFailed)) {
        assert.equal(outcome.status, 'rejected', 'nothing is stored behind a failed commit');
        assert.equal(outcome.reason.code, 'disk-full');
      }
      await assert.rejects(store.append(commitOf('small-1', 'none')), { code: 'disk-full' });
      await assert.rejects(store.appendBatch([commitOf('small-1', 'none')]), { code: 'disk-full' });
      assert.equal(await count(store), acknowledged * 2, 'what is stored can be read');
    }
    execFileSync('mount', ['-o', 'remount,size=64m', dir]);
    await using store = await openSqliteEventStore({ dir });
    assert.equal(await count(store), acknowledged * 2);
    assert.equal(stored(await store.append(commitOf('build-1', acknowledged * 2 - 1))).revision, acknowledged * 2);
  });
});

describe('sqlite event store: the chain', () => {
  it('goes on from where an earlier version has ended, over what is refused or there already', async () => {
    const dir = newFolder();
    const chain = createChain();
    const old = [chain.link(commitOf('build-1', 'none', ['é', 2]), 0), chain.link(commitOf('build-2', 'none', [1]), 0)];
    {
      await using store = await openSqliteEventStore({ dir });
      for (const result of await store.appendBatch(old)) stored(result);
    }
    await using store = await openSqliteEventStore({ dir });
    const read = readChain();
    for await (const { events } of store.readAll()) for (const event of events) read.add(event);
    const linking = store.link?.(read.end());
    const next = commitOf('build-2', 0, ['é', 3]);
    chain.link(next, 1);
    stored(await store.append(next));
    assert.equal(stored(await store.append(next)).replayed, true);
    assert.equal((await store.append(commitOf('build-2', 'none'))).ok, false);
    const more = Array.from({ length: 3000 }, (_, n) => commitOf(`item-${n}`, 'any'));
    for (const commit of more) chain.link(commit, 0);
    for (const result of await store.appendBatch(more)) stored(result);
    assert.deepEqual(await linking?.state(), chain.state());
    const verifier = createVerifier({ keys: [], held: [{ origin: '', size: chain.size, root: chain.tree.root() }] });
    for await (const { events } of store.readAll({ json: 'beside' })) for (const event of events) verifier.add(event);
    const { commits, fault, linkedFrom } = verifier.end();
    assert.deepEqual([commits, fault, Number(linkedFrom)], [chain.size, undefined, 1]);
  });
  it('has the same tree however late it is made', () => {
    const chain = createChain();
    const linker = createLinker(emptyChain);
    // More than may wait; now and then there is nothing else to do.
    for (let n = 0; n < 20_000; n++) {
      const commit = commitOf(`item-${n}`, 'none');
      chain.link(commit, 0);
      readCommits(flattenCommit(commit, encodeCommit(commit)), (flat) => linker.add(flat, 0));
      if (n < 2500 && n % 500 === 0) while (linker.rest());
    }
    assert.deepEqual(linker.state(), chain.state());
  });
});

describe('sqlite event store: other threads', () => {
  it('what goes to the writer comes out as it was, in the same order, however long it is', () => {
    const small = ['a', 'é', '€', '\u{1f4e6}', ''];
    const long = ['x'.repeat(90_000), 'é'.repeat(30_000), '\u{1f4e6}'.repeat(70_000)];
    const texts = [
      ...small,
      ...long,
      ...Array.from({ length: 3000 }, (_, n) => `${n}${small[n % 5]}`.repeat(60)),
      ...long,
    ];
    const sent: string[] = [];
    const parcels = createParcels((parcel) => sent.push(openParcel(structuredClone(parcel, { transfer: [parcel] }))));
    for (const text of texts) parcels.add(text);
    parcels.send();
    assert.equal(parcels.waiting, 0);
    assert.ok(sent.length < 60, `${sent.length} parcels`);
    assert.ok(sent.join('') === texts.join(''));
  });
  it('a reader in another thread hears of new events without asking', async () => {
    const dir = newFolder();
    await using store = await openSqliteEventStore({ dir });
    stored(await store.append(commitOf('build-1', 'none', [0])));
    const code = `import { openSqliteEventStore } from ${JSON.stringify(new URL('../../../adapters/event-store/sqlite/store.ts', import.meta.url).href)};
      import { parentPort, workerData } from 'node:worker_threads';
      const store = await openSqliteEventStore({ dir: workerData, readOnly: true });
      const stop = new AbortController();
      let seen = 0;
      for await (const { events, live } of store.subscribe({ signal: stop.signal })) {
        seen += events.length;
        parentPort.postMessage({ seen, live });
        if (seen === 4) stop.abort();
      }
      await store[Symbol.asyncDispose]();`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: dir });
    const exited = once(worker, 'exit');
    assert.deepEqual(await once(worker, 'message'), [{ seen: 1, live: true }]);
    for (let n = 1; n < 4; n++) {
      const heard = once(worker, 'message');
      stored(await store.append(commitOf('build-1', n - 1, [n])));
      assert.deepEqual(await heard, [{ seen: n + 1, live: true }]);
    }
    await exited;
  });
  it('a reader hears of a writer that came after it, and goes on through one that was opened again', async () => {
    const [made, dir] = [newFolder(), newFolder()];
    await filled(made, 1);
    // Of the log in this folder nobody in this process has heard.
    cpSync(join(made, 'events.db'), join(dir, 'events.db'));
    await using reader = await openSqliteEventStore({ dir, readOnly: true });
    const stop = new AbortController();
    const batches = reader.subscribe({ signal: stop.signal })[Symbol.asyncIterator]();
    const next = async () => (await batches.next()).value.checkpoint;
    assert.equal(await next(), '0000000000000001');
    for (let n = 2; n < 5; n++) {
      await using store = await openSqliteEventStore({ dir });
      const heard = next();
      assert.equal(stored(await store.append(commitOf('build-1', 'any'))).position, await heard);
    }
    stop.abort();
    assert.ok((await batches.next()).done);
  });
  it('a reader whose file was replaced beneath it is told once the other one grows', async () => {
    const dir = newFolder();
    await filled(dir, 1);
    await using reader = await openSqliteEventStore({ dir, readOnly: true });
    const batches = reader.subscribe({ signal: new AbortController().signal })[Symbol.asyncIterator]();
    assert.equal((await batches.next()).value.checkpoint, '0000000000000001');
    const told = assert.rejects(batches.next(), {
      code: 'unavailable',
      message: /another log in the place of the one/,
    });
    replaceLog(dir);
    await using store = await openSqliteEventStore({ dir });
    stored(await store.append(commitOf('build-1', 'any')));
    await told;
  });
});
