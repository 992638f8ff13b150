import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as z from 'zod';
import { createEventCodec, decodeEvent, encodeEvent } from '../../../coordinator/log/event-codec.ts';
import type { StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { defineEvent, type EventType } from '../../../domain/event.ts';

function storedOf(type: string, version: number, data: unknown): StoredEvent {
  return {
    type,
    version,
    data,
    stream: 'build-1',
    revision: 4,
    position: '0000000000000009',
    commit: 'c',
    at: 1,
    meta: { actor: 'a' },
  };
}

describe('event codec', () => {
  it('what is encoded decodes to the same, with its envelope', () => {
    const event = encodeEvent({ type: 'BuildAllocated', data: { attempt: 1, agent: 'agent-1' } });
    assert.deepEqual(event, { type: 'BuildAllocated', version: 1, data: { attempt: 1, agent: 'agent-1' } });
    const stored = storedOf(event.type, event.version, event.data);
    assert.deepEqual(decodeEvent(stored), { ...stored, known: true });
  });
  it('refuses to encode what the schema refuses, naming the field', () => {
    assert.throws(
      () => encodeEvent({ type: 'BuildAllocated', data: { attempt: 0, agent: 'agent-1' } }),
      /BuildAllocated v1: attempt: /,
    );
    assert.throws(() => encodeEvent({ type: 'BuildAllocated', data: { attempt: 1 } }), /agent: /);
    assert.throws(() => encodeEvent({ type: 'NoSuchEvent', data: {} }), TypeError);
  });

  const Counted = defineEvent('Counted', 'test', z.object({ amount: z.int(), unit: z.string() }), [
    (data) => ({ amount: Number((data as { n: string }).n) }),
    (data) => ({ ...(data as object), unit: 'piece' }),
  ]);
  const codec = createEventCodec(new Map<string, EventType>([['Counted', Counted]]));
  it('brings every old version to the newest, step by step', () => {
    const newest = { amount: 7, unit: 'piece' };
    for (const [version, data] of [
      [1, { n: '7' }],
      [2, { amount: 7 }],
      [3, newest],
    ] as const) {
      assert.deepEqual(codec.decode(storedOf('Counted', version, data)), {
        ...storedOf('Counted', 3, newest),
        known: true,
      });
    }
  });
  it('leaves alone what it does not know', () => {
    const cases: [string, number, unknown, RegExp][] = [
      ['Other', 1, { a: 1 }, /unknown type Other/],
      ['Counted', 4, { amount: 7, unit: 'piece', more: 1 }, /version 4 of Counted, expected 1 to 3/],
      ['Counted', 0, {}, /version 0/],
      ['Counted', 1, null, /upcasting Counted v1 failed/],
      ['Counted', 1, { n: 'seven' }, /data of Counted v1: amount/],
      ['Counted', 3, 'text', /data of Counted v3/],
    ];
    for (const [type, version, data, problem] of cases) {
      const stored = storedOf(type, version, data);
      const decoded = codec.decode(stored);
      assert.ok(!decoded.known);
      assert.match(decoded.problem, problem);
      assert.deepEqual(decoded, { ...stored, known: false, problem: decoded.problem });
    }
  });
  it('never throws, whatever is stored', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('Counted', 'Other'),
        fc.integer({ min: -1, max: 5 }),
        fc.jsonValue(),
        (type, version, data) => {
          const stored = storedOf(type, version, data);
          const decoded = codec.decode(stored);
          assert.equal(decoded.position, stored.position);
        },
      ),
    );
  });
});
