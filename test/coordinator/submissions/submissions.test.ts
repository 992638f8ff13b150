import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDroverError } from '../../../coordinator/errors.ts';
import { wishOf } from '../../../coordinator/submissions/wishes.ts';
import { admin, derivation, drvPath, openTestCoordinator } from '../../support/coordinator.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;
const client = { id: 'client', scope: 'submit' } as const;

describe('a submission', () => {
  it('builds what is asked for and its inputs, inputs first', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1]), derivation(3, [2])]);
    await farm.connect('a');
    const { builds } = await farm.submit(3);
    assert.equal(builds, 3);
    for (const n of [1, 2, 3]) {
      const [allocation, ...others] = farm.allocations();
      assert.deepEqual(others, []);
      assert.equal(allocation?.derivation, drvPath(n));
      await farm.succeed('a', allocation as never, n);
    }
    assert.equal(farm.application.status().builds.succeeded, 3);
  });
  it('goes on once the text of its derivation can be read again, as soon as a client submits it again', async () => {
    let isAway = true;
    const textOf = (path: string): Uint8Array => {
      if (isAway) throw new Error('EIO: i/o error');
      return Buffer.from(path);
    };
    const farm = await openTestCoordinator([derivation(1)], { textOf });
    const { application } = farm;
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    assert.equal((await application.why(`${submission}-1`)).reason, 'text-lost');
    isAway = false;
    // As `drover submit` does first: nothing of it is missing, so that nothing of it is sent.
    assert.deepEqual(await application.missingDerivations([drvPath(1)]), []);
    await farm.settle();
    assert.equal(farm.allocations()[0]?.derivation, drvPath(1));
  });
  it('goes on by itself once the text of its derivation can be read again', async () => {
    let isAway = true;
    const textOf = (path: string): Uint8Array => {
      if (isAway) throw new Error('EIO: i/o error');
      return Buffer.from(path);
    };
    const farm = await openTestCoordinator([derivation(1)], { textOf });
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    await farm.pass(200);
    assert.equal((await farm.application.why(`${submission}-1`)).reason, 'text-lost');
    assert.deepEqual(farm.allocations(), []);
    isAway = false;
    await farm.pass(61);
    assert.equal(farm.allocations()[0]?.derivation, drvPath(1));
  });
  it('joins what is under way, and makes no second build of what is there', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    const first = await farm.submit(1);
    assert.deepEqual(await farm.submit(1).then(({ builds, joined }) => [builds, joined]), [
      0,
      [`${first.submission}-1`],
    ]);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    assert.deepEqual(await farm.submit(1).then(({ builds, available }) => [builds, available]), [0, 1]);
    const again = await farm.application.submit(admin, {
      roots: [drvPath(1)],
      options: { priority: 0 },
      inputs: true,
      force: true,
    });
    assert.equal(again.builds, 1);
  });
  it('may be for systems without end: those that no agent has are named as far as there is room', async () => {
    const systems = Array.from({ length: 40 }, (_, n) => `made-up-${n}`);
    const facts = [...systems, 'x86_64-linux', 'made-up-39'].map((system, n) => ({ ...derivation(n + 1), system }));
    const farm = await openTestCoordinator(facts);
    for (const n of facts.keys()) await farm.submit(n + 1);
    const { ready, unattended, builds } = farm.application.status();
    assert.equal(Object.keys(unattended).length, 25);
    // The largest first.
    assert.equal(unattended['made-up-39'], 2);
    assert.equal(unattended.others, 17);
    assert.deepEqual(Object.keys(ready).sort(), Object.keys(unattended).sort());
    await farm.connect('a');
    const connected = farm.application.status();
    assert.equal(connected.ready['x86_64-linux'], 0);
    assert.equal(Object.keys(connected.ready).length, 26);
    assert.equal(builds.blocked, facts.length);
    assert.equal(connected.builds.blocked, facts.length - 1);
  });
  it('may be for a system that is called as what every object has', async () => {
    const systems = ['constructor', 'toString', '__proto__', 'x86_64-linux'];
    const facts = systems.map((system, n) => ({ ...derivation(n + 1), system }));
    const farm = await openTestCoordinator(facts);
    for (const n of [1, 2, 3, 4]) await farm.submit(n);
    const { ready, unattended } = farm.application.status();
    const each = (value: number) => systems.map((system) => [system, value]);
    assert.deepEqual([Object.entries(ready), Object.entries(unattended)], [each(0), each(1)]);
    const load = { queued: 1, building: 0 };
    const { now, minutes } = farm.application.loads();
    assert.deepEqual(now, { constructor: load, toString: load, others: load, 'x86_64-linux': load });
    assert.deepEqual(minutes.at(-1)?.systems, now);
    // Tags likewise: a root that has one of its own keeps it.
    const tags = new Map<string, Readonly<Record<string, string>>>([
      ['a', { constructor: 'x', of: 'y' }],
      ['b', { of: 'y' }],
    ]);
    const { options, rootTags } = wishOf({ priority: 0 }, tags);
    assert.deepEqual([options.tags, rootTags], [{ of: 'y' }, { a: { constructor: 'x' } }]);
  });
  it('is one, however often the same key is sent, and refuses another wish under it', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    const wish = { roots: [drvPath(1)], options: { priority: 0 }, inputs: true, force: false, idempotencyKey: 'k' };
    const results = await Promise.all([farm.application.submit(client, wish), farm.application.submit(client, wish)]);
    assert.deepEqual(results[0], results[1]);
    await assert.rejects(
      farm.application.submit(client, { ...wish, roots: [drvPath(2)] }),
      refusal('idempotency-conflict'),
    );
    const another = await farm.application.submit({ ...client, id: 'other' }, wish);
    assert.notEqual(another.submission, results[0]?.submission);
  });
  it('keeps tags of single roots with their builds, and refuses too many or of others', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    const wish = { roots: [drvPath(2), drvPath(1)], inputs: true, force: false } as const;
    const options = { priority: 0, tags: { branch: 'main' } };
    const rootTags = { [drvPath(2)]: { attr: 'two' } };
    const tags = () =>
      [1, 2].map((n) => farm.farm.queue.latest(farm.farm.graph.drvOf(drvPath(n)) as number)?.state.options.tags);
    const many = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`t${n}`, '']));
    for (const [wrong, code] of [
      [{ [drvPath(9)]: { attr: 'nine' } }, 'invalid-request'],
      [{ [drvPath(1)]: many }, 'too-large'],
    ] as const)
      await assert.rejects(farm.application.submit(client, { ...wish, options, rootTags: wrong }), refusal(code));
    const asked = { ...wish, options, rootTags, idempotencyKey: 'k' };
    const { submission } = await farm.application.submit(client, asked);
    assert.deepEqual(tags(), [{ branch: 'main' }, { branch: 'main', attr: 'two' }]);
    // What is done again keeps them.
    await farm.application.cancelSubmission(admin, submission);
    const again = await farm.application.retrySubmission(admin, submission);
    assert.deepEqual(tags(), [{ branch: 'main' }, { branch: 'main', attr: 'two' }]);
    await farm.application.cancelSubmission(admin, again.submission);
    const builds = [`${submission}-1`, `${submission}-2`];
    const { submissions } = await farm.application.retryBuilds(admin, { builds });
    assert.equal(submissions.length, 1);
    assert.deepEqual(tags(), [{ branch: 'main' }, { branch: 'main', attr: 'two' }]);
    await assert.rejects(
      farm.application.submit(client, { ...wish, options, idempotencyKey: 'k' }),
      refusal('idempotency-conflict'),
    );
  });
  it('is refused where a derivation was not sent, and writes nothing', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    const before = await farm.store.head();
    await assert.rejects(farm.submit(9), refusal('unknown-derivation'));
    assert.equal(await farm.store.head(), before);
  });
  it('goes on after a stop that cut it off', async () => {
    const facts = [derivation(1), derivation(2, [1]), derivation(3, [2])];
    const farm = await openTestCoordinator(facts);
    const wish = { roots: [drvPath(3)], options: { priority: 0 }, inputs: true, force: false };
    const rootTags = { [drvPath(3)]: { attr: 'three' } };
    const { submission } = await farm.application.submit(admin, { ...wish, rootTags });
    // The same log up to any place within the submission: each is a place where the coordinator may have been killed.
    const events = [];
    for await (const batch of farm.store.readAll()) events.push(...batch.events);
    for (let cut = 1; cut < events.length; cut++) {
      const { openMemoryEventStore } = await import('../../../adapters/event-store/memory/store.ts');
      const store = openMemoryEventStore();
      for (const { stream, revision, type, version, data, meta, at, commit } of events.slice(0, cut))
        await store.append({
          id: commit,
          stream,
          expected: revision === 0 ? 'none' : revision - 1,
          events: [{ type, version, data }],
          meta,
          at,
        });
      const restarted = await openTestCoordinator(facts, { store, seed: 2 });
      await restarted.settle();
      // No agent was ever added.
      assert.equal(restarted.application.status().builds.blocked, 3, `cut after ${cut} events`);
      const types = await restarted.types(`submission-${submission}`);
      assert.equal(types.filter((type) => type === 'SubmissionQueued').length, 1);
      const again = restarted.farm.submissions.get(submission);
      assert.deepEqual([again?.queued?.derivations, again?.queued?.builds], [3, 3], `cut after ${cut} events`);
      const root = restarted.farm.queue.latest(restarted.farm.graph.drvOf(drvPath(3)) as number);
      assert.deepEqual(root?.state.options.tags, { attr: 'three' });
      restarted.dispose();
    }
  });
});

describe('allocation', () => {
  it('looks at no kinds of builds that no agent has been able to build', async ({ mock }) => {
    const systems = [...Array.from({ length: 40 }, (_, n) => `made-up-${n}`), 'x86_64-linux', 'x86_64-linux'];
    const farm = await openTestCoordinator(systems.map((system, n) => ({ ...derivation(n + 1), system })));
    for (const n of systems.slice(1).keys()) await farm.submit(n + 1);
    await farm.connect('a', { slots: 2 });
    await farm.connect('b', { systems: ['made-up-3'] });
    assert.deepEqual(
      farm.allocations().map(({ agent, derivation }) => [agent, derivation]),
      [
        ['a', drvPath(41)],
        ['b', drvPath(4)],
      ],
    );
    const looked = mock.method(farm.farm.queue, 'ready').mock;
    const { submission } = await farm.application.submit(admin, {
      roots: [drvPath(42)],
      options: { priority: 0 },
      inputs: true,
      force: false,
    });
    await farm.settle();
    const kinds = looked.calls.map(({ arguments: [{ system }] }) => system);
    assert.deepEqual([...new Set(kinds)].sort(), ['made-up-3', 'x86_64-linux']);
    assert.equal(farm.allocations()[0]?.build, `${submission}-1`);
  });
  it('follows derived priority, then age', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2), derivation(3, [2])]);
    await farm.submit(1);
    const second = await farm.submit(3);
    await farm.application.prioritizeBuild(admin, `${second.submission}-1`, 5);
    await farm.connect('a');
    assert.deepEqual(
      farm.allocations().map((one) => one.derivation),
      [drvPath(2)],
    );
  });
  it('follows the priority of a submission, which changes what it asked for, and raises what it joined', async () => {
    // 3 needs 2; 4 is asked for by two.
    const farm = await openTestCoordinator([derivation(1), derivation(2), derivation(3, [2]), derivation(4)]);
    const { submission: first } = await farm.submit(1, 4);
    const { submission: second } = await farm.submit(3, 4);
    const prioritize = (id: string, priority: number) => farm.application.prioritizeSubmission(admin, id, priority);
    const priorities = () =>
      [1, 2, 3, 4].map(
        (n) => farm.farm.queue.latest(farm.farm.graph.drvOf(drvPath(n)) as number)?.state.options.priority,
      );
    assert.deepEqual(await farm.application.submissionPriority(second), { submitted: 0, lowest: 0, highest: 0 });
    assert.deepEqual(await prioritize(second, 5), { builds: 2 });
    assert.deepEqual(priorities(), [0, 0, 5, 5], 'an input rises by itself');
    assert.deepEqual(await prioritize(second, 5), { builds: 0 });
    assert.deepEqual(await prioritize(second, -3), { builds: 2 });
    assert.deepEqual(priorities(), [0, -3, -3, 5], 'what another wants is not lowered');
    assert.deepEqual(await farm.application.submissionPriority(second), { submitted: 0, lowest: -3, highest: 5 });
    await prioritize(second, 7);
    await farm.connect('a', { slots: 2 });
    assert.deepEqual(
      farm.allocations().map(({ derivation }) => derivation),
      [drvPath(2), drvPath(4)],
    );
    await farm.application.cancelSubmission(admin, first);
    await assert.rejects(prioritize(first, 1), { code: 'submission-canceled' });
    await assert.rejects(prioritize('nothing', 1), { code: 'unknown-submission' });
  });
  it('gives a build only to agents that have its features, and mandatory ones only what requires them', async () => {
    const farm = await openTestCoordinator([derivation(1, [], { features: ['kvm'] }), derivation(2)]);
    await farm.connect('plain', { slots: 4 });
    await farm.connect('special', { slots: 4, features: ['kvm'], mandatoryFeatures: ['kvm'] });
    await farm.submit(1, 2);
    assert.deepEqual(
      farm
        .allocations()
        .map((one) => [one.agent, one.derivation])
        .sort(),
      [
        ['plain', drvPath(2)],
        ['special', drvPath(1)],
      ],
    );
  });
  it('keeps a slot for a cancelled attempt until the agent has stopped', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    const [first] = farm.allocations();
    await farm.submit(2);
    await farm.application.cancelBuild(admin, `${submission}-1`, { reason: 'not needed' });
    await farm.settle();
    assert.deepEqual(
      farm.sent.map(({ message }) => message.type),
      ['cancel'],
    );
    farm.sent.length = 0;
    await farm.report('a', { type: 'released', build: first?.build as string, attempt: 1, reason: 'canceled' });
    assert.deepEqual(
      farm.allocations().map((one) => one.derivation),
      [drvPath(2)],
    );
  });
});
