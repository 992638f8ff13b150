import assert from 'node:assert/strict';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';

const isSmall = ({ data }: { data: { path: string } }) => data.path.endsWith('-small');

/**
 * `needs-small`, on agent b, waits for `small`, which is there, and for `middle`, which agent a has and which stands at its
 * gate: time to take `small` away.
 */
async function startNeedsSmall(farm: Farm) {
  const [a, b] = await Promise.all([
    farm.agent('a'),
    farm.agent('b', { features: ['other'], mandatoryFeatures: ['other'] }),
  ]);
  await farm.submit(['small'], '--wait');
  await farm.submit(['needsSmall']);
  await farm.gate('middle').arrived();
  const item = (await farm.next('StoreItemAdded', isSmall)).data;
  const id = await farm.buildOf('needs-small');
  return { a, b, item, id };
}

const rebuildOf = async (farm: Farm) => {
  const event = await farm.next('BuildSubmitted', ({ data }) => data.reason === 'rebuild');
  assert.match(event.data.derivation, /-small\.drv$/);
  return event.stream.slice('build-'.length);
};

e2e('a file that is gone from the pool is found out by the build that needs it, and built again', {}, async (farm) => {
  const { a, b, item, id } = await startNeedsSmall(farm);
  const file = item.file.hash.slice('sha256:'.length);
  await rm(join(farm.data, 'pool/nar', file.slice(0, 2), `${file}.nar.zst`));
  // The rebuild is to wait, so that it can be asked what the build waits for.
  await farm.request('POST', '/v1/agents/a/pause', { body: {} });
  farm.gate('middle').open();

  const failed = await farm.next('BuildSetupFailed', isBuild(id));
  assert.equal(failed.data.class, 'inputs-missing');
  assert.deepEqual(failed.data.missing, [item.path]);
  await farm.next('StoreItemMissing', isSmall);
  const rebuild = await rebuildOf(farm);
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
  await Promise.all([a.process.killGroup(), b.process.killGroup()]);
  await auditReplay(farm);
});

e2e('an item that is deleted although it is needed is built again', {}, async (farm) => {
  const { item, id } = await startNeedsSmall(farm);
  const narinfo = () => fetch(`${farm.url}/${item.path.slice(0, 32)}.narinfo`);
  const [, nar] = /^URL: (.*)$/m.exec(await (await narinfo()).text()) ?? [];
  const refused = await farm.drover(['items', 'delete', '--yes', item.path]);
  assert.equal(refused.code, 1);
  assert.match(refused.said, new RegExp(`the unfinished build ${id} of \\S+-needs-small.drv needs it`));
  const deleted = await farm.drover(['items', 'delete', '--yes', '--force', '--reason', 'e2e', item.path]);
  assert.equal(deleted.code, 0, deleted.said);
  assert.match(deleted.said, /1 derivation would be built again[\s\S]*unpublished [\s\S]*in 1h/);
  const { data } = await farm.next('StoreItemUnpublished', isSmall);
  assert.equal(data.reason, 'e2e');
  const gone = await narinfo();
  assert.deepEqual([gone.status, gone.headers.get('cache-control')], [404, 'no-store']);
  // Whoever has the narinfo gets what it names.
  assert.equal((await fetch(`${farm.url}/${nar}`)).status, 200);
  const shown = await farm.drover(['items', 'show', item.path]);
  assert.match(shown.stdout, /unpublished, goes in/);
  const rebuild = await rebuildOf(farm);
  farm.gate('middle').open();
  await farm.next('BuildSucceeded', isBuild(rebuild));
  await farm.next('BuildSucceeded', isBuild(id));
  assert.equal((await narinfo()).status, 200);
});

e2e('a source that nobody sent is waited for by name, and sets its build going when it comes', {}, async (farm) => {
  await farm.agent('a');
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
});
