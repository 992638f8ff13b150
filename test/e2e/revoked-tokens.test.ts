import assert from 'node:assert/strict';
import { join } from 'node:path';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';

e2e('a renewed token is taken up, a revoked one ends all that it opened', {}, async (farm) => {
  const a = await farm.agent('a');
  await farm.submit(['slow']);
  await farm.gate('slow').arrived();
  const build = await farm.buildOf('slow');
  await farm.agent('b');
  const tokensOf = async (agent: string): Promise<{ id: string; revoked: boolean }[]> => {
    const { body } = await farm.request('GET', '/v1/tokens');
    return body.rows.filter((token: { agent?: string }) => token.agent === agent);
  };
  const revoke = async (id: string) => {
    const { code, said } = await farm.drover(['tokens', 'revoke', id]);
    assert.equal(code, 0, said);
  };

  // The file is replaced, then the older token ends before its time: the agent comes back with the new one, and goes on.
  const [older] = await tokensOf('a');
  const tokenFile = join(farm.folder, 'agent-a', 'token');
  const rotated = await farm.drover(['agents', 'rotate-token', 'a', '--token-file', tokenFile, '--overlap', '1d']);
  assert.equal(rotated.code, 0, rotated.said);
  await revoke(older?.id ?? '');
  await a.process.says(/the token was renewed/);
  const connected = ({ stream }: { stream: string }) => stream === 'agent-a';
  await farm.next('AgentConnected', connected);
  await farm.next('AgentDisconnected', connected);
  await farm.next('AgentConnected', connected);
  assert.equal((await farm.request('GET', `/v1/builds/${build}`)).body.attempt, 1);

  // Whoever reads with a token reads no further once it is gone.
  const { body: reader } = await farm.request('POST', '/v1/tokens', { body: { name: 'reader', scope: 'read' } });
  const feed = await fetch(`${farm.url}/v1/events?from=end`, { headers: { authorization: `Bearer ${reader.secret}` } });
  const ended = feed.text().then(
    () => 'whole',
    () => 'cut',
  );
  const follow = farm.drover(['builds', 'log', build, '--follow'], { env: { DROVER_TOKEN: reader.secret } });
  await revoke(reader.id);
  assert.equal(await ended, 'cut');
  assert.match((await follow).said, /token-unknown/);

  // The agent without a token leaves, and what it had goes to the other.
  const renewed = (await tokensOf('a')).find(({ revoked }) => !revoked);
  await revoke(renewed?.id ?? '');
  assert.deepEqual((await farm.next('BuildReleased', isBuild(build))).data, {
    attempt: 1,
    agent: 'a',
    reason: 'token-revoked',
  });
  assert.deepEqual(await a.process.exited, { code: 77, signal: null });
  assert.match(a.process.said(), /the coordinator refuses this agent: .*revoked/);
  const { body: status } = await farm.request('GET', '/v1/agents/a');
  assert.deepEqual([status.intake, status.reason], ['offline', 'its token was revoked']);
  farm.gate('slow').open();
  const { data } = await farm.next('BuildSucceeded', isBuild(build));
  assert.deepEqual([data.attempt, data.agent], [2, 'b']);
});
