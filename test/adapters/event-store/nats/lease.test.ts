import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as elapse } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from 'nats';
import { openNatsEventStore } from '../../../../adapters/event-store/nats/store.ts';
import type { EventStore } from '../../../../coordinator/ports/event-store.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { type NatsServer, natsServerVersions, startNatsServer } from '../../../support/nats-server.ts';

/** Seconds of a lease that is waited out: a renewal comes at a third of it, which has to be in time on a machine that is slow and busy. */
const short = 2;
const script = fileURLToPath(new URL('./writer-process.ts', import.meta.url));

async function commitsIn(store: EventStore): Promise<string[]> {
  return (await collect(store.readAll())).flatMap(({ events }) => events.map(({ commit }) => commit));
}

for (const { name, skip, program, whole } of natsServerVersions)
  describe(`the lease of NATS: ${name}`, { skip }, () => {
    let server: NatsServer;
    let logs = 0;
    before(async () => {
      server = await startNatsServer('', program);
    });
    const writers: ChildProcess[] = [];
    after(async () => {
      // What a failed test has left would append for ever.
      for (const writer of writers) writer.kill('SIGKILL');
      await server[Symbol.asyncDispose]();
    });

    /** What this code does of itself, whatever the server. */
    const itWhole: typeof it | (() => void) = whole ? it : () => {};
    const address = () => `127.0.0.1:${server.port}`;
    const open = (stream: string, holder: string, leaseSeconds: number) =>
      openNatsEventStore({ servers: [address()], stream, writer: { holder, leaseSeconds } });

    /** A writer in its own process that has begun to append; `lines` gets what it prints. */
    async function startWriter(stream: string, lease: number): Promise<{ child: ChildProcess; lines: string[] }> {
      const child = spawn(process.execPath, [script, address(), stream, String(lease)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      writers.push(child);
      const lines: string[] = [];
      const begun = Promise.withResolvers<void>();
      createInterface(child.stdout).on('line', (line) => {
        lines.push(line);
        if (lines.length > 10) begun.resolve();
      });
      child.on('exit', () => begun.reject(new Error(`the writer has ended: ${lines.at(-1)}`)));
      await begun.promise;
      return { child, lines };
    }

    it('a second writer is refused and told who writes', async () => {
      const stream = `LEASE_${logs++}`;
      await using first = await open(stream, 'drover on build-host', short);
      await assert.rejects(open(stream, 'the second', short), (error: Error & { code: string }) => {
        assert.equal(error.code, 'in-use');
        assert.match(error.message, new RegExp(`by drover on build-host \\(process ${process.pid} on .+, since 20`));
        return true;
      });
      stored(await first.append(commitOf('build-1', 'none')));
      await using looking = await openNatsEventStore({ servers: [address()], stream, writer: 'none' });
      assert.equal(await looking.head(), await first.head());
      await assert.rejects(looking.append(commitOf('build-1', 'any')), { code: 'read-only' });
    });

    it('a writer that ends makes room at once', async () => {
      const stream = `LEASE_${logs++}`;
      const began = performance.now();
      for (let n = 0; n < 5; n++) {
        await using store = await open(stream, `writer ${n}`, 300);
        stored(await store.append(commitOf('build-1', n === 0 ? 'none' : n - 1)));
      }
      assert.ok(performance.now() - began < 300_000, 'without waiting for the lease of 300 s to end');
    });

    it('after a writer was killed another starts within the time of the lease', async () => {
      const stream = `LEASE_${logs++}`;
      const { child, lines } = await startWriter(stream, short);
      const exited = once(child, 'close');
      child.kill('SIGKILL');
      await exited;
      await using store = await open(stream, 'the next', short);
      const commits = new Set(await commitsIn(store));
      for (const line of lines.slice(1)) assert.ok(commits.has(line), `${line} was acknowledged`);
      stored(await store.append(commitOf('build-1', 'none')));
    });

    it('one with a shorter lease waits for that of the one before, and keeps its own from then on', async () => {
      const stream = `LEASE_${logs++}`;
      const { child, lines } = await startWriter(stream, 2 * short);
      await assert.rejects(open(stream, 'too early', short), { code: 'in-use' });
      const exited = once(child, 'close');
      child.kill('SIGKILL');
      await exited;
      const store = await open(stream, 'the next', short);
      const commits = new Set(await commitsIn(store));
      for (const line of lines.slice(1)) assert.ok(commits.has(line), `${line} was acknowledged`);
      stored(await store.append(commitOf('build-1', 'none')));
      await using _ = store;
      // A longer one is refused by a shorter lease that is renewed, and takes over once it is not.
      await assert.rejects(open(stream, 'meanwhile', 2 * short), { code: 'in-use' });
      stored(await store.append(commitOf('build-1', 0)));
      await store[Symbol.asyncDispose]();
      await using longer = await open(stream, 'with a longer one', 2 * short);
      stored(await longer.append(commitOf('build-1', 1)));
      const nc = await connect({ servers: address() });
      const { config } = await (await nc.jetstreamManager()).streams.info(`KV_drover-lease-${stream}`);
      await nc.close();
      assert.equal(config.max_age, 2 * short * 1e9, 'entries live as long as the lease of who holds it');
    });

    it('a writer that was stopped past its lease wakes up, writes nothing and ends', async () => {
      const stream = `LEASE_${logs++}`;
      const { child, lines } = await startWriter(stream, short);
      const exited = once(child, 'close');
      child.kill('SIGSTOP');
      await using store = await open(stream, 'the next', short);
      const mark = stored(await store.append(commitOf('build-1', 'none', ['after the change'])));
      child.kill('SIGCONT');
      await exited;
      assert.equal(lines.at(-1), 'lease-lost');
      const events = (await collect(store.readAll())).flatMap((batch) => batch.events);
      assert.equal(events.at(-1)?.position, mark.position, 'nothing came behind it');
      for (const line of lines.slice(1, -1))
        assert.ok(
          events.some(({ commit }) => commit === line),
          `${line} was acknowledged`,
        );
      stored(await store.append(commitOf('build-1', 0)));
    });

    itWhole('so does one that nobody has replaced: it cannot know what it has missed', async () => {
      const { child, lines } = await startWriter(`LEASE_${logs++}`, short);
      const exited = once(child, 'close');
      child.kill('SIGSTOP');
      // The time itself is what is tested.
      await elapse(short * 1000 + 200);
      child.kill('SIGCONT');
      await exited;
      assert.equal(lines.at(-1), 'lease-lost');
    });

    itWhole('so does one that stood still while it waited for the answer to a renewal', async () => {
      await using store = await open(`LEASE_${logs++}`, 'the only one', short);
      stored(await store.append(commitOf('build-1', 'none')));
      server.signal('SIGSTOP');
      try {
        // The next renewal is under way, and is not given up yet.
        await elapse(short * 500);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, short * 1000 + 200);
      } finally {
        server.signal('SIGCONT');
      }
      await assert.rejects(store.append(commitOf('build-1', 0)), { code: 'lease-lost' });
    });

    it('a server that is away for longer than the lease deposes nobody', async () => {
      const stream = `LEASE_${logs++}`;
      await using store = await open(stream, 'the only one', short);
      stored(await store.append(commitOf('build-1', 'none', [1])));
      await server.kill();
      const waiting = store.append(commitOf('build-1', 0, [2]));
      waiting.catch(() => {});
      let obstacle: string | undefined;
      try {
        // The time itself is what is tested: the lease must have ended before the server is back.
        await elapse(short * 1000 + 200);
        ({ obstacle } = store);
      } finally {
        // The others need it too, whatever became of this one.
        await server.restart();
      }
      assert.match(obstacle ?? '', /connection to NATS .* is lost since/);
      stored(await waiting);
      assert.equal(store.obstacle, undefined);
      stored(await store.append(commitOf('build-1', 1, [3])));
      assert.equal((await commitsIn(store)).length, 3);
    });

    it('whoever finds a message of another in the log writes nothing more', async () => {
      const stream = `LEASE_${logs++}`;
      await using store = await open(stream, 'the first', 10);
      stored(await store.append(commitOf('build-1', 'none')));
      const nc = await connect({ servers: address() });
      await nc.jetstream().publish(`drover.${stream}.build.1`, 'by somebody else');
      await nc.close();
      const later = [store.append(commitOf('build-1', 0)), store.append(commitOf('build-2', 'none'))];
      for (const { status, reason } of (await Promise.allSettled(later)) as PromiseRejectedResult[])
        assert.deepEqual([status, reason.code], ['rejected', 'lease-lost']);
      await assert.rejects(store.append(commitOf('build-3', 'none')), { code: 'lease-lost' });
      assert.match(store.obstacle ?? '', /something that is no Drover/);
      await store[Symbol.asyncDispose]();
      await using again = await open(stream, 'the second', 10);
      stored(await again.append(commitOf('build-1', 0)));
      assert.equal((await collect(again.read('build-1'))).length, 2);
      assert.equal((await collect(again.read('build-1', { backward: true }))).length, 2);
      assert.equal((await commitsIn(again)).length, 2);
    });

    itWhole(
      'when another gets in between, what is stored of many commits under way is an unbroken beginning of them',
      async () => {
        const nc = await connect({ servers: address() });
        await using _ = { [Symbol.asyncDispose]: () => nc.close() };
        let broken = 0;
        for (let round = 0; round < 8; round++) {
          const stream = `LEASE_${logs++}`;
          await using store = await open(stream, 'the first', 10);
          await using reader = await openNatsEventStore({ servers: [address()], stream, writer: 'none' });
          const ids: string[] = [];
          const answers: Promise<unknown>[] = [];
          for (let n = 0; n < 200; n++) {
            const commit = commitOf(`build-${n}`, 'none', [n]);
            ids.push(commit.id);
            const answer = store.append(commit);
            answer.catch(() => {});
            answers.push(answer);
            // The connections take turns differently each time.
            if (n === round * 7) nc.publish(`drover.${stream}._writer`, 'another');
            if (n % (round + 1) === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          const settled = await Promise.allSettled(answers);
          const failedAt = settled.findIndex(({ status }) => status === 'rejected');
          const found = await commitsIn(reader);
          assert.deepEqual(found, ids.slice(0, found.length));
          if (failedAt >= 0) {
            broken++;
            assert.ok(failedAt <= found.length, 'what was answered is stored');
            assert.ok(settled.slice(failedAt).every(({ status }) => status === 'rejected'));
          }
        }
        assert.ok(broken > 0, 'the other got in between at least once');
      },
    );
  });
