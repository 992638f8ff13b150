import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { type EventEnvelope, envelopeOf, envelopeText } from '../../../adapters/http/event-envelope.ts';
import { type EventWish, eventText } from '../../../adapters/http/event-stream.ts';
import { createEventTail } from '../../../adapters/http/event-tail.ts';
import { pieceLength } from '../../../adapters/http/pieces.ts';
import { storedLines } from '../../../adapters/http/routes/log.ts';
import type { EventStore, StoredEvent } from '../../../coordinator/ports/event-store.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { harness } from './harness.ts';

const each = 1000;

/** A log of events of a kilobyte, numbered in their data from 0 on. */
async function logOf(count: number) {
  const store = openMemoryEventStore();
  const asked = { subscriptions: 0, readings: 0 };
  let next = 0;
  async function append(more: number): Promise<void> {
    for (let n = 0; n < more; n++, next++) {
      const events = [{ type: 'AgentPaused', version: 1, data: { n: next, reason: 'x'.repeat(each) } }];
      const commit = { stream: 'agent-a', expected: 'any', events, meta: { actor: 'a' }, at: 0 } as const;
      assert.ok((await store.append({ ...commit, id: `c-${next}` })).ok);
    }
  }
  await append(count);
  const eventStore: Pick<EventStore, 'head' | 'read' | 'readAll' | 'subscribe'> = {
    head: () => store.head(),
    read: (stream, options) => store.read(stream, options),
    readAll(options) {
      asked.readings++;
      return store.readAll(options);
    },
    subscribe(options) {
      asked.subscriptions++;
      return store.subscribe(options);
    },
  };
  return { eventStore, append, asked, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** The numbers of the events in what a reader got. */
const numbersIn = (text: string): number[] =>
  [...text.matchAll(/"data":\{"n":(\d+)/g)].map(([, number]) => Number(number));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

function sourceOf(log: Awaited<ReturnType<typeof logOf>>, closing = new AbortController().signal) {
  const runtime = createManualRuntime();
  const source = async () => 'urn:drover:log:c';
  const { timers } = runtime;
  const { eventStore } = log;
  const tail = createEventTail({ eventStore, source, timers });
  return { runtime, from: { eventStore, tail, source, timers, silence: 15_000, closing } };
}
const wish: Omit<EventWish, 'signal'> = {
  selection: { types: [], streams: [] },
  after: undefined,
  live: true,
  format: 'server-sent-events',
  scope: 'read',
};

/** Pulls until so many events have come. */
async function pull(reader: AsyncGenerator<string>, count: number): Promise<string> {
  let text = '';
  while (numbersIn(text).length < count) text += (await reader.next()).value ?? '';
  return text;
}

describe('the feed of events', () => {
  it('reads the log once for all who follow it, each at its own pace, and not at all when nobody does', async () => {
    await using log = await logOf(10);
    const { runtime, from } = sourceOf(log);
    const stop = new AbortController();
    const readers = upTo(50).map(() => eventText({ ...wish, signal: stop.signal }, from));
    const lazy = readers.pop() as AsyncGenerator<string>;
    for (const reader of readers) assert.deepEqual(numbersIn(await pull(reader, 10)), upTo(10));
    const { readings } = log.asked;
    const coming = readers.map((reader) => pull(reader, 5));
    await log.append(5);
    for (const text of await Promise.all(coming)) assert.deepEqual(numbersIn(text), [10, 11, 12, 13, 14]);
    assert.equal(log.asked.subscriptions, 1);
    assert.ok(log.asked.readings - readings <= 2 * readers.length, 'nobody reads the log for each event');
    // More than the tail keeps.
    await log.append(1100);
    assert.deepEqual(numbersIn(await pull(lazy, 1115)), upTo(1115));
    stop.abort();
    for (const reader of [...readers, lazy]) await reader.return(undefined);
    assert.equal(runtime.armed, 0, 'no timer is left');
  });

  it('gives out small pieces, and keeps none of those that a reader does not take', async () => {
    await using log = await logOf(1500);
    const { runtime, from } = sourceOf(log);
    const stop = new AbortController();
    const reader = eventText({ ...wish, signal: stop.signal }, from);
    let text = String((await reader.next()).value) + (await reader.next()).value;
    const { readings } = log.asked;
    runtime.advance(1000);
    while (numbersIn(text).length < 1500) {
      const piece = String((await reader.next()).value);
      assert.ok(piece.length <= pieceLength + 2 * each, `${piece.length}`);
      text += piece;
    }
    assert.deepEqual(numbersIn(text), upTo(1500), 'read again, without a gap or a repeat');
    assert.ok(log.asked.readings >= readings + 2);
    stop.abort();
    await reader.return(undefined);
  });

  it('ends no export that the server cut as if it were whole', async () => {
    await using log = await logOf(1500);
    const closing = new AbortController();
    const { from } = sourceOf(log, closing.signal);
    const reader = eventText({ ...wish, live: false, format: 'lines', signal: closing.signal }, from);
    await reader.next();
    closing.abort();
    await assert.rejects(async () => {
      for await (const _ of reader);
    }, /stopping/);
  });

  it('holds little for a reader that takes nothing, cuts it, and gives it the rest when it comes again', async () => {
    await using log = await logOf(12_000);
    await using server = await harness({ eventStore: log.eventStore, limits: { idle: 500 } });
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    const sockets: Socket[] = [];
    server.app.server.on('connection', (socket: Socket) => sockets.push(socket));
    const open = (more: Record<string, string>) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { authorization: `Bearer ${secretOfScope('read')}`, ...more };
        get(`${url}/v1/events?follow=false`, { headers, agent: false }, resolve).on('error', reject);
      });
    const deaf = (await open({})).pause();
    const [socket] = sockets as [Socket];
    let held = Number.NaN;
    // Before the server hears of it, and destroys it.
    socket.prependListener('timeout', () => {
      held = socket.writableLength;
    });
    await once(socket, 'close');
    assert.ok(socket.bytesWritten < 12_000 * each, 'it was cut before its end');
    assert.ok(held > 0 && held <= 4 * pieceLength, `${held} bytes were held`);
    let first = '';
    await assert.rejects(async () => {
      for await (const part of deaf.setEncoding('utf8')) first += part;
    });
    const whole = first.slice(0, first.lastIndexOf('\n\n'));
    const [, last = ''] = /^id: (.*)$/m.exec(whole.slice(whole.lastIndexOf('\nid: '))) ?? [];
    let rest = '';
    for await (const part of (await open({ 'last-event-id': last })).setEncoding('utf8')) rest += part;
    assert.deepEqual([...numbersIn(whole), ...numbersIn(rest)], upTo(12_000));
  });

  it('reads little of the log as it is stored at a time, and holds little for a reader that takes nothing', async () => {
    await using log = await logOf(3000);
    const { runtime, from } = sourceOf(log);
    const read: number[] = [];
    const eventStore = {
      head: from.eventStore.head,
      async *readAll(options?: Parameters<EventStore['readAll']>[0]) {
        for await (const batch of log.eventStore.readAll(options)) {
          read.push(batch.events.length);
          yield batch;
        }
      },
    };
    const stop = new AbortController();
    const reader = storedLines(eventStore, runtime.timers, stop.signal);
    let text = String((await reader.next()).value);
    assert.ok(
      read.length === 1 && (read[0] as number) <= 64,
      `${read} events were read for a reader that has taken none`,
    );
    await log.append(1);
    let pieces = 1;
    for await (const piece of reader) {
      // Now and then it takes nothing for a while, and what was read for it is read again.
      if (pieces++ % 10 === 0) runtime.advance(1000);
      assert.ok(piece.length <= pieceLength + 4 * each, `${piece.length}`);
      text += piece;
    }
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(lines.pop(), { end: lines.at(-1).position });
    const stored: StoredEvent[] = [];
    for await (const { events } of log.eventStore.readAll({ json: 'beside', limit: 3000 })) stored.push(...events);
    assert.deepEqual(lines, stored, 'up to the end as it was, without a gap or a repeat');
    assert.ok(read.reduce((sum, count) => sum + count) > 3000, 'some was let go');
    assert.ok(Math.max(...read) > 64, 'more at a time for one that takes it');
  });

  it('writes an envelope to the letter as it is', () => {
    const text = fc.string({ unit: 'grapheme' });
    const event = fc.record(
      {
        stream: text.map((tail) => `build-${tail}` as const),
        revision: fc.nat(),
        position: text,
        type: fc.constantFrom('BuildReleased', 'TokenIssued', 'Odd"Type'),
        version: fc.constantFrom(1, 2),
        commit: text,
        at: fc.integer({ min: 0, max: 8.64e15 }),
        meta: fc.record({ actor: text, correlation: text, causation: text, trace: text }, { requiredKeys: ['actor'] }),
        data: fc.constantFrom(undefined, null, { agent: 'a', reason: 'agent-lost', hash: 'h', ü: ['"'] }),
      },
      { requiredKeys: ['stream', 'revision', 'position', 'type', 'version', 'commit', 'at', 'meta'] },
    );
    fc.assert(
      fc.property(event, text, fc.constantFrom('read', 'admin'), (one, source, scope) => {
        const whole: EventEnvelope = envelopeOf(one as StoredEvent, source, scope);
        assert.equal(envelopeText(one as StoredEvent, source, scope), JSON.stringify(whole));
        assert.equal(whole.time, new Date(one.at).toISOString());
      }),
    );
    // Passing on the text that is stored gives the same, older versions and what is not for all included.
    const data = fc
      .tuple(fc.dictionary(text, fc.jsonValue()), fc.constantFrom({}, { agent: 'a', reason: 'agent-lost', hash: 'h' }))
      .map(([any, known]) => ({ ...any, ...known }));
    fc.assert(
      fc.property(event, data, text, fc.constantFrom('read', 'admin'), (one, said, source, scope) => {
        const { data: _, ...rest } = one;
        const stored = { ...rest, data: undefined, json: JSON.stringify(said) } as StoredEvent;
        const passed = envelopeText(stored, source, scope);
        assert.equal(passed, envelopeText({ ...rest, data: said } as StoredEvent, source, scope));
        assert.ok(scope === 'admin' || one.type !== 'TokenIssued' || !('hash' in JSON.parse(passed).data));
      }),
    );
  });
});
