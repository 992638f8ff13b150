import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { damageReferences, databaseOf } from '../support/damage-references.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { countOf, isAgent, isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';

const quickRetries = { flags: ['--retry-base-seconds', '1', '--retry-max-seconds', '1'] };

/** One farm for both, as most of the time of a test is the start of its processes. */
e2e(
  'what the store of an agent has lost is brought again, and one that is damaged fails no build',
  quickRetries,
  async (farm) => {
    const { root } = await farm.agent('a');
    await farm.submit(['referring'], '--wait');
    await lostReferences(farm, root);
    await damagedDatabase(farm, root);
  },
);

/** An input whose references the store of the only agent has lost is brought again. */
async function lostReferences(farm: Farm, root: string): Promise<void> {
  {
    using database = new DatabaseSync(databaseOf(root));
    database.exec('DELETE FROM Refs');
  }
  await farm.submit(['throughReferring'], '--wait', '--max-attempts', '1');
  const build = await farm.buildOf('through-referring');
  const failed = await farm.next('BuildAttemptFailed', isBuild(build));
  assert.equal(failed.data.class, 'agent-error');
  assert.match(failed.data.message, /-referring: expected references \S+-small, got \(none\)\n[\s\S]*exit code 4/);
  assert.equal((await farm.next('BuildSucceeded', isBuild(build))).data.attempt, 2);
  assert.equal(countOf(farm, 'BuildAttemptFailed', build), 1);
}

/** Its agent is unfit by name, and fails no build. */
async function damagedDatabase(farm: Farm, root: string): Promise<void> {
  damageReferences(root);
  await farm.submit(['throughReferringAgain']);
  const build = await farm.buildOf('through-referring-again');
  const unfit = await farm.next('AgentUnfit', isAgent('a'));
  assert.match(
    unfit.data.reason,
    /store database: \S+db\.sqlite is damaged \(.*\): stop the agent and remove \S+root; what builds need comes from the cache again/,
  );
  const listed = await farm.drover(['agents', 'list']);
  assert.match(listed.stdout, /is damaged/);

  await farm.agent('b');
  await farm.next('BuildSucceeded', isBuild(build));
  assert.equal(countOf(farm, 'BuildAttemptFailed', build) + countOf(farm, 'BuildSetupFailed', build), 0);
}
