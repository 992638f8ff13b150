import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type EventView, pageLength } from '../../../adapters/event-feed/event-view.ts';
import { createPageFiller } from '../../../adapters/event-feed/page-filler.ts';
import { createSharedPages, type Page, type PageReader } from '../../../adapters/event-feed/shared-pages.ts';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { type EventEnvelope, envelopeOf, envelopeText } from '../../../adapters/http/event-envelope.ts';
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

function sharedPagesOf(log: Awaited<ReturnType<typeof logOf>>, kept?: number) {
  const runtime = createManualRuntime();
  const { timers } = runtime;
  const source = createPageFiller(log.eventStore, timers);
  return {
    runtime,
    pages: createSharedPages({ source, timers, silence: 15_000, ...(kept !== undefined && { kept }) }),
  };
}
const view: EventView = {
  selection: { types: [], streams: [] },
  format: 'server-sent-events',
  scope: 'read',
  follow: true,
};

/** Pulls until so many events have come. */
function puller(reader: PageReader) {
  let place: string | undefined;
  let wait = false;
  return {
    async page(): Promise<Page> {
      const page = await reader.next(place, wait);
      assert.ok(page !== 'silent' && page !== 'gone');
      ({ place } = page);
      wait = !page.more;
      return page;
    },
    async pull(count: number): Promise<string> {
      let text = '';
      while (numbersIn(text).length < count) {
        const page = await this.page();
        text += Buffer.from(page.bytes).toString();
        page.release(true);
      }
      return text;
    },
  };
}

describe('the feed of events', () => {
  it('reads the log once for all who follow it, each at its own pace, and not at all when nobody does', async () => {
    await using log = await logOf(10);
    const { runtime, pages } = sharedPagesOf(log);
    const readers = upTo(50).map(() => pages.open(view));
    const [lazy, ...others] = readers.map(puller) as [ReturnType<typeof puller>, ...ReturnType<typeof puller>[]];
    const caughtUp = await Promise.all(others.map((one) => one.pull(10)));
    for (const text of caughtUp) assert.deepEqual(numbersIn(text), upTo(10));
    const { readings } = log.asked;
    assert.ok(readings < 5, `all had the same page, and the log was read ${readings} times for it`);
    const coming = others.map((one) => one.pull(5));
    await log.append(5);
    for (const text of await Promise.all(coming)) assert.deepEqual(numbersIn(text), [10, 11, 12, 13, 14]);
    assert.equal(log.asked.subscriptions, 1);
    assert.equal(log.asked.readings, readings, 'nobody reads the log for each event');
    // More than the tail keeps.
    await log.append(1100);
    assert.deepEqual(numbersIn(await lazy.pull(1115)), upTo(1115));
    for (const reader of readers) reader[Symbol.dispose]();
    assert.equal(runtime.armed, 0, 'no timer is left');
  });

  it('tells those who wait that nothing came, all at once, and ends their waits when they go', async () => {
    await using log = await logOf(1);
    const { runtime, pages } = sharedPagesOf(log);
    const [first, second] = [pages.open(view), pages.open(view)];
    const place = await log.eventStore.head();
    const waits = [first, second].map((reader) => reader.next(place, true));
    runtime.advance(15_000);
    assert.deepEqual(await Promise.all(waits), ['silent', 'silent']);
    const again = [first, second].map((reader) => reader.next(place, true));
    first[Symbol.dispose]();
    assert.equal(await again[0], 'gone');
    assert.equal(runtime.armed, 1);
    await log.append(1);
    const page = await again[1];
    assert.ok(page !== undefined && page !== 'silent' && page !== 'gone');
    assert.deepEqual(numbersIn(Buffer.from(page.bytes).toString()), [1]);
    assert.equal(await first.next(place, true), 'gone');
    second[Symbol.dispose]();
    assert.equal(runtime.armed, 0, 'no timer is left');
  });

  it('writes pages that are not longer than they may be into memory that is used again, but nothing over one that somebody holds', async () => {
    await using log = await logOf(3000);
    const { pages } = sharedPagesOf(log, 2 * pageLength);
    const holder = pages.open(view);
    const held = await puller(holder).page();
    const before = Buffer.from(held.bytes).toString();
    const reader = pages.open(view);
    const one = puller(reader);
    let text = '';
    let count = 0;
    const memories = new Set<ArrayBufferLike>();
    while (numbersIn(text).length < 3000) {
      const page = await one.page();
      count++;
      assert.ok(page.bytes.length <= pageLength, `${page.bytes.length}`);
      memories.add(page.bytes.buffer);
      text += Buffer.from(page.bytes).toString();
      page.release(true);
    }
    assert.deepEqual(numbersIn(text), upTo(3000));
    assert.ok(memories.size < count, `${count} pages in ${memories.size} pieces of memory`);
    assert.ok(Buffer.from(held.bytes).toString() === before);
    held.release(false);
    for (const one of [holder, reader]) one[Symbol.dispose]();
  });

  it('lets go of what a reader does not take, and reads it again without a gap or a repeat', async () => {
    await using log = await logOf(3000);
    const { runtime, pages } = sharedPagesOf(log);
    using reader = pages.open({ ...view, format: 'lines' });
    const one = puller(reader);
    let text = await one.pull(1);
    while (numbersIn(text).length < 3000) {
      runtime.advance(1000);
      assert.equal(runtime.armed, 0, 'nothing waits to be let go of');
      const { readings } = log.asked;
      text += await one.pull(1);
      assert.ok(log.asked.readings > readings);
    }
    assert.deepEqual(numbersIn(text), upTo(3000));
  });

  it('ends no export that the server cut as if it were whole', async () => {
    await using log = await logOf(12_000);
    const server = await harness({ eventStore: log.eventStore });
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    for (const [path, accept] of [
      ['/v1/events', 'application/x-ndjson'],
      ['/v1/log', ''],
    ] as const) {
      const headers = { authorization: `Bearer ${secretOfScope('admin')}`, accept };
      const cut = new Promise<IncomingMessage>((resolve, reject) => {
        get(`${url}${path}`, { headers, agent: false }, resolve).on('error', reject);
      });
      const response = (await cut).pause();
      if (path === '/v1/log') void server[Symbol.asyncDispose]();
      else server.tokenUses.end('t-admin');
      await assert.rejects(async () => {
        for await (const _ of response);
      });
    }
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
    assert.ok(held > 0 && held <= pageLength + 100, `${held} bytes were held`);
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

  it('gives the log as it is stored, up to its end as it was', async () => {
    await using log = await logOf(700);
    await using server = await harness({ eventStore: log.eventStore });
    const answer = await server.ask('admin', { url: '/v1/log' });
    const lines = answer.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const stored: StoredEvent[] = [];
    for await (const { events } of log.eventStore.readAll({ json: 'beside' })) stored.push(...events);
    assert.deepEqual(lines.pop(), { end: stored.at(-1)?.position });
    assert.deepEqual(lines, stored);
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
