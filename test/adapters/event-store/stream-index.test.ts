import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import { encodeCommit } from '../../../adapters/event-store/encode.ts';
import { openBlocks } from '../../../adapters/event-store/sqlite/blocks.ts';
import { flattenCommit } from '../../../adapters/event-store/sqlite/flat-commits.ts';
import { createLogWriter, type FlatResults } from '../../../adapters/event-store/sqlite/log-writer.ts';
import { openForReading, openForWriting } from '../../../adapters/event-store/sqlite/open-file.ts';
import { createPacker } from '../../../adapters/event-store/sqlite/packer.ts';
import { createLogReader } from '../../../adapters/event-store/sqlite/reader.ts';
import { streamKey } from '../../../adapters/event-store/sqlite/schema.ts';
import type { Expected, StreamId } from '../../../coordinator/ports/event-store.ts';

/** Two names with one {@link streamKey}: the number at the end counts modulo 2^21. */
const twins = ['build-1-5', `build-1-${5 + 2 ** 21}`] as const;
const streams = [...twins, 'build-1-6', 'item-a', 'item-b', 'agent-1', 'x-é'];

it('two names can have one key', () => assert.equal(streamKey(twins[0]), streamKey(twins[1])));

/** Like the store, in memory and obvious. */
function createModel() {
  const heads = new Map<string, number>();
  const commits = new Map<string, [position: number, revision: number]>();
  let head = 0;
  return {
    heads,
    append(id: string, stream: string, expected: number, events: number): number[] {
      const before = commits.get(`${stream} ${id}`);
      if (before) return [-before[0], before[1]];
      const actual = heads.get(stream) ?? -1;
      if (expected !== -2 && expected !== actual) return [0, actual];
      head += events;
      heads.set(stream, actual + events);
      commits.set(`${stream} ${id}`, [head, actual + events]);
      return [head, actual + events];
    },
  };
}

/** A writer with generations of 16 commits and blocks of 3 events, so that a few hundred commits pass through many of them. */
function open(file: string) {
  const db = openForWriting(file);
  const blocks = openBlocks(db);
  const log = createLogWriter(db, blocks, 16);
  let woken = Promise.withResolvers<void>();
  const packing = { keep: 2, events: 3, length: 1e6, most: 1e6, freePages: 1 };
  const fail = (error: unknown) => woken.reject(error);
  const packer = createPacker(db, blocks, packing, () => woken.resolve(), fail);
  /** Packs whatever is old enough. */
  async function pack(): Promise<void> {
    while (packer.rest(log.head, false) || packer.isBusy) {
      if (packer.isBusy) await woken.promise;
      woken = Promise.withResolvers();
    }
    assert.ok(blocks.packed() > log.head - 2 - 3 - 3 - 3, `${blocks.packed()} of ${log.head} are packed`);
  }
  return { db, log, pack };
}

it('heads, conflicts, retries and reading are right on both sides of the index and of blocks, across restarts', async () => {
  const step = fc.oneof(
    {
      weight: 40,
      arbitrary: fc.record({
        stream: fc.nat(streams.length - 1),
        id: fc.nat(120),
        expected: fc.oneof(
          { weight: 4, arbitrary: fc.constant(-2) },
          { weight: 1, arbitrary: fc.integer({ min: -1, max: 9 }) },
        ),
        events: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 3, arbitrary: fc.constant('commit' as const) },
    { weight: 1, arbitrary: fc.constantFrom('reopen' as const, 'pack' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 100, maxLength: 400 }), async (steps) => {
      const dir = mkdtempSync(join(tmpdir(), 'drover-index-'));
      const file = join(dir, 'events.db');
      let { db, log, pack } = open(file);
      try {
        const model = createModel();
        log.begin();
        for (const item of steps) {
          if (typeof item === 'string') {
            log.commit();
            if (item === 'pack') await pack();
            if (item === 'reopen') {
              db.close();
              ({ db, log, pack } = open(file));
            }
            log.begin();
            continue;
          }
          const stream = streams[item.stream] as string;
          const id = `id-${item.id}`;
          const events = Array.from({ length: item.events }, () => ({ type: 'T', version: 1, data: {} }));
          const expected: Expected = item.expected === -1 ? 'none' : item.expected === -2 ? 'any' : item.expected;
          const commit = { id, stream: stream as StreamId, expected, at: 1, meta: { actor: 'me' }, events };
          const results: FlatResults = [];
          log.append(flattenCommit(commit, encodeCommit(commit)), results);
          assert.deepEqual(results, model.append(id, stream, item.expected, item.events));
        }
        log.commit();
        await pack();
        const reader = createLogReader(openForReading(file));
        assert.equal(reader.head(), log.head);
        for (const stream of streams) {
          const revisions = log
            .spans(stream)
            .flatMap(({ position, events }) => reader.range(position - events, position, undefined))
            .map((event) => {
              assert.equal(event.stream, stream);
              return event.revision;
            });
          assert.deepEqual(
            revisions,
            Array.from({ length: (model.heads.get(stream) ?? -1) + 1 }, (_, n) => n),
          );
          const seen = reader
            .spans(stream)
            .flatMap(({ position, events }) => reader.range(position - events, position, undefined));
          assert.deepEqual(
            seen.map(({ revision }) => revision),
            revisions,
          );
          assert.ok(seen.every((event) => event.stream === stream));
        }
        const check = reader.checkIndex();
        for (const event of reader.range(0, reader.head(), undefined)) assert.equal(check.add(event), undefined);
        assert.equal(check.end(), undefined);
        reader.close();
      } finally {
        db.close();
        rmSync(dir, { recursive: true });
      }
    }),
    { numRuns: 25 },
  );
});
