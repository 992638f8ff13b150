import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { damageReferences, databaseOf } from '../support/damage-references.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { countOf, isAgent, isBuild } from '../support/e2e/events-of.ts';

const quickRetries = { flags: ['--retry-base-seconds', '1', '--retry-max-seconds', '1'] };

e2e('an input whose references the store of the only agent has lost is brought again', quickRetries, async (farm) => {
  const { root } = await farm.agent('a');
  await farm.submit(['referring'], '--wait');
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
});

e2e('an agent whose store database is damaged is unfit by name, and fails no build', quickRetries, async (farm) => {
  const { root } = await farm.agent('a');
  await farm.submit(['referring'], '--wait');
  damageReferences(root);
  await farm.submit(['throughReferring']);
  const build = await farm.buildOf('through-referring');
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
});
