import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { createLiveArea } from '../../../cli/submit/live-area.ts';
import { drawTree, type TreeState } from '../../../cli/submit/tree.ts';
import type { OutlookNode } from '../../../coordinator/application.ts';

const base = (name: string): string => `${'0'.repeat(32)}-${name}.drv`;
const none = {
  fetching: 0,
  building: 0,
  ready: 0,
  deferred: 0,
  'back-off': 0,
  waiting: 0,
  blocked: 0,
  succeeded: 0,
  failed: 0,
  canceled: 0,
};
const nodes: readonly OutlookNode[] = [
  {
    build: 'g',
    derivation: base('gcc-12'),
    state: 'building',
    agent: 'a',
    attempt: 1,
    since: 88_000,
    before: 40_000,
    lacks: 0,
    parent: 'l',
  },
  { build: 'l', derivation: base('libc-2'), state: 'waiting', lacks: 2, parent: 'r' },
  {
    build: 'z',
    derivation: base('zlib-1'),
    state: 'fetching',
    agent: 'b',
    attempt: 2,
    since: 97_500,
    lacks: 0,
    parent: 'l',
  },
  { build: 'r', derivation: base('root-1'), state: 'waiting', lacks: 1 },
  { build: 'o', derivation: base('other'), state: 'ready', lacks: 0, parent: 'r' },
];
const state = (all: readonly OutlookNode[] = nodes): TreeState => ({
  outlook: {
    at: 100_000,
    counts: { ...none, building: 1, fetching: 1, ready: 1, waiting: 2, failed: 1 },
    nodes: all,
    estimate: { endsAt: 400_000, builds: 5, unknown: 2, without: 0 },
  },
  ended: 3,
  states: { allocated: 1, running: 1, failed: 1, canceled: 0 },
  total: 8,
  has: () => false,
  now: 100_000,
  begun: 40_000,
});
const space = { columns: 100, rows: 30, colour: false };

describe('the tree of what runs', () => {
  it('has each build above what waits for it, how long it took before, the counts and the end', () => {
    assert.deepEqual(drawTree(state(), space), [
      '  ┌─▶ gcc-12 building 12s of ~40s on a',
      '  ├─↓ zlib-1 fetching 2s of ∅ on b attempt 2',
      '┌─⏸ libc-2 waits for 2',
      '├─· other ready',
      '⏸ root-1 waits for 1',
      '3/8 ended │ 1 ▶ building │ 1 ↓ fetching │ 1 · ready │ 2 ⏸ waiting │ 1 failed',
      '1m so far, ends in about 5m (2 of 5 builds never built before)',
    ]);
  });

  it("counts from the coordinator's clock where that is ahead, too", () => {
    assert.match(drawTree({ ...state(), begun: 101_000 }, space).at(-1) ?? '', /^0ms so far/);
  });

  it('counts what has gone on since the outlook by the events of the log', () => {
    const states = { allocated: 2, running: 1, failed: 2, canceled: 0 };
    const lines = drawTree({ ...state(), states, ended: 4 }, space);
    assert.equal(lines.at(-2), '4/8 ended │ 1 ▶ building │ 2 ↓ fetching │ 1 ⏸ waiting │ 2 failed');
  });

  it('leaves out what has ended since, and on few lines all but what runs and is most critical', () => {
    const few = drawTree(state(), { ...space, rows: 8 });
    assert.deepEqual(few.slice(0, 2), ['▶ gcc-12 building 12s of ~40s on a', '… 1 more running']);
    const ended = drawTree({ ...state(), has: (build) => build === 'g' }, space);
    assert.equal(ended[0], '  ┌─↓ zlib-1 fetching 2s of ∅ on b attempt 2');
  });

  it('draws nothing that steers the terminal, and colours only where they are wanted', () => {
    const evil = [{ ...(nodes[0] as OutlookNode), derivation: base('x\u001b[2J\u202e'), agent: 'a\r' }];
    for (const line of drawTree(state(evil), space)) assert.doesNotMatch(line, /\p{Cc}|\p{Bidi_Control}/u);
    assert.ok(drawTree(state(), { ...space, colour: true })[0]?.includes('\u001b[36m'));
  });

  it('fits any terminal, also one that is hardly there, and goes round no loop', () => {
    const states = ['building', 'waiting', 'ready', 'blocked'] as const;
    const any = fc.array(
      fc.record({ state: fc.constantFrom(...states), up: fc.nat({ max: 30 }), name: fc.string({ unit: 'grapheme' }) }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(any, fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 60 }), (all, columns, rows) => {
        const made = all.map(({ state: at, up, name }, n): OutlookNode => {
          const runs = at === 'building' ? { agent: 'agent', attempt: 1, since: 1 } : {};
          const parent = up < all.length ? { parent: `b${up}` } : {};
          return { build: `b${n}`, derivation: base(name), state: at, lacks: 1, ...runs, ...parent };
        });
        const lines = drawTree(state(made), { columns, rows, colour: false });
        assert.ok(lines.length <= Math.max(3, rows * 0.6 + 1), `${lines.length} lines of ${rows}`);
        for (const line of lines) assert.ok(stringWidth(line) < Math.max(2, columns), `${columns}: ${line}`);
      }),
      { numRuns: 200 },
    );
  });

  it('is drawn over itself, also where the terminal has become narrower, and leaves what is printed above', () => {
    const written: string[] = [];
    let columns = 20;
    const area = createLiveArea({ write: (text) => written.push(text), columns: () => columns });
    area.draw(['0123456789012345', 'b']);
    columns = 10;
    area.draw(['c'], ['failed x']);
    area.draw([]);
    assert.deepEqual(
      written.map((text) => text.replaceAll('\u001b', 'E')),
      [
        'E[?2026hE[J0123456789012345\nb\nE[?2026l',
        'E[?2026hE[3A\rE[Jfailed x\nc\nE[?2026l',
        'E[?2026hE[1A\rE[JE[?2026l',
      ],
    );
  });
});

it('calls a build whose retry is not due what lists call it', () => {
  const resting: OutlookNode = { build: 'b', derivation: base('bash-5'), state: 'back-off', lacks: 0 };
  const one = state([resting]);
  const outlook = { ...one.outlook, counts: { ...none, 'back-off': 1 } };
  const states = { allocated: 0, running: 0, failed: 0, canceled: 0 };
  const drawn = drawTree({ ...one, outlook, states, ended: 0, total: 1 }, { columns: 100, rows: 20, colour: false });
  assert.deepEqual(
    [drawn.join('\n').match(/backoff/g)?.length, /back-off/.test(drawn.join('\n'))],
    [2, false],
    drawn.join('\n'),
  );
});
