import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildStates } from '../../../coordinator/ports/views.ts';
import type { DroverEvent } from '../../../domain/events.ts';
import { eventTypes } from '../../../domain/events.ts';
import { type SimulatedFarm, simulateFarm } from './random-farm.ts';
import { createMemoryViews, type Recorded } from './views-in-memory.ts';

const steps = fc.array(fc.record({ does: fc.nat(1000), pick: fc.nat(10_000) }), {
  minLength: 5,
  maxLength: 120,
  size: 'max',
});

function recorded({ events }: SimulatedFarm): Recorded[] {
  return events
    .filter(({ type }) => eventTypes.has(type))
    .map(({ type, data, stream, at }) => ({ stream, at, event: { type, data } as DroverEvent }));
}

test('the simulated farm records valid events only, and every type of the tables', () => {
  const seen = new Set<string>();
  for (const farm of fc.sample(steps, { numRuns: 60, seed: 7 }).map(simulateFarm)) {
    for (const { type, data } of farm.events) {
      seen.add(type);
      eventTypes.get(type)?.schema.parse(data);
    }
  }
  const inTables = [...eventTypes.keys()].filter((type) => /^(Build|StoreItem|Derivation|Submission)/.test(type));
  assert.deepEqual(
    inTables.filter((type) => !seen.has(type)),
    [
      'SubmissionJoined',
      'SubmissionSetAside',
      'SubmissionResumed',
      'SubmissionCanceled',
      'DerivationTextLost',
      'DerivationTextRestored',
      'BuildAttemptKept',
      'BuildWantWithdrawn',
      'StoreItemFoundUpstream',
      'StoreItemLostUpstream',
      'BuildsRemembered',
    ],
  );
});

test('a build is in the state that its events left it in, and the counts of a submission are those of its builds', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const farm = simulateFarm(taken);
      using views = createMemoryViews().given(...recorded(farm));
      const expected = [...farm.builds.values()].map(({ id, state, attempt }) => ({ id, state, attempt }));
      const rows = views.rows('SELECT id, state, attempt FROM builds ORDER BY seq');
      // A late success makes its attempt the one that is told of.
      const late = new Set(
        [...farm.builds.values()]
          .filter(({ released, state }) => released !== undefined && state === 'succeeded')
          .map(({ id }) => id),
      );
      assert.deepEqual(
        rows.filter(({ id }) => !late.has(String(id))),
        expected.filter(({ id }) => !late.has(id)),
      );
      assert.deepEqual(
        rows.map(({ id, state }) => ({ id, state })),
        expected.map(({ id, state }) => ({ id, state })),
      );
      const recount = buildStates.map((state) => `sum(state = '${state}') AS ${state}`).join(', ');
      assert.deepEqual(
        views.rows(`SELECT submission, ${buildStates.join(', ')} FROM submission_counts ORDER BY submission`),
        views.rows(`SELECT submission, ${recount} FROM builds GROUP BY submission ORDER BY submission`),
      );
      assert.deepEqual(
        views.rows(
          "SELECT * FROM attempts WHERE outcome = 'running' AND build IN (SELECT id FROM builds WHERE ended_at IS NOT NULL)",
        ),
        [],
      );
      const paths = views.rows('SELECT path FROM items').map(({ path }) => path);
      assert.deepEqual(paths.toSorted(), [...farm.items].toSorted());
    }),
    { numRuns: 100 },
  );
});
