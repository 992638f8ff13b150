import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  checkLogMark,
  createLogMarks,
  forgetLogMarks,
  markFile,
  readLogMarks,
} from '../../../adapters/data-dir/log-mark.ts';
import { openEventStoreDbEventStore } from '../../../adapters/event-store/eventstoredb/store.ts';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { openNatsEventStore } from '../../../adapters/event-store/nats/store.ts';
import { copyLog } from '../../../coordinator/log/log-copy.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { LogMark } from '../../../coordinator/ports/log-mark.ts';
import { commitOf, stored } from '../../contract/commits.ts';
import { startEventStoreDouble } from '../../support/eventstoredb-server/server.ts';
import { noNatsServer, startNatsServer } from '../../support/nats-server.ts';

/** A log of some commits, and the marks after each of its events. */
async function someLog(commits: number) {
  const store = openMemoryEventStore();
  const marks: LogMark[] = [];
  for (let n = 0; n < commits; n++) stored(await store.append(commitOf(`build-${n % 2}`, 'any', [n, n])));
  for await (const { events } of store.readAll())
    for (const { stream, revision, commit, position } of events) marks.push({ stream, revision, commit, position });
  return { store, marks };
}

/** The first events of a log, as after the loss of its end. */
async function cut(store: EventStore, events: number): Promise<EventStore> {
  const shorter = openMemoryEventStore();
  for await (const batch of store.readAll({ limit: events }))
    for (const { stream, commit, type, version, data, meta, at, revision } of batch.events)
      await shorter.append({
        id: `${commit}.${revision}`,
        stream,
        expected: 'any',
        events: [{ type, version, data }],
        meta,
        at,
      });
  return shorter;
}

async function findsItsEnd(target: EventStore): Promise<void> {
  const { store, marks } = await someLog(6);
  await copyLog(store, target);
  for (const mark of marks) await checkLogMark(target, mark, '/data');
  stored(await store.append(commitOf('build-0', 'any', ['lost'])));
  let last: LogMark | undefined;
  for await (const { stream, revision, commit, position } of store.read('build-0'))
    last = { stream, revision, commit, position };
  const head = await target.head();
  await assert.rejects(checkLogMark(target, last as LogMark, '/data'), {
    code: 'log-behind',
    message: new RegExp(
      `ends at ${head}, .* go on to ${last?.position} \\(build-0@6\\).*drover log accept --data /data`,
    ),
  });
}

describe('a mark of the end of a log', () => {
  it('is in the log and in every copy of it, and in none that is shorter', async () => {
    const { store, marks } = await someLog(4);
    for (let events = 0; events < marks.length; events += 2) {
      const shorter = await cut(store, events);
      for (const mark of marks) await checkLogMark(store, mark, '/data');
      await assert.rejects(checkLogMark(shorter, marks.at(-1) as LogMark, '/data'), { code: 'log-behind' });
    }
  });
  it('is not in a log that went on otherwise', async () => {
    const { store, marks } = await someLog(4);
    const other = await cut(store, 4);
    for (const n of [2, 3]) stored(await other.append(commitOf(`build-${n % 2}`, 'any', [n, n])));
    const message =
      /^the log has a build-1@3 of the commit \S+, and what is beside it has seen one of \S+: .*writer\.head.*'drover log accept --data \/data/;
    await assert.rejects(checkLogMark(other, marks.at(-1) as LogMark, '/data'), { code: 'log-behind', message });
  });
  it('is found on EventStoreDB, whose positions are others', async () => {
    await using server = await startEventStoreDouble();
    await using target = await openEventStoreDbEventStore({ connectionString: server.url, writer: { holder: 'test' } });
    await findsItsEnd(target);
  });
  it('is found on NATS, whose positions are others', { skip: noNatsServer }, async () => {
    await using server = await startNatsServer();
    const options = { servers: [`127.0.0.1:${server.port}`], stream: 'MARKS', writer: { holder: 'test' } } as const;
    await using target = await openNatsEventStore(options);
    await findsItsEnd(target);
  });
});

describe('the file of the mark', () => {
  function folder(context: TestContext): string {
    const path = mkdtempSync(join(tmpdir(), 'drover-mark-'));
    context.after(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }
  const mark = (revision: number): LogMark => ({ stream: 'build-1', revision, commit: 'c', position: `${revision}` });
  const fail = (error: unknown) => assert.fail(String(error));

  it('has the last of what was told, in each folder, and is known before it is written', async (context) => {
    const folders = [folder(context), folder(context)];
    {
      await using marks = createLogMarks({ folders, onError: fail, pauseMs: 1e9 });
      for (let n = 0; n < 5; n++) marks.advance(mark(n));
      assert.deepEqual(await marks.read(), [mark(4)]);
    }
    await using next = createLogMarks({ folders, onError: fail });
    assert.deepEqual(await next.read(), [mark(4), mark(4)]);
    assert.deepEqual(await readLogMarks(folders), [mark(4), mark(4)]);
    await forgetLogMarks(folders);
    assert.deepEqual(await next.read(), []);
  });
  it('that cannot be read is as good as none', async (context) => {
    const folders = [folder(context)];
    await using marks = createLogMarks({ folders, onError: fail });
    for (const text of ['', '{', '{"stream":1}', 'null']) {
      writeFileSync(join(folders[0] as string, markFile), text);
      assert.deepEqual(await marks.read(), []);
    }
  });
  it('that cannot be written is told, and stops nothing', async (context) => {
    const told = Promise.withResolvers<unknown>();
    await using marks = createLogMarks({
      folders: [join(folder(context), 'not-there')],
      onError: told.resolve,
      pauseMs: 0,
    });
    marks.advance(mark(1));
    assert.match(String(await told.promise), /ENOENT/);
  });
});
