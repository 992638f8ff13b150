import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as commandLine from '../../cli/output/phases.ts';
import { forestOf } from '../../web/graph/forest.ts';
import { doubtsOf, endText } from '../../web/submission/estimate.ts';
import { adviceText, kindsOf, phasesOf, phaseWords, share } from '../../web/submission/phases.ts';

describe('what a submission says', () => {
  it('of its end no more precisely than it can be known', () => {
    const now = 1e12;
    const cases = {
      500: 'in about 5 s',
      62000: 'in about 1 min',
      200000: 'in about 3 min 30 s',
      3e6: 'in about 50 min',
    };
    for (const [ms, text] of Object.entries(cases)) assert.equal(endText({ endsAt: now + Number(ms) }, now), text);
    assert.equal(endText({ endsAt: now - 1 }, now), 'any moment');
    assert.equal(endText({}, now), 'not known');
    assert.deepEqual(doubtsOf({ builds: 9, unknown: 2, without: 1 }), [
      '2 of 9 builds were never built before',
      'without 1 that cannot run as it stands',
    ]);
  });

  it('of its time in the order of a build, and what of it was waiting', () => {
    const sums = { building: 300, slot: 50, fetching: 40, inputs: 610 };
    assert.deepEqual(
      phasesOf(sums).map(({ phase }) => phase),
      ['inputs', 'slot', 'fetching', 'building'],
    );
    assert.deepEqual(kindsOf(sums), { waiting: 660, moving: 40, building: 300 });
    assert.deepEqual([share(0, 0), share(1, 1000), share(300, 1000)], ['0 %', 'under 1 %', '30 %']);
  });

  it('of what would have made it faster, for whom', () => {
    const text = adviceText(
      { kind: 'slot', ms: 60_000, system: 'x86_64-linux', features: ['kvm'], builds: 1 },
      120_000,
    );
    assert.match(text, /^1 min \(50 %\) waiting for a free slot for x86_64-linux with kvm, one build: /);
  });
});

describe('a forest', () => {
  const ids = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id);

  it('has each node below what it names, where that is there', () => {
    const nodes = [{ id: 'a', parent: 'c' }, { id: 'b', parent: 'c' }, { id: 'c', parent: 'gone' }, { id: 'd' }];
    const { roots, below } = forestOf(nodes);
    assert.deepEqual([ids(roots), ids(below('c')), ids(below('d'))], [['c', 'd'], ['a', 'b'], []]);
  });

  it('has each of a circle once, and of long chains too', () => {
    const circle = [
      { id: 'x', parent: 'y' },
      { id: 'y', parent: 'z' },
      { id: 'z', parent: 'y' },
    ];
    const { roots, below } = forestOf(circle);
    assert.deepEqual([ids(roots), ids(below('y')), ids(below('z'))], [['y'], ['x', 'z'], []]);
    const chain = Array.from({ length: 20_000 }, (_, n) => ({ id: `${n}`, parent: `${n + 1}` }));
    assert.deepEqual(ids(forestOf(chain).roots), ['19999']);
  });
});

it('phases are called, and their shares told, as the command line has them', () => {
  assert.deepEqual(Object.entries(phaseWords), Object.entries(commandLine.phaseWords));
  for (const [part, all] of [
    [0, 0],
    [1, 1000],
    [10, 1000],
    [1, 3],
    [3, 3],
  ] as const)
    assert.equal(share(part, all), commandLine.share(part, all));
});
