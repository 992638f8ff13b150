import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLagClock } from '../../../adapters/views/lag.ts';
import { createPace } from '../../../adapters/views/sqlite/pace.ts';

const at = (position: number) => String(position).padStart(16, '0');
const forEver = 2 ** 31 - 1;

test('a rest ends where somebody waits for what is not there, and none begins while somebody does', async () => {
  const pace = createPace(forEver);
  pace.reached(at(1));
  pace.want(at(1));
  const rest = pace.rest();
  let over = false;
  void rest.then(() => {
    over = true;
  });
  pace.want(at(1));
  await new Promise(setImmediate);
  assert.equal(over, false);
  pace.want(at(3));
  await rest;
  pace.reached(at(2));
  await pace.rest();
  pace.reached(at(3));
  const last = pace.rest();
  pace.end();
  await last;
  await pace.rest();
});

test('who is behind by how many events, and for how long the oldest of them has been stored', () => {
  let now = 0;
  const lag = createLagClock(() => now);
  assert.deepEqual(lag.behind(undefined), { events: 0, seconds: 0 });
  lag.stored(at(3));
  now = 50;
  lag.stored(at(5));
  now = 1000;
  lag.stored(at(9));
  now = 3000;
  assert.deepEqual(lag.behind(undefined), { events: 9, seconds: 3 });
  assert.deepEqual(lag.behind(at(4)), { events: 5, seconds: 3 });
  assert.deepEqual(lag.behind(at(5)), { events: 4, seconds: 2 });
  assert.deepEqual(lag.behind(at(9)), { events: 0, seconds: 0 });
  lag.stored('00000000000000a0');
  assert.deepEqual(lag.behind(at(9)), { seconds: 0 });
  // Those of NATS count commits, and the events of each.
  const ofCommits = createLagClock(() => now);
  ofCommits.stored('00000000000000870000');
  assert.deepEqual(ofCommits.behind('00000000000000020000'), { seconds: 0 });
});
