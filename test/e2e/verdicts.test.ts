import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';

const quickRetries = { flags: ['--retry-base-seconds', '1', '--retry-max-seconds', '1', '--quarantine-failures', '1'] };

e2e('what is the build’s own fault ends the build, quickly and with all that Nix said', quickRetries, async (farm) => {
  // Two of a kind, or nobody could be quarantined.
  const agents = await Promise.all([farm.agent('a'), farm.agent('b')]);

  // A pipe for an output was tried for ever as an error of the agent.
  await farm.submit(['pipe'], '--max-attempts', '2');
  const pipe = await farm.buildOf('pipe');
  const refused = await farm.next('BuildFailed', isBuild(pipe));
  assert.equal(refused.data.class, 'rejected');
  assert.match(refused.data.message, /unsupported type/);

  // Neither was one that is deeper than Nix can look; and what it left nobody removed.
  await farm.submit(['tooDeep']);
  const deep = await farm.next('BuildFailed', isBuild(await farm.buildOf('too-deep')));
  assert.deepEqual([deep.data.class, deep.data.attempt], ['rejected', 1]);
  assert.match(deep.data.message, /File name too long/);
  for (const { root } of agents)
    assert.deepEqual(
      readdirSync(join(root, 'nix/store')).filter((name) => name.endsWith('.chroot')),
      [],
    );

  // What Nix takes and the coordinator does not is no agent's fault either.
  await farm.submit(['oddName']);
  const odd = await farm.next('BuildFailed', isBuild(await farm.buildOf('odd-name')));
  assert.deepEqual([odd.data.class, odd.data.attempt], ['rejected', 1]);
  assert.match(odd.data.message, /^[0-9a-z]{32}-odd-name: .*~nix~case~hack~/);

  // A builder's own words do not make the machine's disk full.
  await farm.submit(['sayingDiskFull'], '--max-attempts', '2');
  const saying = await farm.buildOf('saying-disk-full');
  const failed = await farm.next('BuildFailed', isBuild(saying));
  assert.deepEqual(
    [failed.data.class, failed.data.attempt, failed.data.cause],
    ['builder-failed', 2, 'attempts-used-up'],
  );
  const why = await farm.drover(['builds', 'why', saying]);
  assert.match(why.stdout, /^The build has failed: attempt 2 on [ab]: builder-failed: .* Its attempts are used up\.\n/);

  // A wrong hash: whoever waits, looks or asks for the log is told both.
  const [wrong = ''] = await farm.instantiate('wrongHash');
  const waited = await farm.drover(['submit', '--store-root', farm.evaluated, '--max-attempts', '1', '--wait', wrong]);
  assert.equal(waited.code, 1);
  const id = await farm.buildOf('wrong-hash');
  const shown = await farm.drover(['builds', 'show', id]);
  const log = await farm.drover(['builds', 'log', id]);
  assert.equal(log.code, 0);
  for (const said of [waited.said, shown.stdout, log.said]) {
    assert.match(said, /specified: sha256-AAAA/);
    assert.match(said, /got: +sha256-2HJEFmilTMdc6grzDHtsLJXwjoBvNwrYl9dsVbzMmKA=/);
  }
  assert.deepEqual(
    farm.feed.events.filter(({ type }) => type === 'AgentQuarantined'),
    [],
  );
});

e2e('an output that is gone from its agent’s disk, though not from its database, is built again', {}, async (farm) => {
  const { root } = await farm.agent('a');
  await farm.submit(['small'], '--wait');
  const [small = ''] = await farm.instantiate('small');
  const { body } = await farm.request('GET', `/v1/builds/${await farm.buildOf('small')}`);
  await rm(join(root, 'nix/store', body.outputs.out));
  await farm.request('DELETE', `/v1/items/${body.outputs.out}?force=true`);
  const again = await farm.drover(['submit', '--store-root', farm.evaluated, '--json', '--force', '--wait', small]);
  assert.equal(again.code, 0, again.said);
  const success = await farm.next('BuildSucceeded', isBuild(`${JSON.parse(again.stdout).submission}-1`));
  assert.equal(success.data.attempt, 1);
});
