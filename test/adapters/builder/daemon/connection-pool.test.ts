import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Connection } from '../../../../adapters/builder/daemon/connection.ts';
import { createConnectionPool } from '../../../../adapters/builder/daemon/connection-pool.ts';

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
    const pool = createConnectionPool(() => connections.shift() as Promise<Connection>, 2, 1);
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
