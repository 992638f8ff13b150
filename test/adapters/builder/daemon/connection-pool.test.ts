import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import type { Connection } from '../../../../adapters/builder/daemon/connection.ts';
import { createConnectionPool, type PoolLimits } from '../../../../adapters/builder/daemon/connection-pool.ts';

/** A connection that is closed once `end` resolves. */
function connectionThatCloses(end: Promise<void>): Connection & { readonly isClosed: () => boolean } {
  let isClosed = false;
  const close = async (): Promise<void> => {
    await end;
    isClosed = true;
  };
  return { usable: true, close, isClosed: () => isClosed } as unknown as ReturnType<typeof connectionThatCloses>;
}

describe('a pool of connections that ends', () => {
  it('waits for those that are closed already, and for one that is being opened', async () => {
    const end = Promise.withResolvers<void>();
    const used = connectionThatCloses(end.promise);
    const late = connectionThatCloses(Promise.resolve());
    const opening = Promise.withResolvers<Connection>();
    const connections = [Promise.resolve(used), opening.promise];
    const pool = createConnectionPool(() => connections.shift() as Promise<Connection>, {
      size: 2,
      maxUses: 1,
    });
    // Used as often as it may be: its daemon is ended, and nobody waits for that.
    const using = pool.use(async () => undefined);
    const other = pool.take();
    let isOver = false;
    await new Promise((resolve) => setImmediate(resolve));
    const ended = pool[Symbol.asyncDispose]().then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isOver, false);
    end.resolve();
    opening.resolve(late);
    await assert.rejects(other, /the builder was closed/);
    await Promise.all([ended, using]);
    assert.deepEqual([used.isClosed(), late.isClosed()], [true, true]);
  });
});

describe('what a pool gives to the next caller', () => {
  function counted(limits: Omit<PoolLimits, 'size'> = {}) {
    const made: ReturnType<typeof connectionThatCloses>[] = [];
    const open = async () => {
      const connection = connectionThatCloses(Promise.resolve());
      made.push(connection);
      return connection;
    };
    return { made, pool: createConnectionPool<Connection>(open, { size: Number.POSITIVE_INFINITY, ...limits }) };
  }

  it('is what the last one left, unless it was spoilt', async () => {
    const { made, pool } = counted();
    await using _pool = pool;
    const first = await pool.take();
    await first[Symbol.asyncDispose]();
    const second = await pool.take();
    assert.deepEqual([first.isNew, second.isNew, made.length], [true, false, 1]);
    second.spoil();
    await second[Symbol.asyncDispose]();
    assert.equal(made[0]?.isClosed(), true);
    assert.equal((await pool.take()).isNew, true);
  });

  it('is nothing that was in use when the pool was renewed', async () => {
    const { made, pool } = counted();
    await using _pool = pool;
    const used = await pool.take();
    await pool.renew();
    assert.equal(made[0]?.isClosed(), false);
    await used[Symbol.asyncDispose]();
    assert.equal(made[0]?.isClosed(), true);
  });

  it('is nothing that is too old, or that was idle for too long', async () => {
    const old = counted({ maxAgeMs: 0 });
    await old.pool.use(async () => undefined);
    assert.equal(old.made[0]?.isClosed(), true);
    mock.timers.enable({ apis: ['setTimeout'] });
    const { made, pool } = counted({ maxIdleMs: 1000 });
    try {
      await pool.use(async () => undefined);
      // Taken before its time was up, and idle anew from when it is given back.
      mock.timers.tick(999);
      const lease = await pool.take();
      mock.timers.tick(5000);
      assert.deepEqual([lease.isNew, made[0]?.isClosed()], [false, false]);
      await lease[Symbol.asyncDispose]();
      mock.timers.tick(1000);
      assert.equal((await pool.take()).isNew, true);
      assert.equal(made[0]?.isClosed(), true);
    } finally {
      mock.timers.reset();
      await pool[Symbol.asyncDispose]();
      await old.pool[Symbol.asyncDispose]();
    }
  });
});
