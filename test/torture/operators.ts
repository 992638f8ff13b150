import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { declarationOf } from '../adapters/pool/nars.ts';
import { type BuildEntry, isOver } from '../simulation/audit/ledger.ts';
import type { Random } from '../simulation/random.ts';
import { insist } from '../simulation/violation.ts';
import { fetchItem } from './audit/cache.ts';
import { deleted, forced, type LogAudit } from './audit/log.ts';
import type { Client } from './client.ts';
import { closureOf, type Graph, type Recipe, type Source } from './graph.ts';
import type { House } from './house.ts';

/** What operators act on. */
export interface Scene {
  readonly house: House;
  readonly client: Client;
  readonly audit: LogAudit;
  readonly graph: Graph;
  /** So many events have been read. */
  seen(): number;
  /** Resolves with the next event that is read. */
  event(): Promise<void>;
  /** How often each was done. */
  readonly done: Map<string, number>;
  /** What is waited for, with what is lacking. */
  readonly waits: Map<string, string>;
}

type Act = (scene: Scene, random: Random) => Promise<void>;
/** Something that a person or a program wants, and how often, against the others. */
interface Operator {
  readonly weight: number;
  readonly act: Act;
}

const json = { 'content-type': 'application/x-ndjson' };
const parts = { 'content-type': 'application/offset+octet-stream' };
/** Builds that are unfinished at a time: no more are submitted. */
const mostOpen = 12;

export async function sendSource(
  { client, audit }: Pick<Scene, 'client' | 'audit'>,
  { path, nar }: Source,
  partBytes = nar.length,
): Promise<void> {
  const before = audit.lastLoss(path);
  for (;;) {
    const begun = await client.ask('POST', '/v1/uploads', { body: declarationOf(nar, nar, { path }) });
    // Somebody else was faster.
    if (begun.body.code === 'item-exists') return;
    insist(begun.status === 201, 'bug', `an upload of ${path}: ${begun.status} ${JSON.stringify(begun.body)}`);
    let { offset, finished, id } = begun.body;
    while (!finished) {
      const raw = nar.subarray(offset, offset + partBytes);
      const sent = await client.askOnce('PATCH', `/v1/uploads/${id}`, {
        raw,
        headers: { ...parts, 'upload-offset': `${offset}` },
      });
      if (sent?.status !== 200) break;
      ({ offset, finished } = sent.body);
    }
    if (!finished) {
      await delay(50);
      continue;
    }
    client.promised(
      `the upload of ${path}`,
      () => audit.ledger.everPresent.has(path) && (audit.ledger.items.has(path) || audit.lastLoss(path) > before),
    );
    return;
  }
}

/** Submits with all that it needs, once, however often it has to be asked for. */
async function submit(scene: Scene, random: Random, roots: readonly Recipe[], more: object): Promise<void> {
  const { client, audit, graph } = scene;
  const closure = closureOf(roots);
  const lacking = await client.ask('POST', '/v1/derivations/missing', {
    body: { paths: closure.map(({ path }) => path) },
  });
  const wanted = new Set<string>(lacking.body.missing);
  if (wanted.size > 0) {
    const lines = closure
      .filter(({ path }) => wanted.has(path))
      .map(({ path, text }) => `${JSON.stringify({ path, text: Buffer.from(text).toString('base64') })}\n`);
    const { status, body } = await client.ask('POST', '/v1/derivations', { raw: lines.join(''), headers: json });
    insist(status === 200, 'bug', `derivations: ${status} ${JSON.stringify(body)}`);
  }
  const paths = roots.map(({ path }) => path);
  // Now and then somebody forgets them, and sends them later.
  if (random.chance(0.95)) {
    const sources = await client.ask('POST', '/v1/sources/missing', { body: { roots: paths } });
    for (const path of sources.body.missing)
      await sendSource(scene, graph.sources.get(path) as Source, random.between(1000, 60_000));
  }
  const body = { roots: paths, ...more };
  const headers = {
    'idempotency-key': `torture-${createHash('sha256').update(random.bytes(16)).digest('hex').slice(0, 32)}`,
  };
  const { status, body: told } = await client.ask('POST', '/v1/submissions', { body, headers });
  insist(status === 201, 'bug', `a submission: ${status} ${JSON.stringify(told)}`);
  client.promised(
    `submission ${told.submission}`,
    () => audit.ledger.submissions.has(told.submission) && audit.queued.has(told.submission),
  );
}

const soon = (random: Random): number => Date.now() + random.between(100, 3000);

async function submitNew(scene: Scene, random: Random): Promise<void> {
  if (scene.audit.open().length > mostOpen) return;
  let root = scene.graph.derivation(random);
  for (let more = random.below(3); more > 0; more--) root = scene.graph.derivation(random);
  await submit(scene, random, [root], {
    options: { priority: random.below(3), ...(random.chance(0.1) && { deferUntil: soon(random) }) },
    ...(random.chance(0.2) && { root: { name: `keep-${random.below(4)}`, keepSeconds: random.between(1, 20) } }),
  });
}

async function submitAgain(scene: Scene, random: Random): Promise<void> {
  const root = random.pick(scene.graph.recipes.slice(-12));
  if (root && scene.audit.open().length <= mostOpen) await submit(scene, random, [root], { force: random.chance(0.3) });
}

function pickBuild({ audit }: Scene, random: Random, which: (build: BuildEntry) => boolean): BuildEntry | undefined {
  return random.pick([...audit.ledger.builds.values()].filter(which).slice(-20));
}

async function cancelBuild(scene: Scene, random: Random): Promise<void> {
  const build = pickBuild(scene, random, (one) => !isOver(one));
  if (!build) return;
  const force = random.chance(0.3);
  if (force) scene.audit.ledger.forced.add(build.id);
  const { status, body } = await scene.client.ask('POST', `/v1/builds/${build.id}/cancel`, { body: { force } });
  if (status !== 200) return;
  for (const { build: id, outcome } of body.builds)
    if (outcome === 'canceled')
      scene.client.promised(`the end of build ${id}`, () => scene.audit.ledger.builds.get(id)?.standing === 'canceled');
}

async function cancelSubmission({ client, audit, ...scene }: Scene, random: Random): Promise<void> {
  const id = random.pick([...audit.ledger.submissions.keys()].slice(-10));
  if (id === undefined) return;
  const { status } = await client.ask('POST', `/v1/submissions/${id}/cancel`, { body: {} });
  const { feed } = scene.house.farm;
  if (status === 200)
    client.promised(
      `the end of submission ${id}`,
      () =>
        feed.events.some(({ type, stream }) => type === 'SubmissionCanceled' && stream === `submission-${id}`) ||
        // Nothing was left of it.
        ![...audit.ledger.builds.values()].some((build) => build.submission === id && !isOver(build)),
    );
}

async function retry(scene: Scene, random: Random): Promise<void> {
  const build = pickBuild(scene, random, ({ standing }) => standing === 'failed' || standing === 'canceled');
  if (!build || scene.audit.open().length > mostOpen) return;
  const { status, body } = await scene.client.ask('POST', `/v1/builds/${build.id}/retry`);
  if (status === 201)
    scene.client.promised(`the retry of ${build.id}`, () => scene.audit.ledger.submissions.has(body.submission));
}

async function retryMany(scene: Scene): Promise<void> {
  if (scene.audit.open().length > mostOpen) return;
  await scene.client.ask('POST', '/v1/builds/retry', { body: { since: Date.now() - 20_000 } });
}

async function deleteItem({ client, audit }: Scene, random: Random): Promise<void> {
  const path = random.pick([...audit.ledger.items.keys()].slice(-40));
  if (path === undefined) return;
  const force = random.chance(0.5);
  const before = audit.lastLoss(path);
  const wish = { items: [path], reason: force ? forced : deleted, force, now: random.chance(0.3) };
  const { status } = await client.ask('POST', '/v1/items/delete', { body: wish });
  if (status === 200) client.promised(`the deletion of ${path}`, () => audit.lastLoss(path) > before);
}

async function collect({ client }: Scene, random: Random): Promise<void> {
  const wish = { olderThanSeconds: random.below(4), now: random.chance(0.3), withoutRoots: true };
  const { status, body } = await client.ask('POST', '/v1/items/collect', { body: wish });
  insist(status === 200 || status === 409, 'bug', `a collection: ${status} ${JSON.stringify(body)}`);
}

async function verify({ client }: Scene): Promise<void> {
  const { status, body } = await client.ask('POST', '/v1/items/verify', { body: { full: true } });
  insist(status === 200, 'bug', `a verification: ${status} ${JSON.stringify(body)}`);
  for (const line of String(body).trim().split('\n')) {
    const report = JSON.parse(line);
    insist(report.type !== 'wrong', 'I6', `nobody touched the pool, and a verification says ${line}`);
  }
}

async function addRoot({ client, audit }: Scene, random: Random): Promise<void> {
  const target = random.pick([...audit.ledger.items.keys()].slice(-30));
  if (target === undefined) return;
  const name = `root-${random.below(6)}`;
  const ttlSeconds = random.chance(0.6) ? random.between(1, 10) : undefined;
  const { status, body } = await client.ask('POST', '/v1/roots', {
    body: { name, targets: [target], ...(ttlSeconds && { ttlSeconds }) },
  });
  insist(status === 201 || status === 404 || status === 409, 'bug', `a root: ${status} ${JSON.stringify(body)}`);
}

async function removeRoot({ client }: Scene, random: Random): Promise<void> {
  await client.ask('DELETE', `/v1/roots/root-${random.below(6)}`);
}

async function defer(scene: Scene, random: Random): Promise<void> {
  const build = pickBuild(scene, random, ({ standing }) => standing === 'queued');
  if (build)
    await scene.client.ask('POST', `/v1/builds/${build.id}/defer`, {
      body: { until: random.chance(0.7) ? soon(random) : null },
    });
}

async function prioritize(scene: Scene, random: Random): Promise<void> {
  const build = pickBuild(scene, random, (one) => !isOver(one));
  if (build)
    await scene.client.ask('POST', `/v1/builds/${build.id}/prioritize`, { body: { priority: random.below(10) } });
}

/** Nobody comes back to it. */
async function abandonUpload({ client, graph }: Scene, random: Random): Promise<void> {
  const { nar } = random.pick([...graph.sources.values()]) ?? {};
  if (!nar) return;
  // Of a path that nobody needs.
  const bytes = Buffer.from(nar);
  const begun = await client.askOnce('POST', '/v1/uploads', { body: declarationOf(bytes) });
  if (begun?.status !== 201 || begun.body.finished || begun.body.offset > 0) return;
  const raw = bytes.subarray(0, bytes.length >> 1);
  await client.askOnce('PATCH', `/v1/uploads/${begun.body.id}`, { raw, headers: { ...parts, 'upload-offset': '0' } });
}

/** What is shut out stays so. */
async function changeTokens({ client }: Scene, random: Random): Promise<void> {
  const name = `reader-${random.below(1e9)}`;
  const issued = await client.ask('POST', '/v1/tokens', { body: { name, scope: 'read' } });
  if (issued.status !== 201) return;
  const { id, secret } = issued.body;
  const known = await client.ask('GET', '/v1/tokens/self', { token: secret });
  insist(known.status === 200, 'I1', `token ${id} was issued, and is not known: ${known.status}`);
  const revoked = await client.ask('DELETE', `/v1/tokens/${id}`);
  const after = await client.ask('GET', '/v1/tokens/self', { token: secret });
  insist(
    revoked.status === 204 || revoked.status === 404 || revoked.status === 409,
    'bug',
    `a token: ${revoked.status}`,
  );
  insist(after.status === 401, 'I1', `token ${id} was revoked, and may still: ${after.status}`);
}

async function steerAgent({ client, house }: Scene, random: Random): Promise<void> {
  const { name } = random.pick(house.agents) as { name: string };
  await client.ask('POST', `/v1/agents/${name}/${random.chance(0.5) ? 'pause' : 'drain'}`, { body: {} });
  await delay(random.between(50, 1500));
  await client.ask('POST', `/v1/agents/${name}/resume`, { body: {} });
}

async function fetch({ house, audit }: Scene, random: Random): Promise<void> {
  const path = random.pick([...audit.ledger.everPresent].slice(-30));
  if (path !== undefined) await fetchItem(house, path);
}

async function why(scene: Scene, random: Random): Promise<void> {
  const build = pickBuild(scene, random, (one) => !isOver(one));
  if (!build) return;
  const { status, body } = await scene.client.ask('GET', `/v1/builds/${build.id}/why`);
  insist(
    status === 200 && body.summary !== '' && (body.reason === 'ended' || body.until !== ''),
    'I5',
    `${build.id} has no reason: ${status} ${JSON.stringify(body)}`,
  );
}

const operators = {
  submit: { weight: 20, act: submitNew },
  'submit again': { weight: 3, act: submitAgain },
  retry: { weight: 2, act: retry },
  'retry all': { weight: 1, act: retryMany },
  'cancel build': { weight: 1, act: cancelBuild },
  'cancel submission': { weight: 1, act: cancelSubmission },
  'delete item': { weight: 3, act: deleteItem },
  collect: { weight: 2, act: collect },
  verify: { weight: 1, act: verify },
  'add root': { weight: 2, act: addRoot },
  'remove root': { weight: 1, act: removeRoot },
  defer: { weight: 2, act: defer },
  prioritize: { weight: 1, act: prioritize },
  'abandon upload': { weight: 1, act: abandonUpload },
  'change tokens': { weight: 1, act: changeTokens },
  'steer agent': { weight: 1, act: steerAgent },
  fetch: { weight: 3, act: fetch },
  why: { weight: 2, act: why },
} satisfies Readonly<Record<string, Operator>>;

/** Somebody who wants one thing after another, until told to stop. */
export async function work(scene: Scene, random: Random, isOver: () => boolean): Promise<void> {
  const weights = Object.fromEntries(Object.entries(operators).map(([name, { weight }]) => [name, weight])) as Record<
    keyof typeof operators,
    number
  >;
  while (!isOver()) {
    const name = scene.audit.open().length < 3 ? 'submit' : random.weighted(weights);
    await (operators[name].act as Act)(scene, random);
    scene.done.set(name, (scene.done.get(name) ?? 0) + 1);
    await delay(random.between(5, 80));
  }
}
