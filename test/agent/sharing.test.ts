import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createSharedWork } from '../../agent/inputs/shared-work.ts';
import { createLimiter } from '../../agent/limiter.ts';

const never = () => new AbortController().signal;

describe('shared work', () => {
  test('is done once for all who wait, and anew for who comes later', async () => {
    const shared = createSharedWork();
    let runs = 0;
    const gate = Promise.withResolvers<void>();
    const work = () => {
      runs++;
      return gate.promise;
    };
    const both = [shared.run('a', never(), work), shared.run('a', never(), work)];
    gate.resolve();
    await Promise.all(both);
    assert.equal(runs, 1);
    await shared.run('a', never(), work);
    assert.equal(runs, 2);
  });

  test('goes on while one still waits, and is stopped when the last one leaves', async () => {
    const shared = createSharedWork();
    let stopped = false;
    const work = (signal: AbortSignal) =>
      new Promise<void>((_, reject) => {
        signal.addEventListener('abort', () => {
          stopped = true;
          reject(signal.reason);
        });
      });
    const [one, two] = [new AbortController(), new AbortController()];
    const first = shared.run('a', one.signal, work);
    const second = shared.run('a', two.signal, work);
    one.abort(new Error('one left'));
    await assert.rejects(first, /one left/);
    assert.equal(stopped, false);
    two.abort(new Error('two left'));
    await assert.rejects(second, /two left/);
    assert.equal(stopped, true);
  });

  test('fails for all', async () => {
    const shared = createSharedWork();
    const work = () => Promise.reject(new Error('no'));
    const both = [shared.run('a', never(), work), shared.run('a', never(), work)];
    for (const one of both) await assert.rejects(one, /no/);
  });
});

describe('a limiter', () => {
  test('lets so many in, the others in order, and forgets who left', async () => {
    const limiter = createLimiter(2);
    const gates = ['a', 'b', 'c', 'd'].map((name) => ({ name, ...Promise.withResolvers<void>() }));
    const order: string[] = [];
    const leave = new AbortController();
    const runs = gates.map(({ name, promise }) =>
      limiter.run(name === 'c' ? leave.signal : never(), () => {
        order.push(name);
        return promise;
      }),
    );
    await Promise.resolve();
    assert.deepEqual(order, ['a', 'b']);
    leave.abort(new Error('left'));
    await assert.rejects(runs[2] as Promise<void>, /left/);
    gates[0]?.resolve();
    await runs[0];
    gates[3]?.resolve();
    await runs[3];
    assert.deepEqual(order, ['a', 'b', 'd']);
    gates[1]?.resolve();
    await runs[1];
  });
});
