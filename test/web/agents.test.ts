import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { intakeOf, remarksOf } from '../../web/words/agents.ts';

describe('what keeps an agent from builds', () => {
  const now = 1_800_000_000_000;
  const well = {
    name: 'oak',
    state: 'connected',
    intake: 'accepting',
    operator: { said: 'active' },
    link: { state: 'connected', since: now - 5000 },
    running: [],
    recent: { attempts: 0, failed: 0 },
  } as const;

  it('is nothing where all is well', () => assert.deepEqual(remarksOf(well, now), []));

  it('is said of each thing by itself', () => {
    const remarks = remarksOf(
      {
        ...well,
        operator: { said: 'paused', since: now - 60_000, by: 't-1', byName: 'ci', reason: 'new disk' },
        link: { state: 'lost', since: now - 3_600_000, reason: 'lease' },
        quarantine: { since: now - 1000, reason: 'it fails' },
        limited: { since: now, by: 'load', reason: 'load 9' },
      },
      now,
    );
    assert.deepEqual(remarks, [
      'paused 1 min ago by ci: new disk',
      'lost 1 h ago: lease',
      'quarantined 1 s ago: it fails',
      'takes nothing for now: load 9',
    ]);
    assert.deepEqual(remarksOf({ ...well, link: { state: 'new', since: 0 } }, now), ['has never connected']);
  });

  it('has ended where a drained one has nothing left', () => {
    assert.equal(intakeOf({ intake: 'draining', operator: { said: 'drained' } }), 'drained');
    assert.equal(intakeOf({ intake: 'draining', operator: { said: 'draining' } }), 'draining');
  });
});
