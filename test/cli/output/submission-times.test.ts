import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSubmissionTimes } from '../../../cli/output/submission-times.ts';
import type { SubmissionTimes } from '../../../coordinator/application.ts';

const minute = 60_000;
const derivation = `${'0'.repeat(32)}-hello-2.12.drv`;
const phases = { slot: 130 * minute, fetching: 10 * minute, building: 60 * minute };
const times: SubmissionTimes = {
  builds: 3,
  phases: { inputs: 70 * minute, ...phases },
  untold: 1,
  criticalPath: {
    from: 0,
    to: 200 * minute,
    ended: true,
    phases,
    builds: 2,
    steps: [{ build: 's-2', derivation, from: 0, to: 200 * minute, phases }],
  },
  advice: [
    { kind: 'slot', ms: 130 * minute, system: 'x86_64-linux', features: ['kvm'], builds: 2 },
    { kind: 'building', ms: 60 * minute, builds: 2 },
    { kind: 'lost', ms: 10 * minute, builds: 1 },
  ],
};

test('the times of a submission say where they went and what would have saved some', () => {
  assert.equal(
    formatSubmissionTimes(times, { colour: false, width: undefined, wide: false, now: () => 0 }),
    `
Time of 3 builds, added up:
  waiting for inputs:       1h 10m (26 %)
  waiting for a free slot:  2h 10m (48 %)
  fetching:                 10m (4 %)
  building:                 1h (22 %)
1 attempt of older agents did not say how long they fetched: that is with allocated, and not known.

Critical path: 2 builds in 3h 20m, each waiting for the one before it
  … 1 earlier build
  BUILD  NAME        TOOK    OF THAT
  s-2    hello-2.12  3h 20m  waiting for a free slot 2h 10m, fetching 10m, building 1h

What would have made it faster:
  * 2h 10m (65 %) of the critical path waited for a free slot for x86_64-linux with kvm (2 builds): one more slot would have saved up to 2h 10m
  * 1h (30 %) of the critical path was building, 2 builds one after the other: more agents change nothing here, faster ones would
  * 10m (5 %) of the critical path went into attempts whose agents were lost (1 build): agents that stay would have saved up to 10m
`,
  );
});
