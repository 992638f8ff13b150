import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EventSelection } from '../../../adapters/event-feed/event-selection.ts';
import { isSelected } from '../../../adapters/event-feed/event-selection.ts';
import { type EventView, pageLength } from '../../../adapters/event-feed/event-view.ts';
import { createPageFiller } from '../../../adapters/event-feed/page-filler.ts';
import type { PageSource } from '../../../adapters/event-feed/pages.ts';
import { createSharedPages, type Page, type SharedPages } from '../../../adapters/event-feed/shared-pages.ts';
import { createThreadedPages } from '../../../adapters/event-feed/threaded-pages.ts';
import { firstCommit } from '../../../adapters/event-store/first-commit.ts';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { formatPosition } from '../../../adapters/event-store/position.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { envelopeText, sourceOf } from '../../../adapters/http/event-envelope.ts';
import type { EventStore, Position, StoredEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';
import { replaceLog } from '../../support/replace-log.ts';
import { times } from '../../support/times.ts';

/** Every source of pages reads a log that grows meanwhile. */
interface Place extends AsyncDisposable {
  readonly store: EventStore;
  readonly source: PageSource;
}
const sources: Record<string, () => Promise<Place>> = {
  async 'on the thread that asks'() {
    const store = openMemoryEventStore();
    const source = createPageFiller(store, createManualRuntime().timers);
    return { store, source, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() as Promise<void> };
  },
  async 'by a thread of their own'() {
    const dir = await mkdtemp(join(tmpdir(), 'drover-pages-'));
    const store = await openSqliteEventStore({ dir });
    const source = createThreadedPages(dir);
    async function close(): Promise<void> {
      await source[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    }
    return { store, source, [Symbol.asyncDispose]: close };
  },
};

const types = ['AgentPaused', 'TokenIssued', 'BuildReleased'] as const;
interface Wanted {
  readonly type: number;
  readonly stream: number;
  readonly length: number;
}
let commits = 0;
async function append(store: EventStore, wanted: readonly Wanted[]): Promise<void> {
  const results = await store.appendBatch(
    wanted.map(({ type, stream, length }) => {
      const data = { n: ++commits, hash: 'secret', reason: 'ü"\n'.repeat(length) };
      const streams: readonly StreamId[] = ['agent-a', 'agent-ab', 'token-1'];
      return {
        id: `c-${commits}`,
        stream: streams[stream] as StreamId,
        expected: 'any',
        events: [{ type: types[type] as string, version: 2, data }],
        meta: { actor: 'a', ...(stream === 0 && { correlation: 's-1' }) },
        at: commits,
      } as const;
    }),
  );
  for (const { ok } of results) assert.ok(ok);
}

async function stored(store: EventStore): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const { events } of store.readAll({ json: 'beside' })) all.push(...events);
  return all;
}

/** What a reader of the view gets after a place, without the places of what is not for it; a line or a message each. */
async function expected(store: EventStore, { selection, format, scope }: EventView, after: Position | undefined) {
  const source = sourceOf((await firstCommit(store)) ?? '');
  return (await stored(store))
    .filter((event) => (after === undefined || event.position > after) && isSelected(selection, event))
    .map((event) => {
      if (format === 'stored') return JSON.stringify(event);
      const { json: _, ...plain } = event;
      const text = envelopeText(plain, source, scope);
      return format === 'lines' ? text : `id: ${event.position}\nevent: ${event.type}\ndata: ${text}`;
    });
}

/** One that reads from a place on to another; `pace` is asked after each page. */
async function readTo(
  pages: SharedPages,
  view: EventView,
  after: Position | undefined,
  end: Position,
  pace: () => Promise<void>,
): Promise<string> {
  using reader = pages.open(view);
  let text = '';
  let place = after;
  let wait = false;
  while ((place ?? '') < end) {
    const page: Page | 'silent' | 'gone' = await reader.next(place, wait);
    assert.ok(page !== 'silent' && page !== 'gone');
    assert.ok((page.place ?? '') >= (place ?? ''), 'it never goes back');
    if (wait) assert.notEqual(page.place, place, 'who waited gets on');
    if (page.more) reader.ahead(page.place);
    await pace();
    text += Buffer.from(page.bytes).toString();
    page.release(true);
    ({ place } = page);
    wait = !page.more;
  }
  return text;
}

/** The events of what a reader got, and the places that it was told. */
function parts(text: string, { format }: EventView) {
  const all = text.split(format === 'server-sent-events' ? '\n\n' : '\n');
  assert.equal(all.pop(), '', 'whole events only');
  return { events: all.filter((part) => !/^id: \S+$/.test(part)), ids: text.match(/^id: .*$/gm) ?? [] };
}

const anyWanted = fc.record({
  type: fc.nat(2),
  stream: fc.nat(2),
  length: fc.oneof({ weight: 20, arbitrary: fc.nat(400) }, { weight: 1, arbitrary: fc.constant(pageLength / 3) }),
});
const anySelection: fc.Arbitrary<EventSelection> = fc.record(
  {
    types: fc.constantFrom([], ['AgentPaused'], ['TokenIssued', 'BuildReleased']),
    streams: fc.constantFrom([], ['agent-'], ['agent-a'], ['token-1', 'agent-ab']),
    correlation: fc.constant('s-1'),
  },
  { requiredKeys: ['types', 'streams'], noNullPrototype: true },
);
const anyView = fc.record(
  {
    selection: fc.oneof(fc.constant({ types: [], streams: [] }), anySelection),
    format: fc.constantFrom('server-sent-events', 'lines'),
    scope: fc.constantFrom('read', 'submit', 'admin'),
    follow: fc.constant(true),
  },
  { noNullPrototype: true },
) as fc.Arbitrary<EventView>;

for (const [how, openPlace] of Object.entries(sources))
  describe(`pages of the log, read ${how}`, () => {
    it('are every event of the view once and in order, for readers that come and go while it grows', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(anyWanted, { maxLength: 150 }), { minLength: 1, maxLength: 6 }),
          fc.array(
            fc.tuple(anyView, fc.double({ min: 0, max: 1, noNaN: true }), fc.array(fc.nat(3), { maxLength: 12 })),
            {
              minLength: 1,
              maxLength: 6,
            },
          ),
          fc.constantFrom(0, 4 * pageLength, 16 * 1024 * 1024),
          async (portions, wishes, kept) => {
            await using place = await openPlace();
            const { store } = place;
            const { timers } = createManualRuntime();
            const pages = createSharedPages({ source: place.source, timers, silence: 1000, kept });
            await append(store, portions[0] as Wanted[]);
            const begun = await stored(store);
            const end = formatPosition(portions.flat().length + 1);
            const turns = async (count: number) => {
              for (let n = 0; n < count; n++) await new Promise<void>((resolve) => setImmediate(resolve));
            };
            const readers = wishes.map(async ([view, where, paces]) => {
              const after = begun[Math.floor(where * begun.length) - 1]?.position;
              let at = 0;
              const pace = () => turns(paces[at++] ?? 0);
              return { view, after, text: await readTo(pages, view, after, end, pace) };
            });
            for (const portion of portions.slice(1)) {
              await append(store, portion);
              await turns(2);
            }
            await append(store, [{ type: 0, stream: 0, length: 1 }]);
            assert.equal(await store.head(), end);
            for (const { view, after, text } of await Promise.all(readers)) {
              const { events, ids } = parts(text, view);
              assert.deepEqual(events, await expected(store, view, after));
              if (view.format === 'server-sent-events')
                assert.deepEqual(ids, [...new Set(ids)].toSorted(), 'places only ever move on');
              if (view.scope !== 'admin')
                for (const part of events)
                  assert.ok(!/TokenIssued.*"hash"/s.test(part), 'what is not for all is left out');
            }
          },
        ),
        { numRuns: (how === 'on the thread that asks' ? 30 : 8) * times },
      );
    });
  });

describe('pages of one view', () => {
  it('begin where they are asked for, whatever others read of it at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ type: fc.nat(2), stream: fc.nat(2), length: fc.nat(60) }), {
          minLength: 40,
          maxLength: 200,
        }),
        fc.array(fc.tuple(fc.nat(150), fc.integer({ min: 1024, max: 96 * 1024 }), fc.array(fc.nat(3))), {
          minLength: 2,
          maxLength: 5,
        }),
        fc.boolean(),
        async (wanted, readers, follow) => {
          await using store = openMemoryEventStore();
          const distant: Pick<EventStore, 'readAll' | 'subscribe'> = {
            subscribe: (options) => store.subscribe(options),
            async *readAll(options) {
              for await (const batch of store.readAll(options)) {
                // As where a server answers.
                await new Promise<void>((next) => setImmediate(next));
                yield batch;
              }
            },
          };
          const source = createPageFiller(distant, createManualRuntime().timers);
          await append(store, wanted);
          const view: EventView = { selection: { types: [], streams: [] }, format: 'lines', scope: 'read', follow };
          using pages = source.open(view);
          const all = await stored(store);
          const { signal } = new AbortController();
          await Promise.all(
            readers.map(async ([from, size, paces]) => {
              const after = all[Math.min(from, all.length) - 1]?.position;
              const into = Buffer.alloc(size);
              let text = '';
              let place = after;
              for (let more = true, n = 0; more; n++) {
                for (let turn = paces[n] ?? 0; turn > 0; turn--) await new Promise<void>((next) => setImmediate(next));
                const page = await pages.fill({ after: place, into, wait: false, signal });
                text += Buffer.from(page.bytes ?? into.subarray(0, page.length)).toString();
                ({ place, more } = page);
                more ||= place !== all.at(-1)?.position;
              }
              assert.deepEqual(parts(text, view).events, await expected(store, view, after));
            }),
          );
        },
      ),
      { numRuns: 50 * times },
    );
  });

  it('never begin before where they were asked for, where the log is ahead of who follows it', async () => {
    await using store = openMemoryEventStore();
    const heard = Promise.withResolvers<void>();
    const slow: Pick<EventStore, 'readAll' | 'subscribe'> = {
      readAll: (options) => store.readAll(options),
      async *subscribe(options) {
        for await (const batch of store.subscribe(options)) {
          // It has heard of the beginning, and of what came since only later.
          if (batch.events.length > 0) await heard.promise;
          yield batch;
        }
      },
    };
    const source = createPageFiller(slow, createManualRuntime().timers);
    const view: EventView = { selection: { types: [], streams: [] }, format: 'lines', scope: 'read', follow: true };
    using pages = source.open(view);
    const { signal } = new AbortController();
    const fill = async (after: Position | undefined, wait: boolean) => {
      const { bytes, length, place } = await pages.fill({ after, wait, signal });
      return { text: Buffer.from(bytes ?? []).toString(), length, place };
    };
    const one = { type: 0, stream: 0, length: 1 };
    await append(store, [one]);
    const first = await fill(undefined, false);
    await append(store, [one, one]);
    const both = await fill(undefined, false);
    assert.equal(both.place, await store.head(), 'what the log has is read there');
    const next = fill(both.place, true);
    await append(store, [one]);
    heard.resolve();
    const last = await next;
    assert.equal(last.place, await store.head());
    assert.deepEqual(parts(both.text + last.text, view).events, await expected(store, view, undefined));
    assert.ok(both.text.startsWith(first.text));
  });
});

describe('the thread that reads the log for its readers', () => {
  const view: EventView = {
    selection: { types: [], streams: [] },
    format: 'lines',
    scope: 'read',
    follow: true,
  };
  const wish = { after: undefined, wait: false, signal: new AbortController().signal };

  it('is begun again after it has failed, which all who wait hear of', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-pages-'));
    await using source = createThreadedPages(dir);
    using before = source.open(view);
    await assert.rejects(before.fill(wish), /thread that reads the log/);
    await assert.rejects(before.fill(wish), /thread that reads the log/);
    await using store = await openSqliteEventStore({ dir });
    await append(store, [{ type: 0, stream: 0, length: 1 }]);
    using after = source.open(view);
    const { bytes } = await after.fill(wish);
    assert.match(Buffer.from(bytes as Uint8Array).toString(), /^\{"specversion".*\}\n$/);
    await rm(dir, { recursive: true });
  });

  it('is begun again where the log was replaced under it, which all who wait hear of', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-pages-'));
    {
      await using store = await openSqliteEventStore({ dir });
      await append(store, [{ type: 0, stream: 0, length: 1 }]);
    }
    await using source = createThreadedPages(dir);
    // Where the coordinator opens its log, before anybody reads it.
    await (await openSqliteEventStore({ dir }))[Symbol.asyncDispose]();
    using before = source.open(view);
    const { place } = await before.fill(wish);
    assert.ok(place);
    const waiting = assert.rejects(before.fill({ ...wish, after: place, wait: true }), /another log in the place of/);
    replaceLog(dir);
    await using store = await openSqliteEventStore({ dir });
    await append(store, [{ type: 1, stream: 2, length: 1 }]);
    await waiting;
    let text = '';
    while (text === '') {
      using after = source.open(view);
      const filled = await after.fill({ ...wish, after: place }).catch((error: Error) => {
        assert.match(error.message, /thread that reads the log/);
      });
      text = Buffer.from(filled?.bytes ?? []).toString();
    }
    assert.match(text, /TokenIssued/);
    await rm(dir, { recursive: true });
  });

  it('ends no process that waits for nothing else, and each wait when it ends', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drover-pages-'));
    await using store = await openSqliteEventStore({ dir });
    await append(store, [{ type: 0, stream: 0, length: 1 }]);
    const source = createThreadedPages(dir);
    const one = source.open(view);
    const { place } = await one.fill(wish);
    const waiting = one.fill({ ...wish, after: place, wait: true });
    await source[Symbol.asyncDispose]();
    assert.deepEqual((await waiting).length, 0);
    await rm(dir, { recursive: true });
  });
});
