import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { simulate } from './run.ts';

/** More seeds: `SIMULATION_SEEDS=500 npm test -- simulation`; one seed: `SIMULATION_SEED=17`. */
const only = process.env.SIMULATION_SEED;
const count = Number(process.env.SIMULATION_SEEDS ?? 12);
const seeds = only === undefined ? Array.from({ length: count }, (_, n) => n + 1) : [Number(only)];

describe('a farm under faults builds all that can be built, and ends what cannot', () => {
  for (const seed of seeds)
    it(`seed ${seed}`, async (test) => {
      const { events, succeeded, restarts, ms, attempts, canceled } = await simulate({
        seed,
        derivations: 40,
        agents: 5,
        faults: 25,
        faultsOverMs: 60_000,
        flaky: 0.2,
        hopeless: 3,
        wishes: 40,
      });
      test.diagnostic(
        `${succeeded} builds, ${attempts} attempts, ${restarts} restarts, ${canceled} submissions cancelled, ${events} events in ${Math.round(ms / 1000)} simulated seconds`,
      );
      assert.ok(succeeded > 20);
    });

  it('without faults, each derivation is attempted once', async () => {
    const { succeeded, attempts } = await simulate({
      seed: 1,
      derivations: 60,
      agents: 6,
      faults: 0,
      faultsOverMs: 1000,
      flaky: 0,
    });
    assert.equal(succeeded, attempts);
  });
});
