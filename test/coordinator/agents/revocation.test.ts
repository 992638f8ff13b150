import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import { admin, derivation, openTestCoordinator } from '../../support/coordinator.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;

/** A farm in which `a` builds the only derivation. */
async function open() {
  const farm = await openTestCoordinator([derivation(1)]);
  await farm.connect('a');
  await farm.submit(1);
  const [allocation] = farm.allocations();
  assert.equal(allocation?.agent, 'a');
  const tokenOf = (agent: string) => farm.application.tokens().find((token) => token.agent === agent)?.id ?? '';
  return { farm, tokenOf, build: String(allocation?.build) };
}

describe("the revocation of an agent's token", () => {
  it('releases what the agent has; it goes to others, never to the agent again', async () => {
    const { farm, tokenOf, build } = await open();
    await farm.application.revokeToken(admin, tokenOf('a'));
    await farm.settle();
    assert.deepEqual(farm.allocations(), [], 'nobody else is there');
    assert.deepEqual(
      farm.application.agents().map(({ state, intake, reason }) => ({ state, intake, reason })),
      [{ state: 'disconnected', intake: 'offline', reason: 'its token was revoked' }],
    );
    const why = await farm.application.why(build);
    assert.equal(why.reason, 'no-agent');
    assert.match(why.summary, /a has no valid token; 'drover agents rotate-token a' makes one/);
    assert.deepEqual((await farm.types(`build-${build}`)).slice(-1), ['BuildReleased']);

    await farm.connect('b');
    const [next] = farm.allocations();
    assert.deepEqual([next?.agent, next?.build, next?.attempt], ['b', build, 2]);
  });

  it('is durable before what the agent says is refused for it: that is acknowledged, and not said again', async () => {
    const { farm, tokenOf, build } = await open();
    let isDurable = false;
    const revoked = farm.application.revokeToken(admin, tokenOf('a')).then(() => {
      isDurable = true;
    });
    await assert.rejects(farm.report('a', { type: 'started', build, attempt: 1 }), (error) => {
      assert.equal(isDurable, true);
      return refusal('token-unknown')(error);
    });
    await revoked;
  });

  it('ends its links, and what still comes over one counts no more', async () => {
    const { farm, tokenOf, build } = await open();
    const token = tokenOf('a');
    await farm.application.revokeToken(admin, token);
    assert.deepEqual([farm.closed, farm.ended], [['a'], [token]]);
    const head = await farm.store.head();
    await assert.rejects(farm.report('a', { type: 'started', build, attempt: 1 }), refusal('token-unknown'));
    const chunk = { type: 'log', build, attempt: 1, offset: 0, data: Buffer.from('x') } as const;
    await assert.rejects(farm.application.agentOob('a', chunk), refusal('token-unknown'));
    assert.equal(await farm.store.head(), head);
  });

  it('is durable before anything ends', async () => {
    const { farm, tokenOf } = await open();
    const revoking = farm.application.revokeToken(admin, tokenOf('a'));
    assert.deepEqual(farm.ended, []);
    await revoking;
    assert.equal(farm.ended.length, 1);
  });

  it('is told to nobody before it is durable, as who hears it gives up what he builds', async () => {
    const { farm } = await open();
    const { secret } = await farm.application.rotateToken(admin, 'a', { overlapSeconds: 3600 });
    const order: string[] = [];
    const removed = farm.application.steerAgent(admin, 'a', 'remove').then(() => order.push('durable'));
    assert.throws(() => farm.application.authenticate(secret), refusal('not-ready'));
    await assert.rejects(farm.connect('a'), refusal('agent-retired'));
    order.push('refused');
    await removed;
    assert.deepEqual(order, ['durable', 'refused']);
    assert.equal(farm.application.authenticate(secret), undefined);
  });

  it('goes on after a stop right behind it', async () => {
    const { farm, tokenOf, build } = await open();
    const revoked = `token-${tokenOf('a')}` as const;
    await farm.store.append({
      id: 'by-hand',
      stream: revoked,
      expected: 0,
      events: [{ type: 'TokenRevoked', version: 1, data: {} }],
      meta: { actor: 'admin' },
      at: 1,
    });
    const restarted = await openTestCoordinator([derivation(1)], { store: farm.store, seed: 2 });
    await restarted.settle();
    assert.equal((await restarted.types(`build-${build}`)).at(-1), 'BuildReleased');
  });

  it('with the removal of the agent says that it was removed', async () => {
    const { farm, tokenOf } = await open();
    const token = tokenOf('a');
    await farm.application.steerAgent(admin, 'a', 'remove');
    assert.deepEqual([farm.closed, farm.ended], [['a'], [token]]);
    assert.equal(farm.application.agents()[0]?.state, 'retired');
  });
});

describe('the revocation of a token of a client', () => {
  it('ends what the token opened and nothing else', async () => {
    const { farm } = await open();
    const { id, secret } = await farm.application.createToken(admin, { name: 'ci', scope: 'submit' });
    await farm.application.createToken(admin, { name: 'other', scope: 'submit' });
    await farm.application.revokeToken(admin, id);
    assert.deepEqual([farm.ended, farm.closed], [[id], []]);
    assert.equal(farm.application.authenticate(secret), undefined);
    await farm.application.revokeToken(admin, id);
    assert.deepEqual(farm.ended, [id], 'again is granted, and does nothing');
  });
});

describe("a rotation of an agent's token", () => {
  const rotate = (farm: Awaited<ReturnType<typeof open>>['farm'], overlapSeconds: number) =>
    farm.application.rotateToken(admin, 'a', { overlapSeconds });

  it('has both accepted for a while; then the older is revoked, and the agent keeps what it builds', async () => {
    const { farm, tokenOf, build } = await open();
    const before = tokenOf('a');
    const { id, secret, replaced, until } = await rotate(farm, 100);
    assert.deepEqual(replaced, [before]);
    assert.deepEqual(farm.application.authenticate(secret), { id, scope: 'agent', agent: 'a' });
    await farm.pass(99);
    const tokens = () => farm.application.tokens().map((token) => [token.id, token.revoked, token.until]);
    assert.deepEqual(tokens(), [
      [before, false, until],
      [id, false, undefined],
    ]);
    await farm.pass(2);
    assert.deepEqual(tokens(), [
      [before, true, undefined],
      [id, false, undefined],
    ]);
    const { revocation } = farm.application.tokens().find(({ id }) => id === before) ?? {};
    assert.ok(revocation !== undefined && until !== undefined && revocation.at >= until);
    assert.equal(revocation.by, 'coordinator');
    assert.deepEqual(farm.ended, [before], 'links of the older token end');
    assert.deepEqual(farm.closed, [], 'and no other');
    assert.equal((await farm.types(`build-${build}`)).includes('BuildReleased'), false);
    await farm.report('a', { type: 'started', build, attempt: 1 });
  });

  it('goes on over a restart, whatever the clock said in the meantime', async () => {
    const { farm, tokenOf } = await open();
    const before = tokenOf('a');
    await rotate(farm, 100);
    farm.dispose();
    // The clock of the second coordinator begins anew, long before the first one's end: it still waits no longer than the overlap.
    const restarted = await openTestCoordinator([derivation(1)], { store: farm.store, seed: 2 });
    const revoked = () => restarted.application.tokens().find(({ id }) => id === before)?.revoked;
    assert.equal(revoked(), false);
    await restarted.pass(101);
    assert.equal(revoked(), true);
  });

  it('without an overlap revokes at once; the agent keeps what it builds', async () => {
    const { farm, tokenOf, build } = await open();
    const before = tokenOf('a');
    await rotate(farm, 0);
    assert.deepEqual([farm.ended, farm.closed], [[before], []]);
    assert.equal((await farm.types(`build-${build}`)).includes('BuildReleased'), false);
  });

  it('a second time never lengthens what the first one set', async () => {
    const { farm, tokenOf } = await open();
    const before = tokenOf('a');
    const first = await rotate(farm, 100);
    await rotate(farm, 1000);
    const until = farm.application.tokens().find(({ id }) => id === before)?.until;
    assert.equal(until, first.until);
    const third = await rotate(farm, 10);
    const ends = farm.application.tokens().map((token) => token.until);
    assert.deepEqual(ends, [third.until, third.until, third.until, undefined]);
  });

  it('lets in an agent that was locked out, with what it still runs', async () => {
    const { farm, tokenOf, build } = await open();
    await farm.application.revokeToken(admin, tokenOf('a'));
    await rotate(farm, 0);
    const { drop } = await farm.connect('a', {}, [{ build, attempt: 1, phase: 'building' }]);
    assert.deepEqual(drop, []);
    assert.equal((await farm.application.why(build)).reason, 'running');
  });

  it('is refused for an agent that is not there, or was removed', async () => {
    const { farm } = await open();
    await assert.rejects(farm.application.rotateToken(admin, 'b', { overlapSeconds: 0 }), refusal('unknown-agent'));
    await farm.application.steerAgent(admin, 'a', 'remove');
    await assert.rejects(rotate(farm, 0), refusal('agent-retired'));
  });
});

describe('the revocation of the last admin token', () => {
  it('is refused unless it is meant', async () => {
    const { farm } = await open();
    const { application } = farm;
    const [one, two] = [
      await application.createToken(admin, { name: 'one', scope: 'admin' }),
      await application.createToken(admin, { name: 'two', scope: 'admin' }),
    ];
    await application.createToken(admin, { name: 'reader', scope: 'read' });
    await application.revokeToken(admin, one.id);
    await assert.rejects(application.revokeToken(admin, two.id), refusal('last-admin-token'));
    assert.equal(application.authenticate(two.secret)?.scope, 'admin');
    await application.revokeToken(admin, one.id, {});
    await application.revokeToken(admin, two.id, { force: true });
    assert.equal(application.authenticate(two.secret), undefined);
  });
});
