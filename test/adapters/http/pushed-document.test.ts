import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { FastifyReply } from 'fastify';
import { patchBetween, textsOf, wholeText } from '../../../adapters/http/json-patch.ts';
import { createLogGrowth } from '../../../adapters/http/log-growth.ts';
import { createPushedDocument } from '../../../adapters/http/pushed-document.ts';
import { type PatchOperation, patched } from '../../../client/json-patch.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';

describe('a JSON Patch between two documents', () => {
  const name = fc.constantFrom('a', 'b', '/~', 'c');
  const row = fc.oneof(fc.record({ id: name, of: fc.nat(2) }), fc.record({ at: fc.nat(3) }), fc.nat(2));
  const value = fc.oneof(fc.nat(2), fc.constant(null), fc.array(row, { maxLength: 4 }), fc.dictionary(name, row));
  const document = fc.dictionary(name, value);
  const parsed = (operations: readonly string[]) => JSON.parse(`[${operations.join()}]`) as PatchOperation[];

  it('makes one of the other', () => {
    fc.assert(
      fc.property(document, document, (before, after) => {
        const [was, now] = [textsOf(before), textsOf(after)];
        assert.deepEqual(JSON.parse(wholeText(now)), JSON.parse(JSON.stringify(after)));
        assert.deepEqual(
          JSON.parse(JSON.stringify(patched(JSON.parse(wholeText(was)), parsed(patchBetween(was, now))))),
          JSON.parse(JSON.stringify(after)),
        );
        assert.deepEqual(patchBetween(now, textsOf(structuredClone(after))), []);
      }),
    );
  });

  it('has only the rows that came, went or changed, and leaves the others as they are', () => {
    const before = { rows: [{ id: 'a' }, { id: 'b', of: 1 }, { id: 'c' }], same: { x: 1 } };
    const after = { rows: [{ id: 'd' }, { id: 'b', of: 2 }, { id: 'c' }], same: { x: 1 } };
    const operations = parsed(patchBetween(textsOf(before), textsOf(after)));
    assert.deepEqual(operations, [
      { op: 'remove', path: '/rows/0' },
      { op: 'add', path: '/rows/0', value: { id: 'd' } },
      { op: 'replace', path: '/rows/1', value: { id: 'b', of: 2 } },
    ]);
    const made = patched(before, operations) as typeof before;
    assert.deepEqual(made, after);
    assert.ok(made.rows[2] === before.rows[2] && made.same === before.same);
  });

  it('that does not fit is refused', () => {
    for (const operation of [
      { op: 'remove', path: '' },
      { op: 'remove', path: 'rows' },
      { op: 'replace', path: '/rows/1', value: 1 },
      { op: 'add', path: '/rows/02', value: 1 },
      { op: 'replace', path: '/none', value: 1 },
      { op: 'replace', path: '/rows/0/x', value: 1 },
    ] as const)
      assert.throws(() => patched({ rows: [1] }, [operation]), /expected/, operation.path);
  });
});

/** Stands for an answer: what is written to it is there once the test lets the system take it. */
class Answer extends EventEmitter {
  readonly got: string[] = [];
  destroyed = false;
  ended = false;
  /** Whether the system takes what is written. */
  takes = true;
  writableLength = 0;
  readonly socket = null;
  writeHead(): void {}
  flushHeaders(): void {}
  write(bytes: Buffer): void {
    const [, event, data] = /^event: (\w+)\ndata: (.*)\n\n$/.exec(String(bytes)) ?? [];
    if (event !== undefined) this.got.push(`${event} ${data}`);
    this.emit('got');
    if (!this.takes) this.writableLength += bytes.length;
  }
  take(): void {
    this.takes = true;
    this.writableLength = 0;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
  end(): void {
    this.ended = true;
    this.emit('close');
  }
  async has(count: number): Promise<void> {
    while (this.got.length < count) await new Promise((resolve) => this.once('got', resolve));
  }
}

describe('a document that is pushed', () => {
  function scene(isStill = false) {
    const runtime = createManualRuntime();
    const logGrowth = createLogGrowth(runtime.clock);
    const closing = new AbortController();
    const now = { value: 1, place: 1, reads: 0, fails: false };
    const document = createPushedDocument(
      {
        application: { settled: async () => undefined } as never,
        closing: closing.signal,
        isStill,
        limits: { eventStreamSilence: 15_000 } as never,
        logGrowth,
        runtime,
      },
      {
        name: 'all',
        restless: ['/status/place'],
        ready: async () => undefined,
        read() {
          now.reads++;
          if (now.fails) throw new Error('not now');
          return { value: now.value, status: { place: now.place } };
        },
      },
    );
    async function open(): Promise<Answer> {
      const raw = new Answer();
      const reply = {
        raw,
        statusCode: 200,
        getHeaders: () => ({}),
        header: () => reply,
        type: () => reply,
        hijack() {},
      };
      await document.follow(reply as unknown as FastifyReply);
      return raw;
    }
    return { runtime, logGrowth, closing, now, open };
  }

  it('is made once for all, whole at first and then what has changed', async () => {
    const { logGrowth, now, open, closing } = scene();
    const answers = await Promise.all([open(), open(), open()]);
    for (const answer of answers) await answer.has(1);
    assert.equal(now.reads, 1);
    now.value = 2;
    logGrowth.grown(1);
    for (const answer of answers) await answer.has(2);
    assert.equal(now.reads, 2);
    assert.deepEqual(answers[0]?.got, [
      'all {"value":1,"status":{"place":1}}',
      'patch [{"op":"replace","path":"/value","value":2}]',
    ]);
    assert.deepEqual(answers[2]?.got, answers[0]?.got);
    closing.abort();
    assert.ok(answers.every(({ ended }) => ended));
  });

  it('says what changes all the time with what else has, or once a second', async () => {
    const { logGrowth, runtime, now, open, closing } = scene();
    const answer = await open();
    now.place = 2;
    logGrowth.grown(1);
    while (now.reads < 2) await new Promise(setImmediate);
    const another = await open();
    assert.deepEqual(another.got, ['all {"value":1,"status":{"place":2}}'], 'who begins has all of it');
    await answer.has(2);
    now.place = 3;
    runtime.advance(1000);
    await answer.has(3);
    assert.equal(answer.got[2], 'patch [{"op":"replace","path":"/status/place","value":3}]');
    closing.abort();
  });

  it('is made once of a moment, which does not change', async () => {
    const { runtime, now, open, closing } = scene(true);
    const answer = await open();
    await answer.has(1);
    for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
    let comments = 0;
    answer.on('got', () => comments++);
    for (let seconds = 0; seconds < 60; seconds += 15) {
      runtime.advance(15_000);
      await new Promise(setImmediate);
    }
    assert.deepEqual([now.reads, comments], [1, 4]);
    closing.abort();
  });

  it('is sent to who does not take it as it is by then, and nothing before', async () => {
    const { logGrowth, runtime, now, open, closing } = scene();
    const [slow, quick] = await Promise.all([open(), open()]);
    await slow.has(1);
    slow.takes = false;
    for (const value of [2, 3, 4]) {
      now.value = value;
      logGrowth.grown(1);
      await quick.has(value);
    }
    assert.equal(slow.got.length, 2);
    slow.take();
    runtime.advance(1000);
    await slow.has(3);
    assert.deepEqual(slow.got.slice(2), ['all {"value":4,"status":{"place":1}}']);
    closing.abort();
  });

  it('is kept for nobody who takes nothing for a minute', async () => {
    const { logGrowth, runtime, now, open, closing } = scene();
    const [slow, quick] = await Promise.all([open(), open()]);
    await slow.has(1);
    slow.takes = false;
    now.value = 2;
    logGrowth.grown(1);
    await quick.has(2);
    for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
    for (let seconds = 15; seconds <= 60; seconds += 15) {
      assert.equal(slow.destroyed, false, `after ${seconds} s`);
      runtime.advance(15_000);
    }
    assert.deepEqual([slow.destroyed, quick.destroyed], [true, false]);
    closing.abort();
  });

  it('is there for who comes in the turn in which the last one leaves', async () => {
    const { open, closing } = scene();
    const first = await open();
    await first.has(1);
    // Until the next version might be made, which is when it waits for something to happen: sooner, this shows nothing.
    await new Promise((resolve) => setTimeout(resolve, 200));
    first.destroy();
    const second = await open();
    await second.has(1);
    assert.deepEqual(second.got, first.got);
    closing.abort();
  });

  it('that cannot be made cuts those who watch, refuses who comes, and is not asked for once nobody does', async () => {
    const { logGrowth, now, open, runtime } = scene();
    const answer = await open();
    const cut = new Promise((resolve) => answer.once('close', resolve));
    now.fails = true;
    logGrowth.grown(1);
    await cut;
    assert.ok(answer.destroyed);
    await assert.rejects(open(), /not now/);
    now.fails = false;
    const after = await open();
    assert.equal(after.got.length, 1);
    after.destroy();
    while (runtime.armed > 0) await new Promise(setImmediate);
    const { reads } = now;
    logGrowth.grown(1);
    await new Promise(setImmediate);
    assert.equal(now.reads, reads);
  });
});

it('the growth of a log is what came in the last ten whole seconds', () => {
  const runtime = createManualRuntime();
  const growth = createLogGrowth(runtime.clock);
  growth.grown(30);
  assert.equal(growth.rate(), 0, 'this second is not over');
  runtime.advance(1000);
  assert.equal(growth.rate(), 3);
  growth.grown(5);
  runtime.advance(9000);
  assert.equal(growth.rate(), 3.5);
  runtime.advance(1000);
  assert.equal(growth.rate(), 0.5);
  runtime.advance(60_000);
  assert.equal(growth.rate(), 0);
});
