import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { buildFilterStates } from '../../coordinator/ports/views.ts';
import { whileFollowed, whileWanted } from '../../web/live/wanted.ts';
import {
  buildStates,
  isSelected,
  pageOfEvent,
  placeIn,
  positionBefore,
  selectionIn,
  thingOf,
} from '../../web/words/things.ts';

const hash = '0123456789abcdfghijklmnpqrsvwxyz';

describe('what events are of', () => {
  it('has a page, by the name of the stream or by what the event says', () => {
    assert.equal(thingOf('build-1m8ej2svqjzfb8w0-12', {}).href, '/builds/1m8ej2svqjzfb8w0-12');
    assert.equal(thingOf('hook-ci', {}).href, '/hooks/ci');
    assert.equal(thingOf(`item-${hash}`, { path: `${hash}-a+b?` }).href, `/items/${hash}-a%2Bb%3F`);
    assert.equal(thingOf(`derivation-${hash}`, { path: `${hash}-a.drv` }).href, `/builds?derivation=${hash}-a.drv`);
  });

  it('has a page by the id of one of them, too', () => {
    assert.equal(pageOfEvent('build-1m8ej2svqjzfb8w0-12@3'), '/builds/1m8ej2svqjzfb8w0-12');
    assert.equal(pageOfEvent('submission-1m8ej2svqjzfb8w0@0'), '/submissions/1m8ej2svqjzfb8w0');
    assert.equal(pageOfEvent(`item-${hash}@1`), undefined);
  });

  it('has none where that is not known', () => {
    assert.deepEqual(thingOf(`item-${hash}`, { path: 7 }), { text: `item-${hash}` });
    assert.deepEqual(thingOf('audit-log', null), { text: 'audit-log' });
  });
});

describe('which events are looked at', () => {
  const event = { type: 'drover.BuildFailed', stream: 'build-a-1', actor: 'agent-x', correlation: 'a' };
  const shows = (query: string) => isSelected(selectionIn(new URLSearchParams(query)), event);

  it('is what the address says', () => {
    for (const query of ['', 'type=BuildFailed', 'type=drover.BuildFailed', 'type=X,BuildFailed', 'stream=build-'])
      assert.ok(shows(query), query);
    for (const query of ['stream=build-a-1,item-', 'actor=agent-x&correlation=a', 'type=&stream='])
      assert.ok(shows(query), query);
    for (const query of ['type=BuildSucceeded', 'stream=build-a', 'stream=item-', 'actor=x', 'correlation=b'])
      assert.ok(!shows(query), query);
  });
});

describe('places in the log', () => {
  it('are found further back where positions are numbers', () => {
    assert.equal(positionBefore('0000000000004711', 100), '0000000000004611');
    assert.equal(positionBefore('0000000000000100', 100), 'start');
    assert.equal(positionBefore('00000000000000000100.00000000000000000100', 1), undefined);
  });

  it('are times, or what the coordinator takes', () => {
    const now = Date.parse('2026-11-27T12:00:00Z');
    assert.deepEqual(placeIn('2h', now), { time: now - 7_200_000 });
    assert.deepEqual(placeIn(' 3 min ago', now), { time: now - 180_000 });
    assert.deepEqual(placeIn('2026-11-25T20:00:00Z', now), { time: Date.parse('2026-11-25T20:00:00Z') });
    const today = (clock: string) => Date.parse(`2026-11-27T${clock}`);
    const noon = today('12:00:00');
    assert.deepEqual(placeIn('9:05', noon), { time: today('09:05:00') });
    assert.deepEqual(placeIn(' 11:59:58 ', noon), { time: today('11:59:58') });
    assert.deepEqual(
      placeIn('12:01', noon),
      { time: Date.parse('2026-11-26T12:01:00') },
      'yesterday, as it is not yet',
    );
    const zone = process.env.TZ;
    process.env.TZ = 'Pacific/Auckland';
    assert.deepEqual(placeIn('2026-11-25', now), placeIn('2026-11-25 00:00', now), 'a day is one of who looks');
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
    for (const from of ['start', 'now', '0000000000004711', 'build-a-1@4', '24:00', '12:60', '1:2'])
      assert.deepEqual(placeIn(from, now), { from });
  });
});

it('what somebody wants is begun once, and ends a while after nobody does any more', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const ends: AbortSignal[] = [];
  const want = whileWanted((end) => ends.push(end));
  const leaves = [want(), want()];
  for (const leave of [leaves[0], leaves[0], leaves[1]]) leave?.();
  mock.timers.tick(1999);
  const again = want();
  mock.timers.tick(5000);
  assert.deepEqual([ends.length, ends[0]?.aborted], [1, false]);
  again();
  mock.timers.tick(2000);
  assert.ok(ends[0]?.aborted);
  want();
  assert.deepEqual([ends.length, ends[1]?.aborted], [2, false]);
  mock.timers.reset();
});

it('what fails is followed again while it is wanted, and is over when it is not, also between two tries', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const told: string[] = [];
  const settled = () => new Promise(setImmediate);
  const want = whileFollowed(
    async () => {
      told.push('begun');
      throw new Error('not now');
    },
    () => told.push('failed'),
    () => told.push('over'),
  );
  const leave = want();
  await settled();
  assert.deepEqual(told.splice(0), ['begun', 'over', 'failed']);
  mock.timers.tick(500);
  await settled();
  assert.deepEqual(told.splice(0), ['begun', 'over', 'failed']);
  leave();
  mock.timers.tick(999);
  await settled();
  assert.deepEqual(told.splice(0), []);
  mock.timers.tick(1);
  await settled();
  assert.deepEqual(told.splice(0), ['begun', 'over', 'failed']);
  mock.timers.tick(1000);
  assert.deepEqual(told.splice(0), ['over'], 'it waits for the next try');
  mock.timers.tick(20_000);
  await settled();
  assert.deepEqual(told, []);
  mock.timers.reset();
});

it('builds are narrowed down by all that the API takes, but for what has a word that says more', () => {
  const left = new Set<string>(buildFilterStates).difference(new Set<string>(buildStates));
  assert.deepEqual([...left], ['queued', 'allocated']);
  assert.ok(new Set<string>(buildStates).isSubsetOf(new Set<string>(buildFilterStates)));
});
