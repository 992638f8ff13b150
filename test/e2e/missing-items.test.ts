import assert from 'node:assert/strict';
import { access, copyFile, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';

const isSmall = ({ data }: { data: { path: string } }) => data.path.endsWith('-small');

/** One farm for all, as most of the time of a test is the start of its processes. */
e2e('what is missing is found out, said, and built again or waited for', {}, async (farm) => {
  const agents = await Promise.all([
    farm.agent('a'),
    farm.agent('b', { features: ['other'], mandatoryFeatures: ['other'] }),
  ]);
  await farm.submit(['small'], '--wait');
  const item = (await farm.next('StoreItemAdded', isSmall)).data;
  await aFileIsGone(farm, item);
  await anItemIsDeleted(farm, item);
  await aSourceWasNeverSent(farm);
  await Promise.all(agents.map(({ process }) => process.killGroup()));
  await auditReplay(farm);
});

interface Item {
  readonly path: string;
  readonly file: { readonly hash: string };
}

/** The `nth` that came by itself. */
async function rebuildOf(farm: Farm, nth: number): Promise<string> {
  const event = await farm.next('BuildSubmitted', ({ data }) => data.reason === 'rebuild', nth);
  assert.match(event.data.derivation, /-small\.drv$/);
  return event.stream.slice('build-'.length);
}

/** The build that needs it finds out, and it is built again. */
async function aFileIsGone(farm: Farm, item: Item): Promise<void> {
  // On agent b, it waits for `small`, which is there, and for `middle`, which agent a has and which stands at its gate.
  await farm.submit(['needsSmall']);
  await farm.gate('middle').arrived();
  const id = await farm.buildOf('needs-small');
  const file = item.file.hash.slice('sha256:'.length);
  await rm(join(farm.data, 'pool/nar', file.slice(0, 2), `${file}.nar.zst`));
  // The rebuild is to wait, so that it can be asked what the build waits for.
  await farm.request('POST', '/v1/agents/a/pause', { body: {} });
  farm.gate('middle').open();

  const failed = await farm.next('BuildSetupFailed', isBuild(id));
  assert.equal(failed.data.class, 'inputs-missing');
  assert.deepEqual(failed.data.missing, [item.path]);
  await farm.next('StoreItemMissing', isSmall);
  const rebuild = await rebuildOf(farm, 1);
  const { body: why } = await farm.request('GET', `/v1/builds/${id}/why`);
  assert.equal(why.reason, 'inputs');
  assert.deepEqual(
    why.inputs.map((input: { item: string; state: string; build: string }) => [input.item, input.state, input.build]),
    [[item.path, 'blocked', rebuild]],
  );
  const { body: whyRebuild } = await farm.request('GET', `/v1/builds/${rebuild}/why`);
  assert.equal(whyRebuild.reason, 'no-agent');
  assert.match(whyRebuild.summary, /a is paused/);

  await farm.request('POST', '/v1/agents/a/resume', { body: {} });
  await farm.next('BuildSucceeded', isBuild(rebuild));
  const success = await farm.next('BuildSucceeded', isBuild(id));
  assert.equal(success.data.attempt, 2);
  const { body: build } = await farm.request('GET', `/v1/builds/${id}`);
  assert.equal(build.state, 'succeeded', 'the missing input used up no attempt of its');
}

/** Although it is needed: it is built again. */
async function anItemIsDeleted(farm: Farm, item: Item): Promise<void> {
  await farm.submit(['needsSmallAndOne']);
  await farm.gate('one').arrived();
  const id = await farm.buildOf('needs-small-and-one');
  const narinfo = () => fetch(`${farm.url}/${item.path.slice(0, 32)}.narinfo`);
  const [, nar] = /^URL: (.*)$/m.exec(await (await narinfo()).text()) ?? [];
  await othersAreCollected(farm, item, id);
  const refused = await farm.drover(['items', 'delete', '--yes', item.path]);
  assert.equal(refused.code, 1);
  assert.match(refused.said, new RegExp(`the unfinished build ${id} of \\S+-needs-small-and-one.drv needs it`));
  const deleted = await farm.drover(['items', 'delete', '--yes', '--force', '--reason', 'e2e', item.path]);
  assert.equal(deleted.code, 0, deleted.said);
  assert.match(deleted.said, /1 derivation would be built again[\s\S]*unpublished [\s\S]*in 1h/);
  const { data } = await farm.next('StoreItemUnpublished', ({ data: { path } }) => path === item.path);
  assert.equal(data.reason, 'e2e');
  const gone = await narinfo();
  assert.deepEqual([gone.status, gone.headers.get('cache-control')], [404, 'no-store']);
  // Whoever has the narinfo gets what it names.
  assert.equal((await fetch(`${farm.url}/${nar}`)).status, 200);
  const shown = await farm.drover(['items', 'show', item.path]);
  assert.match(shown.stdout, /unpublished, goes in/);
  const rebuild = await rebuildOf(farm, 2);
  farm.gate('one').open();
  await farm.next('BuildSucceeded', isBuild(rebuild));
  await farm.next('BuildSucceeded', isBuild(id));
  assert.equal((await narinfo()).status, 200);
}

/** While a build is under way that needs it: what the builds before it have made goes, with its files. */
async function othersAreCollected(farm: Farm, item: Item, id: string): Promise<void> {
  const refused = await farm.drover(['gc']);
  assert.deepEqual([refused.code, refused.stdout], [1, '']);
  assert.match(refused.said, /no root keeps anything/);
  const collected = await farm.drover(['gc', '--older-than', '0', '--now', '--json']);
  assert.equal(collected.code, 0, collected.said);
  const { items, bytes, kept } = JSON.parse(collected.stdout);
  assert.ok(items >= 2 && bytes > 0 && kept.build.items >= 1, collected.stdout);
  const { file } = (await farm.next('StoreItemAdded', ({ data }) => data.path.endsWith('-middle'))).data;
  const hash = file.hash.slice('sha256:'.length);
  await assert.rejects(access(join(farm.data, 'pool/nar', hash.slice(0, 2), `${hash}.nar.zst`)), { code: 'ENOENT' });
  const why = await farm.drover(['items', 'why', item.path]);
  assert.match(why.stdout, new RegExp(`^It is kept: the unfinished build ${id} of \\S+ needs it`));
}

/** It is waited for by name, and sets its build going when it comes. */
async function aSourceWasNeverSent(farm: Farm): Promise<void> {
  const [path] = (await farm.instantiate('wanted')) as [string];
  const folder = join(farm.folder, 'derivations-alone');
  await mkdir(folder);
  await copyFile(join(farm.evaluated, path), join(folder, basename(path)));
  const { code, stdout, said } = await farm.drover(['submit', '--json', '--derivations', folder, basename(path)]);
  assert.equal(code, 0, said);
  const [source] = JSON.parse(stdout).absentSources;
  assert.match(source, /^.{32}-graph-source\.txt$/);

  const id = await farm.buildOf('wanted');
  const why = async () => JSON.parse((await farm.drover(['builds', 'why', '--json', id])).stdout);
  assert.deepEqual((await why()).inputs, [{ item: source, state: 'source-missing' }]);
  const words = await farm.drover(['builds', 'why', id]);
  assert.match(words.stdout, new RegExp(`${source}.*source that nobody has sent`));

  const sent = await farm.submit(['wanted']);
  assert.deepEqual([sent.uploadedSources, sent.builds, sent.joined], [1, 0, [id]]);
  await farm.next('BuildSucceeded', isBuild(id));
  assert.equal((await why()).reason, 'ended');
  // It has no build of its own: the one that it joined is told, and found by it.
  const shown = await farm.drover(['submissions', 'show', sent.submission]);
  assert.match(shown.stdout, /^joined: +1 succeeded \(drover builds list --joined-by /m);
  const listed = await farm.drover(['builds', 'list', '--joined-by', sent.submission, '-o', 'name']);
  assert.equal(listed.stdout, `${id}\n`, listed.said);
}
