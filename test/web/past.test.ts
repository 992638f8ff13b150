import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mostChanges } from '../../adapters/http/schemas/changes.ts';
import { atMoment, momentIn, withoutMoment } from '../../web/past/address.ts';
import { actorText, moreRows, mostRows, othersChanged, rowsAsked } from '../../web/past/changes.ts';
import {
  addressed,
  type Bounds,
  isFurther,
  mayBePosition,
  positionAt,
  scaleKind,
  scaleOf,
  stepFrom,
  valueAt,
  wholePosition,
} from '../../web/past/steps.ts';

describe('an address as of a moment', () => {
  it('says which before what it says without', () => {
    assert.equal(atMoment('0000000000000012', '/builds/b-1?attempt=2'), '/at/0000000000000012/builds/b-1?attempt=2');
    assert.equal(atMoment('build-a@3', '/'), '/at/build-a%403/');
    assert.equal(momentIn('/at/build-a%403/builds'), 'build-a@3');
    assert.equal(momentIn('/at/0000000000000012'), '0000000000000012');
    assert.equal(withoutMoment('/at/0000000000000012/builds/b-1?attempt=2'), '/builds/b-1?attempt=2');
    for (const bare of ['/at/7', '/at/7/']) assert.equal(withoutMoment(bare), '/');
    assert.equal(withoutMoment('/at/7?kind=x'), '/?kind=x');
  });

  it('is left alone where it says for itself when it is, or where there is no when', () => {
    for (const address of [
      '/at/7/builds',
      '/login',
      '/difference?from=7',
      'https://example.org/builds',
      '//example.org',
      '#main',
    ])
      assert.equal(atMoment('8', address), address);
    assert.equal(atMoment(undefined, '/builds'), '/builds');
    assert.equal(momentIn('/attempts/7'), undefined);
    assert.equal(momentIn('/at'), undefined);
    assert.equal(withoutMoment('/builds'), '/builds');
    assert.equal(momentIn('/at/%E0%A4%A/builds'), '%E0%A4%A', 'what is no text is as it is written');
  });
});

describe('steps along the log', () => {
  const point = (n: number) => ({ position: String(n).padStart(16, '0'), at: 1000 * n });
  const bounds: Bounds = { first: point(3), last: point(90), numbered: true };

  it('stand where the moment is, and now at the end', () => {
    assert.deepEqual(
      [point(40), undefined, point(1), point(99)].map((one) => valueAt(bounds, one)),
      [40, 90, 3, 90],
    );
    assert.deepEqual(
      [40, 90, 2].map((value) => positionAt(bounds, value)),
      [point(40).position, undefined, point(3).position],
    );
  });

  it('go no further than the ends', () => {
    assert.equal(stepFrom(bounds, point(40), -1), point(39).position);
    assert.equal(stepFrom(bounds, point(3), -1), point(3).position);
    assert.equal(stepFrom(bounds, point(88), 1), point(89).position);
    assert.equal(stepFrom(bounds, point(89), 1), undefined);
    assert.equal(stepFrom(bounds, undefined, -1), point(89).position);
  });

  it('by time go back to what came before, and on to what came after, whatever the clock said', () => {
    const times = [40, 39, 41].map((found) => [
      isFurther(-1, point(40), point(found)),
      isFurther(1, point(40), point(found)),
    ]);
    assert.deepEqual(times, [
      [false, false],
      [true, false],
      [false, true],
    ]);
  });

  it('go by time where numbers have gaps, and are none where times are not known', () => {
    const ends = (from: number, to: number | undefined): Bounds => ({
      first: { position: '00000000000000010000', at: from },
      last: { position: '00000000000000900001', at: to },
      numbered: false,
    });
    assert.equal(scaleKind(bounds), 'events');
    assert.equal(scaleKind(ends(1, undefined)), undefined);
    const hours = ends(10_000, 10_000 + 7_200_500);
    assert.equal(scaleKind(hours), 'time');
    const { min, max, step } = scaleOf(hours);
    assert.deepEqual([min, step], [10_000, 8000]);
    assert.ok(max >= 7_210_500 && max - step < 7_210_500 && (max - min) % step === 0, String(max));
    const at = (time: number) => valueAt(hours, { position: '00000000000000200000', at: time });
    assert.deepEqual([at(20_000), at(1), at(9e9), valueAt(hours, undefined)], [20_000, min, max, max]);
    // One event: the slider has two ends all the same.
    assert.deepEqual(scaleOf(ends(5000, 5000)), { min: 5000, max: 6000, step: 1000 });
  });

  it('lead to what somebody writes, or to now', () => {
    const now = Date.parse('2026-11-27T15:00:00Z');
    assert.equal(addressed(' 2h ', now), '2026-11-27T13:00:00.000Z');
    assert.equal(addressed('2026-11-25T20:00:00Z', now), '2026-11-25T20:00:00.000Z');
    assert.deepEqual(
      ['2026-11-28T00:00:00Z', 'now', 'end', ''].map((text) => addressed(text, now)),
      [undefined, undefined, undefined, undefined],
    );
    assert.deepEqual(
      ['4711', 'build-a@3'].map((text) => addressed(text, now)),
      ['4711', 'build-a@3'],
    );
    for (const position of ['4711', '00000000000047110002', '0000000000000004711.0000000000000004700'])
      assert.ok(mayBePosition(position), position);
    for (const text of ['25:99', '2026-13-45 20:00', 'yesterday', '-3', '', '4711.', '1.2.3'])
      assert.ok(!mayBePosition(text), text);
    assert.equal(wholePosition('4711'), '0000000000004711');
    assert.equal(wholePosition('0000000000000000000a'), '0000000000000000000a');
  });
});

describe('what is not the same of a thing', () => {
  it('is told with its values where they are short', () => {
    const before = { state: 'queued', attempt: 0, agent: undefined, systems: ['a-linux'], reason: 'x'.repeat(30) };
    const after = { state: 'running', attempt: 2, agent: 'birch', systems: ['a-linux'] };
    assert.deepEqual(othersChanged(before, after), ['attempt 0 → 2', 'agent none → birch', 'reason']);
    assert.deepEqual(
      othersChanged({ state: 'kept', on: [], where: { a: 1 } }, { state: 'kept', on: ['x', 'y'], where: {} }),
      ['on none → x y', 'where {"a":1} → {}'],
    );
    assert.deepEqual(othersChanged(null, after), []);
  });

  it('was done by somebody', () => {
    assert.equal(actorText({ id: 'agent-birch', kind: 'agent', name: 'birch' }), 'agent birch');
    assert.equal(actorText({ id: '1m8a', kind: 'token', name: 'ci' }), 'token ci (1m8a)');
    assert.equal(actorText({ id: 'coordinator', kind: 'system' }), 'coordinator');
  });
});

it('no more rows of a difference are asked for than there may be', () => {
  assert.equal(mostRows, mostChanges);
  assert.deepEqual([null, '', '0', 'x', '1.5', '70', '12800'].map(rowsAsked), [50, 50, 50, 50, 50, 70, mostRows]);
  const asked: number[] = [];
  for (let rows: number | undefined = rowsAsked(null); rows !== undefined; rows = moreRows(rows)) asked.push(rows);
  assert.deepEqual(asked, [50, 200, 800, 3200, mostRows]);
});
