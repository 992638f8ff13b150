import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { e2e } from '../support/e2e/e2e-test.ts';
import { expectOneAttempt, isAgent, isBuild } from '../support/e2e/events-of.ts';
import { type Farm, noise } from '../support/e2e/farm.ts';
import { offsetOf, uploadWritten } from '../support/e2e/uploads.ts';
import { graphSize, loadGraphClosure, rootOf } from '../support/graph-closure.ts';

/** One farm for all, as most of the time of a test is the start of its processes. */
e2e('killed at any point: nothing is done twice, nothing is lost', {}, async (farm) => {
  await whileDerivationsAreSent(farm);
  const { expectKept } = await acknowledgeASubmission(farm);
  await whileItIsQueued(farm);
  await expectKept();
  await farm.agent('a', { features: ['other'], mandatoryFeatures: ['other'] });
  await farm.agent('b', { slots: 2 });
  for (const name of ['one', 'two', 'three']) farm.gate(name).open();
  for (const name of ['one', 'two', 'three']) await expectOneAttempt(farm, name);
  await whileOneAgentFetchesAndAnotherUploads(farm);
  await inTheMiddleOfABuild(farm);
  await afterASnapshot(farm);
});

async function graphOf(farm: Farm) {
  const closure = await loadGraphClosure();
  const folder = join(farm.folder, 'derivations');
  await mkdir(folder, { recursive: true });
  for (const { name, bytes } of closure) await writeFile(join(folder, name), bytes);
  return () => farm.drover(['submit', '--json', '--derivations', folder, rootOf(closure)]);
}

async function whileDerivationsAreSent(farm: Farm): Promise<void> {
  const submit = await graphOf(farm);
  const position = await farm.position();
  const held = farm.network.hold(/^POST \/v1\/derivations$/, 20_000);
  const cut = submit();
  await held;
  await farm.kill9();
  const failed = await cut;
  assert.equal(failed.code, 1);
  assert.match(failed.said, /connection-(failed|refused)/);
  await farm.start();
  assert.equal(await farm.position(), position, 'derivations alone are no event');
}

async function whileItIsQueued(farm: Farm): Promise<void> {
  const submitting = (await graphOf(farm))();
  const { stream } = await farm.next('SubmissionReceived', undefined, 2);
  await farm.kill9();
  await farm.start();
  const { code, stdout, said } = await submitting;
  assert.equal(code, 0, said);
  const result = JSON.parse(stdout);
  assert.equal(stream, `submission-${result.submission}`);
  const queued = await farm.next('SubmissionQueued', (event) => event.stream === stream);
  assert.equal(queued.data.derivations, graphSize);
  const derivations = farm.feed.events
    .filter(({ type, data }) => type === 'BuildSubmitted' && data.submission === result.submission)
    .map(({ data }) => data.derivation);
  assert.equal(derivations.length, queued.data.builds);
  assert.equal(new Set(derivations).size, derivations.length);
  const { events } = farm.feed;
  const positions = events.map(({ position }) => position);
  assert.deepEqual(positions, [...new Set(positions)].toSorted(), 'the reader got each event once, in order');
  const added = events.filter(({ type }) => type === 'DerivationAdded').map(({ data }) => data.path);
  const again = added.filter((path, index) => added.indexOf(path) < index);
  assert.deepEqual(again, [], 'no derivation is added twice');
  assert.equal(farm.feed.events.filter(({ type }) => type === 'SubmissionReceived').length, 2);
  // Not for the agents that come.
  const canceled = await farm.request('POST', `/v1/submissions/${result.submission}/cancel`, { body: {} });
  assert.ok(canceled.status < 300, JSON.stringify(canceled.body));
}

/** What it wished for is there after a kill, and asked for again it is the same. */
async function acknowledgeASubmission(farm: Farm) {
  const paths = await farm.instantiate('one', 'two', 'three');
  const lines = paths.map((path) => ({
    path: path.slice('/nix/store/'.length),
    text: readFileSync(join(farm.evaluated, path)).toString('base64'),
  }));
  const sent = await farm.request('POST', '/v1/derivations', {
    raw: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    headers: { 'content-type': 'application/x-ndjson' },
  });
  assert.deepEqual([sent.status, sent.body], [200, { received: 3, added: 3 }]);
  const key = { 'idempotency-key': 'e2e-1' };
  const wish = { roots: lines.map(({ path }) => path), options: { priority: 7, tags: { kept: 'yes' } } };
  const answer = await farm.request('POST', '/v1/submissions', { body: wish, headers: key });
  assert.equal(answer.status, 201);
  assert.equal(answer.body.builds, 3);

  async function expectKept(): Promise<void> {
    const { body } = await farm.request('GET', `/v1/builds?submission=${answer.body.submission}`);
    assert.deepEqual(
      body.rows.map((build: { state: string; priority: number; tags: object }) => [
        build.state,
        build.priority,
        build.tags,
      ]),
      Array(3).fill(['queued', 7, { kept: 'yes' }]),
    );
    const repeated = await farm.request('POST', '/v1/submissions', { body: wish, headers: key });
    assert.deepEqual(repeated.body, answer.body);
  }
  return { expectKept };
}

/** The attempt of the one goes on, and the upload of the other where it was. */
async function whileOneAgentFetchesAndAnotherUploads(farm: Farm): Promise<void> {
  const fetching = farm.network.hold(/^GET \/nar\//);
  await farm.submit(['needsSmallElsewhere']);
  await fetching;
  const fetches = await farm.buildOf('needs-small-elsewhere');
  await farm.next('BuildAllocated', isBuild(fetches));

  farm.put('blob', noise(6 * 1024 * 1024));
  const uploading = farm.network.hold(/^PATCH \/v1\/uploads\//, 3 * 1024 * 1024);
  await farm.submit(['afterBig']);
  const { request } = await uploading;
  await uploadWritten(farm, 1024 * 1024);

  await farm.kill9();
  await farm.start();
  await Promise.all([farm.next('AgentConnected', isAgent('a'), 2), farm.next('AgentConnected', isAgent('b'), 2)]);
  for (const name of ['needs-small-elsewhere', 'big', 'after-big']) await expectOneAttempt(farm, name);
  const offsets = farm.network.requests
    .filter(({ method, path }) => method === 'PATCH' && path === request.path)
    .map(offsetOf);
  assert.equal(offsets[0], 0);
  assert.ok(
    (offsets[1] as number) > 0,
    `expected the second part to start where the first one was cut, got ${offsets}`,
  );
}

/** Before its agent could come back, until the lease it first had is over: the build is not taken away. */
async function inTheMiddleOfABuild(farm: Farm): Promise<void> {
  const gate = farm.gate('slow');
  await farm.submit(['after']);
  const { gone } = await gate.arrived();
  const leases = ['--lease-seconds', '4'];
  farm.network.refusing = true;
  await farm.kill9();
  await farm.start(leases);
  const { data } = await farm.next('AgentDisconnected', isAgent('b'), 2);
  do {
    await farm.kill9();
    await farm.start(leases);
  } while (Date.now() < data.leaseUntil);
  await farm.kill9();
  // It ends while nobody is there to be told.
  gate.open();
  await gone;
  farm.network.refusing = false;
  await farm.start();
  const id = await expectOneAttempt(farm, 'slow');
  await expectOneAttempt(farm, 'after');
  assert.equal(farm.feed.events.filter(({ type }) => type === 'AgentLost').length, 0);
  const { body: log } = await farm.request('GET', `/v1/builds/${id}/log`);
  assert.equal(log, 'slow waits\nslow goes on\n');
}

/** The next start folds what came after it, and comes to the same. */
async function afterASnapshot(farm: Farm): Promise<void> {
  await farm.kill9();
  await farm.start(['--snapshots-every-events', '1']);
  await farm.coordinator.says(/"msg":"snapshot written"/);
  const before = await farm.request('GET', '/v1/status');
  await farm.kill9();
  await farm.start();
  const [, events, replayed] =
    /"events":(\d+),"snapshot":"[^"]+","replayed":(\d+),.*"msg":"log replayed"/.exec(farm.coordinator.said()) ?? [];
  assert.ok(Number(events) > Number(replayed), farm.coordinator.said());
  const after = await farm.request('GET', '/v1/status');
  assert.deepEqual(after.body.builds, before.body.builds);
  await expectOneAttempt(farm, 'after');
}
