import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parseNarinfo } from '../../domain/store/narinfo.ts';
import { dial, hello } from '../adapters/agent-link/raw-agent.ts';
import { declarationOf, narOf } from '../adapters/pool/nars.ts';
import { auditReplay } from '../support/e2e/audit.ts';
import { e2e } from '../support/e2e/e2e-test.ts';
import { isBuild } from '../support/e2e/events-of.ts';
import type { Farm } from '../support/e2e/farm.ts';

const isSmall = ({ data }: { data: { path: string } }) => data.path.endsWith('-small');

/** Turns one bit in the middle of an item's file. */
async function flip(farm: Farm, item: { file: { hash: string; size: number } }): Promise<void> {
  const name = item.file.hash.slice('sha256:'.length);
  const file = await open(join(farm.data, 'pool/nar', name.slice(0, 2), `${name}.nar.zst`), 'r+');
  const at = Math.floor(item.file.size / 2);
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.from([(buffer[0] as number) ^ 1]), 0, 1, at);
  await file.close();
}

e2e(
  'a bit that turns in the pool is served to nobody, and what needs the item has it built again; fixed outputs are verified',
  {},
  async (farm) => {
    const agents = await Promise.all([
      farm.agent('a', { slots: 2 }),
      farm.agent('b', { features: ['other'], mandatoryFeatures: ['other'] }),
    ]);
    await farm.submit(['small'], '--wait');
    const item = (await farm.next('StoreItemAdded', isSmall)).data;
    const path = `/nix/store/${item.path}`;
    let times = 1;
    /** A real client, with an empty store. */
    const realise = async (name: string): Promise<string> => {
      const root = join(farm.folder, `client-${name}`);
      mkdirSync(root);
      const trust = ['--option', 'substituters', farm.url, '--option', 'trusted-public-keys', farm.publicKey];
      await farm.nix('nix-store', ['--store', `local?root=${root}`, '--realise', path, ...trust]);
      return readFileSync(join(root, path), 'utf8');
    };
    /** The item was found missing once more, and came back as it was. */
    const comesBack = async () => {
      await farm.next('StoreItemMissing', isSmall, times);
      const back = await farm.next('StoreItemAdded', isSmall, ++times);
      assert.equal(back.data.narHash, item.narHash);
    };

    // Nobody needs it: a client does not get it, and a rebuild by force brings it back.
    await flip(farm, item);
    await assert.rejects(realise('damaged'));
    await farm.next('StoreItemMissing', isSmall);
    assert.equal((await farm.request('GET', `/${item.path.slice(0, 32)}.narinfo`)).status, 404);
    await farm.submit(['small'], '--wait', '--force');
    await comesBack();
    assert.equal(await realise('repaired'), 'small\n');

    // A rebuild by force is what finds it.
    await flip(farm, item);
    await farm.submit(['small'], '--wait', '--force');
    await comesBack();
    const clean = await farm.drover(['items', 'verify', '--full', '--json']);
    assert.equal(clean.code, 0, clean.said);
    assert.deepEqual(JSON.parse(clean.stdout).wrong, []);

    // From now on a build needs it, which waits for something else.
    await farm.submit(['needsSmall']);
    await farm.gate('middle').arrived();
    const id = await farm.buildOf('needs-small');
    await flip(farm, item);
    const quick = await farm.drover(['items', 'verify', path]);
    assert.equal(quick.code, 0, quick.said);
    const full = await farm.drover(['items', 'verify', '--full']);
    assert.equal(full.code, 1, full.said);
    assert.match(full.said, new RegExp(`${item.path}: expected .* \\(damaged\\)`));
    await comesBack();

    const deleted = await farm.drover(['items', 'delete', '--yes', '--force', '--now', '--reason', 'e2e', path]);
    assert.equal(deleted.code, 0, deleted.said);
    assert.equal((await farm.next('StoreItemDeleted', isSmall)).data.reason, 'e2e');
    await farm.next('StoreItemAdded', isSmall, ++times);

    // The agent that fetches it is what finds it.
    await flip(farm, item);
    farm.gate('middle').open();
    const failed = await farm.next('BuildSetupFailed', isBuild(id));
    assert.deepEqual([failed.data.class, failed.data.missing], ['inputs-missing', [item.path]]);
    await farm.next('BuildSucceeded', isBuild(id));
    assert.equal(await realise('at-last'), 'small\n');
    await fixedOutputs(farm);
    await Promise.all(agents.map(({ process }) => process.killGroup()));
    await auditReplay(farm);
  },
);

/** In the same farm, as most of the time of a test is the start of its processes: those of every kind are verified, and one that refers to something is none. */
async function fixedOutputs(farm: Farm): Promise<void> {
  await farm.submit(['allFixedOutputs'], '--wait');
  const added = farm.feed.events.filter(
    ({ type, data }) => type === 'StoreItemAdded' && /^.{32}-fixed-(flat|recursive)-/.test(data.path),
  );
  assert.equal(added.length, 8);
  const cas = added.map(({ data }) => [data.path.slice(33), data.ca.replace(/:[^:]*$/, '')]).sort();
  assert.deepEqual(
    cas,
    ['flat', 'recursive'].flatMap((mode) =>
      ['md5', 'sha1', 'sha256', 'sha512'].map((algo) => [
        `fixed-${mode}-${algo}`,
        `fixed:${mode === 'flat' ? '' : 'r:'}${algo}`,
      ]),
    ),
  );
  // A content address stands for itself: Nix takes what has one unsigned, where it determines the path.
  const root = join(farm.folder, 'client-fixed');
  mkdirSync(root);
  for (const { data } of added) {
    const { body } = await farm.request('GET', `/${data.path.slice(0, 32)}.narinfo`);
    assert.equal(parseNarinfo(body).ca, data.ca);
  }
  await farm.nix('nix-store', [
    ...['--store', `local?root=${root}`, '--realise', ...added.map(({ data }) => `/nix/store/${data.path}`)],
    ...['--option', 'substituters', farm.url, '--option', 'trusted-public-keys', ''],
  ]);

  // Nix 2.8 does not even survive one that refers to something, so it is forged by an agent.
  const small = (await farm.next('StoreItemAdded', isSmall)).data.path;
  await farm.request('POST', '/v1/agents/a/pause', { body: {} });
  const { body: forger } = await farm.request('POST', '/v1/agents', { body: { name: 'forger' } });
  const token = forger.token ?? forger.secret;
  const link = await dial(farm.url, { token });
  const { data: abilities } = await farm.next('AgentConnected');
  link.send({ ...hello, abilities: { ...hello.abilities, systems: abilities.abilities.systems } });
  await link.expect('welcome');
  await farm.submit(['fixedReferring']);
  const { body: allocation } = await link.expect('message');
  assert.equal(allocation.type, 'allocate');
  const { build, attempt } = allocation as { build: string; attempt: number };
  const derivation = await farm.next('DerivationAdded', ({ data }) => data.path.endsWith('-fixed-referring.drv'));
  const nar = await narOf(`/nix/store/${small}\n`);
  const declared = { ...declarationOf(nar), path: derivation.data.outputs.out, references: [small], build, attempt };
  const begun = await farm.request('POST', '/v1/uploads', { token, body: declared });
  const sent = await farm.request('PATCH', `/v1/uploads/${begun.body.id}`, {
    token,
    raw: nar,
    headers: { 'content-type': 'application/octet-stream', 'upload-offset': '0' },
  });
  assert.equal(sent.body.finished, true, JSON.stringify(sent.body));
  const { path, narHash, narSize, references } = declared;
  const output = { name: 'out', path, narHash, narSize, references, upload: begun.body.id };
  const ended = { build, attempt, outputs: [output], durationMs: 1, logBytes: 0 };
  link.send({ kind: 'message', n: 1, body: { type: 'succeeded', ...ended } });
  const failed = await farm.next('BuildAttemptFailed', isBuild(build));
  assert.deepEqual([failed.data.class, failed.data.message.includes(small)], ['rejected', true], failed.data.message);
  await farm.next('BuildFailed', isBuild(build));
  assert.equal((await farm.request('GET', `/${path.slice(0, 32)}.narinfo`)).status, 404);
  link.socket.close();
}
