import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openEventStoreDbEventStore } from '../../../../adapters/event-store/eventstoredb/store.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { startEventStoreDouble } from '../../../support/eventstoredb-server/server.ts';

const file = fileURLToPath(new URL('../../../support/eventstoredb-server/lease-holder.ts', import.meta.url));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A writer in a process of its own that holds the lease. */
async function holdLease(url: string, holder: string, seconds: number) {
  const child = fork(file, [url, holder, String(seconds)]);
  children.push(child);
  const answer = async () => (await once(child, 'message'))[0] as string;
  assert.equal(await answer(), 'open');
  return {
    child,
    append(stream: string) {
      const result = answer();
      child.send(stream);
      return result;
    },
  };
}
const open = (connectionString: string, holder: string, leaseSeconds: number) =>
  openEventStoreDbEventStore({ connectionString, writer: { holder, leaseSeconds } });

describe('the lease for the one writer', () => {
  it('a second writer is refused by the name of the first, which goes on', async () => {
    await using server = await startEventStoreDouble();
    const first = await holdLease(server.url, 'host-a:1', 3);
    await assert.rejects(open(server.url, 'host-b:2', 2), (error: Error & { code: string }) => {
      assert.equal(error.code, 'in-use');
      assert.match(error.message, /host-a:1.*Stop that one first/);
      return true;
    });
    assert.equal(await first.append('build-1'), 'stored');
    const reader = await openEventStoreDbEventStore({ connectionString: server.url, writer: false });
    assert.equal((await collect(reader.read('build-1'))).length, 1);
    await assert.rejects(reader.append(commitOf('build-1', 'any')), { code: 'read-only' });
    await reader[Symbol.asyncDispose]();
  });

  it('after the holder was killed another one starts within the time of the lease, with a higher fencing token', async () => {
    await using server = await startEventStoreDouble();
    const leaseSeconds = 2;
    const first = await holdLease(server.url, 'killed', leaseSeconds);
    assert.equal(await first.append('build-1'), 'stored');
    const exit = once(first.child, 'exit');
    first.child.kill('SIGKILL');
    await exit;
    const opening = async (url: string) => {
      const began = performance.now();
      return { store: await open(url, 'next', leaseSeconds), took: performance.now() - began };
    };
    const { store: second, took } = await opening(server.url);
    // What it takes where nobody has it, on this machine as it is now.
    await using free = await startEventStoreDouble();
    const { store: alone, took: atOnce } = await opening(free.url);
    await alone[Symbol.asyncDispose]();
    assert.ok(took < leaseSeconds * 1000 + 1000 + 10 * atOnce, `took ${took} ms, and ${atOnce} ms where nobody has it`);
    stored(await second.append(commitOf('build-1', 0)));
    await second[Symbol.asyncDispose]();
    const fences = server.log
      .stream('build-1')
      .map(({ metadata }) => JSON.parse(Buffer.from(metadata, 'base64').toString()).fence as number);
    assert.ok((fences[0] as number) < (fences[1] as number), String(fences));
  });

  it('one with a shorter lease waits for that of the one before', async () => {
    await using server = await startEventStoreDouble();
    const first = await holdLease(server.url, 'killed', 2);
    assert.equal(await first.append('build-1'), 'stored');
    await assert.rejects(open(server.url, 'too early', 0.5), { code: 'in-use' });
    const exit = once(first.child, 'exit');
    first.child.kill('SIGKILL');
    await exit;
    await using second = await open(server.url, 'next', 0.5);
    stored(await second.append(commitOf('build-1', 0)));
  });

  it('one that was stopped past its lease and wakes up stops, without having written', async () => {
    await using server = await startEventStoreDouble();
    const first = await holdLease(server.url, 'sleeper', 2);
    assert.equal(await first.append('build-1'), 'stored');
    first.child.kill('SIGSTOP');
    const second = await open(server.url, 'next', 2);
    stored(await second.append(commitOf('build-2', 'none')));
    // To a stream that nobody else has touched: its expected revision would not have stopped it.
    const answer = first.append('build-1');
    first.child.kill('SIGCONT');
    assert.equal(await answer, 'lease-lost');
    assert.equal(await first.append('build-3'), 'lease-lost');
    assert.equal(server.log.stream('build-1').length, 1);
    assert.equal(server.log.stream('build-3').length, 0);
    stored(await second.append(commitOf('build-2', 0)));
    await second[Symbol.asyncDispose]();
  });

  it('a closed store gives it back at once', async () => {
    await using server = await startEventStoreDouble();
    for (let n = 0; n < 3; n++) await (await open(server.url, `writer ${n}`, 3600))[Symbol.asyncDispose]();
    assert.deepEqual(
      server.log.stream('drover.lease').map(({ type }) => type.replace('DroverWriterLease', '')),
      ['Taken', 'Released', 'Taken', 'Released', 'Taken', 'Released'],
    );
  });

  it('is renewed while nothing is appended', async () => {
    await using server = await startEventStoreDouble();
    const renewed = Promise.withResolvers<void>();
    server.log.onAppend(() => {
      if (server.log.stream('drover.lease').filter(({ type }) => type.endsWith('Renewed')).length >= 2)
        renewed.resolve();
    });
    await using _store = await open(server.url, 'idle', 2);
    await renewed.promise;
  });

  it('a renewal whose answer was lost counts from when it was first asked for', async () => {
    await using server = await startEventStoreDouble();
    const writer = { holder: 'test', leaseSeconds: 2 };
    await using store = await openEventStoreDbEventStore({ connectionString: server.url, writer, callSeconds: 1.8 });
    server.onLease('swallow');
    const renewals = () => server.log.records.filter(({ type }) => type.endsWith('Renewed')).length;
    const renewed = Promise.withResolvers<void>();
    server.log.onAppend(() => renewals() > 0 && renewed.resolve());
    await renewed.promise;
    server.onLease('answer');
    // Another may have seen that renewal at once. Found again after 1.8 s it is too old for an append (1.6 s).
    const appending = store.append(commitOf('build-1', 'none'));
    let before = 0;
    server.log.onAppend(() => {
      if (before === 0 && server.log.stream('build-1').length > 0) before = renewals();
    });
    stored(await appending);
    assert.ok(before >= 2, `${before} renewals before the append`);
  });

  it('every append tells the server not to store it after the end of the lease', async () => {
    await using server = await startEventStoreDouble();
    const first = await holdLease(server.url, 'slow', 3);
    assert.equal(await first.append('build-1'), 'stored');
    assert.equal(server.deadlines.length, 1);
    // The holder stops a fifth early.
    for (const { arrived, deadline } of server.deadlines)
      assert.ok(deadline - arrived <= 2400, `${deadline - arrived} ms left`);
  });
});
