import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createInbox } from '../../../adapters/agent-link/inbox.ts';
import { createLanes } from '../../../adapters/agent-link/lanes.ts';
import { createOutbox } from '../../../adapters/agent-link/outbox.ts';

test('an outbox numbers from 1 and keeps what is not acknowledged, in order', () => {
  const outbox = createOutbox<string>();
  assert.deepEqual(
    ['a', 'b', 'c'].map((body) => outbox.push(body).n),
    [1, 2, 3],
  );
  assert.equal(outbox.ack(2), true);
  assert.deepEqual(outbox.pending(), [{ n: 3, body: 'c' }]);
  assert.equal(outbox.ack(1), true, 'an old ack changes nothing');
  assert.equal(outbox.size, 1);
});

test('an ack of a number that was never given out is refused and changes nothing', () => {
  const outbox = createOutbox<string>();
  outbox.push('a');
  assert.equal(outbox.ack(2), false);
  assert.equal(outbox.size, 1);
});

test('an inbox tells new, seen and missing messages apart', () => {
  const inbox = createInbox();
  assert.equal(inbox.take(1), 'new');
  assert.equal(inbox.take(1), 'seen');
  assert.equal(inbox.take(3), 'gap');
  assert.equal(inbox.take(2), 'new');
});

test('only what all before it is done may be acknowledged', () => {
  const inbox = createInbox();
  for (const n of [1, 2, 3]) inbox.take(n);
  assert.equal(inbox.finish(2), false);
  assert.equal(inbox.done, 0);
  assert.equal(inbox.finish(1), true);
  assert.equal(inbox.done, 2);
  inbox.rewind();
  assert.equal(inbox.take(3), 'new', 'what was not finished comes again');
});

test('in whatever order messages are finished, the end is the same and no ack runs ahead', () => {
  const order = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(order, (numbers) => {
      const inbox = createInbox();
      for (let n = 1; n <= 20; n++) inbox.take(n);
      const finished = new Set<number>();
      for (const n of numbers) {
        inbox.finish(n);
        finished.add(n);
        for (let before = 1; before <= inbox.done; before++) assert.ok(finished.has(before));
      }
      assert.equal(inbox.done, 20);
    }),
  );
});

test('lanes keep the order of a key, run keys side by side, and say when they are empty', async () => {
  const lanes = createLanes();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const seen: string[] = [];
  void lanes.run('x', async () => {
    await gates[0].promise;
    seen.push('x1');
  });
  void lanes.run('x', async () => void seen.push('x2'));
  void lanes.run('y', async () => {
    await gates[1].promise;
    seen.push('y1');
  });
  assert.equal(lanes.open, 3);
  gates[1].resolve();
  await gates[1].promise;
  gates[0].resolve();
  await lanes.idle();
  assert.deepEqual(seen, ['y1', 'x1', 'x2']);
  assert.equal(lanes.open, 0);
});
