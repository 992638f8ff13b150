import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Committed, compare, comparedTable, toCommitted } from '../../bench/committed.ts';
import type { Figure } from '../../bench/figures.ts';
import { benches } from '../../bench/registry.ts';
import { type Watched, watchedBenches } from '../../bench/watched.ts';

const watched: ReadonlyMap<string, Watched> = new Map([
  ['took', { better: 'less', depends: 'machine' }],
  ['did', { better: 'more', depends: 'machine' }],
  ['beside', { better: 'more', depends: 'machine' }],
  ['large', { better: 'less', depends: 'nothing' }],
]);
const figures: readonly Figure[] = [
  { key: 'took', name: 'it took', value: 10, unit: 's', goal: '≤ 20 s', met: true },
  { key: 'did', name: 'it did', value: 100, unit: '/s' },
  { key: 'beside', name: 'beside another', value: 50, unit: 'MB/s', ratio: 0.5, peer: 'another' },
  { key: 'large', name: 'it is', value: 7, unit: 'bytes' },
  { key: 'other', name: 'nobody looks at', value: 1, unit: 's' },
];
const run = { machine: 'one processor', probe: 100 };
const then = toCommitted({ ...run, run: 'after abc, 2026-11-01' }, figures, watched);
const of = (now: Partial<Record<string, number>>, { ratio = 0.5 } = {}): Figure[] =>
  figures.map((figure) => ({
    ...figure,
    value: now[figure.key] ?? figure.value,
    ...(figure.ratio !== undefined && { ratio }),
  }));
const said = (now: typeof run, measured: readonly Figure[], committed: Committed | undefined = then) =>
  compare(now, measured, committed, watched).map(({ ratio, by, verdict }) => [ratio, by, verdict]);

describe('figures beside those that were committed', () => {
  it('are compared as they are on the same machine', () => {
    assert.deepEqual(Object.keys(then.figures), ['took', 'did', 'beside', 'large']);
    assert.deepEqual(said(run, of({ took: 15, did: 90, beside: 80, large: 9 })), [
      [1.5, undefined, 'worse'],
      [0.9, undefined, ''],
      [1.6, undefined, 'better'],
      [9 / 7, undefined, 'worse'],
    ]);
    assert.deepEqual(
      said(run, figures).map(([, , verdict]) => verdict),
      ['', '', '', ''],
    );
  });

  it('are compared by their peers, or by the probe, on another, and on one that others keep busy', () => {
    for (const slower of [
      { machine: 'another processor', probe: 200 },
      { machine: run.machine, probe: 200 },
    ])
      assert.deepEqual(said(slower, of({ took: 20, did: 30, beside: 10, large: 7 }, { ratio: 0.45 })), [
        [1, 'probe', ''],
        [0.6, 'probe', 'worse'],
        [0.9, 'peer', ''],
        [1, undefined, ''],
      ]);
    const text = comparedTable({ ...run, probe: 200 }, then, compare({ ...run, probe: 200 }, figures, then, watched));
    assert.match(text, /^it took +10\.0 s +≤ 20 s: met +10\.0 s +0\.50 × by probe +better$/m);
    assert.match(text, /probe 200\.0 ms\ncommitted: one processor, processor probe 100\.0 ms, after abc, 2026-11-01\n/);
    assert.match(text, /Another machine, or others at work/);
  });

  it('are shown without a comparison where there is none, and as not measured', () => {
    const some = figures.filter(({ key }) => key !== 'took');
    const [took] = compare(run, some, then, watched);
    assert.deepEqual([took?.now, took?.committed, took?.verdict], ['not measured', '10.0 s', '']);
    const first = compare(run, some, undefined, watched);
    assert.deepEqual(
      first.map(({ now, ratio }) => [now, ratio]),
      [
        ['not measured', undefined],
        ['100 /s', undefined],
        ['50.0 MB/s', undefined],
        ['7.00 bytes', undefined],
      ],
    );
    assert.match(comparedTable(run, undefined, first), /No figures were committed/);
  });

  it('come from benches that there are', () => {
    const names = benches([1000, 5000]).map(({ name }) => name);
    assert.deepEqual(
      watchedBenches.filter((name) => !names.includes(name)),
      [],
    );
  });
});
