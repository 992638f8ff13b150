import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import type { Principal } from '../../../coordinator/application.ts';
import type { Signer } from '../../../coordinator/core.ts';
import { DroverError, isDroverError } from '../../../coordinator/errors.ts';
import { formatHash } from '../../../domain/store/hash-text.ts';
import { generateSigningKey, sign } from '../../../domain/store/signature.ts';
import { makeSourcePath } from '../../../domain/store/store-path.ts';
import type { HeldItem } from '../../../projections/item-details.ts';
import { admin, derivation, drvPath, openTestCoordinator, outPath } from '../../support/coordinator.ts';
import { fakeBase, fakeSha256 } from '../../support/paths.ts';

const refusal = (code: string) => (error: unknown) => isDroverError(error) && error.code === code;
const client = { id: 'client', scope: 'submit' } as const;
const agentToken = (agent: string) => ({ id: 't', scope: 'agent', agent }) as const;

/** A farm whose agent says of the second build that its input, which the first has made, is not to be had. */
async function withoutInput(isLost: boolean) {
  const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
  await farm.connect('a');
  await farm.submit(2);
  await farm.succeed('a', farm.allocations()[0] as never, 1);
  const [second] = farm.allocations();
  if (isLost) farm.pool.lose(fakeSha256(2));
  await farm.report('a', {
    type: 'setup-failed',
    build: second?.build as string,
    attempt: 1,
    class: 'inputs-missing',
    missing: [outPath(1)],
    message: '404',
  });
  return { farm, second };
}

describe('store items', () => {
  it('that go while they are needed are built again by themselves (I8)', async () => {
    const { farm, second } = await withoutInput(true);
    assert.deepEqual(await farm.types(`item-${outPath(1).slice(0, 32)}`), ['StoreItemAdded', 'StoreItemMissing']);
    const [rebuild] = farm.allocations();
    assert.equal(rebuild?.derivation, drvPath(1));
    const why = await farm.application.why(second?.build as string);
    assert.ok(why.reason === 'inputs' && why.inputs[0]?.state === 'building');
    await farm.succeed('a', rebuild as never, 1);
    assert.deepEqual(
      farm.allocations().map((one) => [one.derivation, one.attempt]),
      [[drvPath(2), 2]],
    );
  });
  it('are not given up where the agent only failed to fetch them', async () => {
    const { farm, second } = await withoutInput(false);
    assert.deepEqual(await farm.types(`item-${outPath(1).slice(0, 32)}`), ['StoreItemAdded']);
    assert.equal((await farm.application.why(second?.build as string)).reason, 'back-off');
  });
  it('are served only with all that they refer to (I7)', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2, [1])]);
    await farm.connect('a');
    await farm.submit(2);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    await farm.succeed('a', farm.allocations()[0] as never, 2, [outPath(1)]);
    assert.deepEqual(farm.application.servable(outPath(2).slice(0, 32))?.references, [outPath(1)]);
    await farm.application.deleteItems(admin, { items: [outPath(1)], reason: 'test', now: true, force: true });
    assert.equal(farm.application.servable(outPath(2).slice(0, 32)), undefined);
    // Asking for it again builds what is missing, not what is there.
    const { builds } = await farm.submit(2);
    assert.equal(builds, 1);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    assert.ok(farm.application.servable(outPath(2).slice(0, 32)));
  });
  it('that a key has signed which was replaced are signed by the one that agents are told of', async () => {
    const store = openMemoryEventStore();
    const farm = await openTestCoordinator([derivation(1)], { store });
    await farm.connect('a');
    await farm.submit(1);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    farm.dispose();
    for (const key of ['k:AA==', 'l:AA==']) {
      const signer = { publicKey: key, sign: async () => key };
      const { application, dispose } = await openTestCoordinator([], { store, seed: 2, signer });
      const item = application.servable(outPath(1).slice(0, 32));
      assert.ok(item);
      const { signatures } = await application.signed(item);
      assert.deepEqual(signatures, [...new Set(['k:AA==', key])]);
      dispose();
    }
  });
  it('have the signature that they came with, which the log alone has of a key that was replaced', async () => {
    const memory = openMemoryEventStore();
    let reads = 0;
    const store: typeof memory = {
      ...memory,
      read(stream, wish) {
        if (stream.startsWith('item-')) reads++;
        return memory.read(stream, wish);
      },
    };
    const signers = [
      ['one', 1],
      ['two', 2],
      ['one', 3],
      ['three', 1],
    ].map(([name, seed]) => {
      const key = generateSigningKey(String(name), Buffer.alloc(32, seed));
      const made: string[] = [];
      const signWith = async (text: string): Promise<string> => {
        made.push(sign(key.secret, text));
        return made.at(-1) as string;
      };
      return { publicKey: key.public, sign: signWith, made };
    });
    const [first] = signers;
    const farm = await openTestCoordinator([derivation(1)], { store, signer: first as Signer });
    await farm.connect('a');
    await farm.submit(1);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    farm.dispose();
    const [original] = first?.made ?? [];
    assert.ok(original);
    for (const [index, signer] of signers.entries()) {
      signer.made.length = reads = 0;
      const { application, dispose } = await openTestCoordinator([], { store, seed: 2, signer });
      for (let turn = 0; turn < 2; turn++) {
        const item = application.servable(outPath(1).slice(0, 32)) as HeldItem;
        const { signed, ...rest } = item;
        assert.ok('begins' in signed && signed.begins.length < original.length);
        const found = await application.signed(item);
        assert.deepEqual(found, { ...rest, signatures: [...new Set([original, ...signer.made])] });
      }
      assert.equal(signer.made.length, 1, 'it is not made each time');
      assert.equal(reads, index === 0 ? 0 : 1, 'the log is read once, and not where the key makes it again');
      dispose();
    }
  });
  it('may refer only to the inputs of their build and its outputs', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    await farm.connect('a');
    await farm.submit(1);
    const [{ build, attempt } = { build: '', attempt: 0 }] = farm.allocations();
    const declaration = {
      path: outPath(1),
      narHash: fakeSha256(1),
      narSize: 1,
      references: [outPath(2)],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    await assert.rejects(
      farm.application.beginUpload(agentToken('a'), { ...declaration, build, attempt }),
      refusal('wrong-references'),
    );
    await assert.rejects(
      farm.application.beginUpload(agentToken('a'), {
        ...declaration,
        references: [],
        path: outPath(2),
        build,
        attempt,
      }),
      refusal('output-unverified'),
    );
    await assert.rejects(
      farm.application.beginUpload(agentToken('b'), { ...declaration, references: [], build, attempt }),
      refusal('not-your-attempt'),
    );
    await assert.rejects(farm.application.beginUpload(agentToken('a'), declaration), refusal('invalid-request'));
  });
  it('are refused before anything is written where their event would not fit into a commit', async () => {
    const farm = await openTestCoordinator([]);
    const references = Array.from({ length: 30_000 }, (_, n) => fakeBase('r', n));
    const declaration = {
      path: fakeBase('s', 1),
      narHash: fakeSha256(1),
      narSize: 1,
      references,
      compression: 'zstd',
      fileSize: 1,
    } as const;
    await assert.rejects(farm.application.beginUpload(client, declaration), refusal('too-large'));
  });
  it('are refused with the setting that they are too large for', async () => {
    const farm = await openTestCoordinator([]);
    const narSize = Number.MAX_SAFE_INTEGER;
    const declaration = {
      path: fakeBase('s', 1),
      narHash: fakeSha256(1),
      narSize,
      references: [],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    const message = /^narSize: expected at most \d+ \(setting limits\.max-nar-bytes\), got \d+$/;
    await assert.rejects(farm.application.beginUpload(client, declaration), { code: 'too-large', message });
  });
  it('come from clients only where their content determines their path', async () => {
    const farm = await openTestCoordinator([]);
    const declaration = {
      path: fakeBase('s', 1),
      narHash: fakeSha256(1),
      narSize: 1,
      references: [],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    const before = await farm.store.head();
    await assert.rejects(farm.application.beginUpload(client, declaration), refusal('not-content-addressed'));
    assert.equal(await farm.store.head(), before);
  });
  it('have no deriver that a client made up', async () => {
    const nar = Buffer.alloc(32, 7);
    const path = makeSourcePath('src', nar, [], false, '/nix/store').slice('/nix/store/'.length);
    const farm = await openTestCoordinator([derivation(1), derivation(2, [], { outputs: { out: path } })]);
    await farm.submit(1, 2);
    const declaration = {
      path,
      narHash: formatHash({ algo: 'sha256', digest: nar }),
      narSize: 1,
      references: [],
      compression: 'zstd',
      fileSize: 1,
    } as const;
    const before = await farm.store.head();
    for (const deriver of [drvPath(9), drvPath(1)])
      await assert.rejects(
        farm.application.beginUpload(client, { ...declaration, deriver }),
        (error) => refusal('invalid-request')(error) && /^deriver: expected none/.test((error as Error).message),
      );
    assert.equal(await farm.store.head(), before);
    await farm.application.beginUpload(client, { ...declaration, deriver: drvPath(2) });
    assert.equal(farm.application.servable(path.slice(0, 32))?.deriver, drvPath(2));
  });
  it('that no build here made come from those who may push, with all that they refer to there before', async () => {
    const farm = await openTestCoordinator([]);
    const pusher = { id: 'laptop', scope: 'push' } as const;
    const nar = { narSize: 1, compression: 'zstd', fileSize: 1, push: {} } as const;
    const [first, second] = [fakeBase('p', 1), fakeBase('p', 2)];
    const one = { ...nar, path: first, narHash: fakeSha256(1), references: [] };
    const two = { ...nar, path: second, narHash: fakeSha256(2), references: [first, second].sort() };
    const before = await farm.store.head();
    const send = (declaration: typeof one | typeof two, by: Principal = pusher) =>
      farm.application.beginUpload(by, declaration);
    for (const by of [client, agentToken('a')]) await assert.rejects(send(one, by), refusal('scope-insufficient'));
    const { push: _, ...asSource } = one;
    await assert.rejects(farm.application.beginUpload(pusher, asSource), refusal('scope-insufficient'));
    await assert.rejects(
      send(two),
      (error) => refusal('references-missing')(error) && /refers to .*-p1, not available/.test(String(error)),
    );
    for (const ca of ['nonsense', 'fixed:r:blake3:00'])
      await assert.rejects(send({ ...one, push: { ca } }), (error) => {
        assert.ok(isDroverError(error) && error.code === 'invalid-request');
        assert.match(error.message, /^push\.ca: /);
        assert.equal((error.details.errors as { field: string }[])[0]?.field, 'push.ca');
        return true;
      });
    await assert.rejects(send({ ...one, push: { ca: `fixed:r:${fakeSha256(1)}` } }), refusal('not-content-addressed'));
    // Nothing is made of what only an agent says.
    for (const [field, value] of Object.entries({ build: 'b-1', attempt: 1 }))
      for (const by of [pusher, client, admin])
        await assert.rejects(farm.application.beginUpload(by, { ...one, [field]: value }), (error) => {
          assert.ok(isDroverError(error) && error.code === 'invalid-request');
          const [wrong] = error.details.errors as { field: string; got: string }[];
          assert.deepEqual([wrong?.field, wrong?.got], [field, String(value)]);
          return true;
        });
    assert.equal(await farm.store.head(), before);
    await send(one);
    assert.equal(farm.application.servable(second.slice(0, 32)), undefined);
    await send(two);
    const item = farm.application.servable(second.slice(0, 32));
    assert.deepEqual(item?.references, two.references);
    assert.equal(item?.ca, undefined);
    assert.equal((await farm.application.signed(item as HeldItem)).signatures.length, 1);
    // A build that wants them finds them.
    await assert.rejects(send(one), refusal('item-exists'));
  });
  it('that a build is about to make are not for those who may only push to decide', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    const pusher = { id: 'laptop', scope: 'push' } as const;
    const nar = { narHash: fakeSha256(9), narSize: 1, compression: 'zstd', fileSize: 1, references: [] } as const;
    const push = (n: number, by: Principal = pusher) =>
      farm.application.beginUpload(by, { ...nar, path: outPath(n), push: {} });
    const { submission } = await farm.submit(1);
    const awaited = (error: unknown) =>
      refusal('output-awaited')(error) && String(error).includes(`'drover builds cancel ${submission}-1'`);
    await assert.rejects(push(1), awaited);
    await farm.connect('a');
    const [attempt] = farm.allocations();
    await assert.rejects(push(1), awaited);
    await farm.succeed('a', attempt as never, 1);
    assert.equal(farm.application.servable(outPath(1).slice(0, 32))?.narHash, fakeSha256(2));
    await farm.application.agentDisconnected('a', 'gone');
    // Submitted while it is sent.
    const { publish } = farm.pool;
    farm.pool.publish = async (upload) => {
      await publish(upload);
      await farm.submit(2);
    };
    await assert.rejects(push(2), refusal('output-awaited'));
    assert.ok(!farm.pool.files.has(fakeSha256(9)));
    farm.pool.publish = publish;
    // An operator may: then there is nothing left to build.
    await push(2, admin);
    await farm.settle();
    assert.equal(farm.farm.queue.latest(farm.farm.graph.drvOf(drvPath(2)) as number)?.state.status, 'succeeded');
  });
  it('have a hash part for themselves, and what only shares one with them is not taken for them', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    const [twin, other] = ['twin', 'other'].map((name) => `${outPath(1).slice(0, 32)}-${name}`) as [string, string];
    const nar = { narHash: fakeSha256(1), narSize: 1, compression: 'zstd', fileSize: 1, references: [] } as const;
    const push = (path: string) => farm.application.beginUpload(admin, { ...nar, path, push: {} });
    await push(twin);
    assert.equal((await farm.submit(1)).builds, 1);
    const [attempt] = farm.allocations();
    const output = { ...nar, path: outPath(1), build: attempt?.build as string, attempt: 1 };
    for (const taken of [push(other), farm.application.beginUpload(agentToken('a'), output)])
      await assert.rejects(
        taken,
        (error) => refusal('hash-part-taken')(error) && /there is .*-twin/.test(String(error)),
      );
    await farm.application.deleteItems(admin, { items: [twin], reason: 'test', now: true });
    await farm.succeed('a', attempt as never, 1);
    assert.equal(farm.application.servable(twin.slice(0, 32))?.path, outPath(1));
    await assert.rejects(push(other), refusal('hash-part-taken'));
  });
  it('that are pushed keep a content address that is true, and are no items where their references go meanwhile', async () => {
    const bytes = Buffer.alloc(32, 7);
    const narHash = formatHash({ algo: 'sha256', digest: bytes });
    const [path] = [makeSourcePath('src', bytes, [], false, '/nix/store').slice('/nix/store/'.length)];
    const farm = await openTestCoordinator([]);
    const nar = { narSize: 1, compression: 'zstd', fileSize: 1 } as const;
    const ca = `fixed:r:${narHash}`;
    farm.pool.contentHash = async () => bytes.toString('hex');
    await farm.application.beginUpload(admin, { ...nar, path, narHash, references: [], push: { ca } });
    assert.equal(farm.application.servable(path.slice(0, 32))?.ca, ca);
    const { publish } = farm.pool;
    farm.pool.publish = async (upload) => {
      await publish(upload);
      await farm.application.deleteItems(admin, { items: [path], reason: 'test', now: true, force: true });
    };
    const referrer = { ...nar, path: fakeBase('q', 1), narHash: fakeSha256(1), references: [path], push: {} };
    await assert.rejects(farm.application.beginUpload(admin, referrer), refusal('references-missing'));
    assert.deepEqual([...farm.pool.files], []);
    assert.deepEqual(await farm.types(`item-${referrer.path.slice(0, 32)}`), []);
  });
  it('that have the same bytes share a file, which goes with the last of them', async () => {
    const farm = await openTestCoordinator([derivation(1), derivation(2)]);
    await farm.connect('a', { slots: 2 });
    await farm.submit(1, 2);
    for (const { build, attempt, derivation: path } of farm.allocations()) {
      const n = path === drvPath(1) ? 1 : 2;
      const declaration = {
        path: outPath(n),
        narHash: fakeSha256(7),
        narSize: 1,
        references: [],
        compression: 'zstd',
        fileSize: 1,
      } as const;
      const { id } = await farm.application.beginUpload(agentToken('a'), { ...declaration, build, attempt });
      const output = { name: 'out', path: outPath(n), narHash: fakeSha256(7), narSize: 1, references: [], upload: id };
      await farm.report('a', { type: 'succeeded', build, attempt, outputs: [output], durationMs: 1, logBytes: 0 });
    }
    await farm.application.deleteItems(admin, { items: [outPath(1)], reason: 'test', now: true, force: true });
    assert.ok(farm.pool.files.has(fakeSha256(7)));
    assert.ok(farm.application.servable(outPath(2).slice(0, 32)));
    await farm.application.deleteItems(admin, { items: [outPath(2)], reason: 'test', now: true, force: true });
    assert.ok(!farm.pool.files.has(fakeSha256(7)));
  });
  it('whose upload goes before it is published fail the attempt by name, and no other output of it stays', async () => {
    const outputs = { out: outPath(1), dev: outPath(2) };
    const farm = await openTestCoordinator([derivation(1, [], { outputs })]);
    await farm.connect('a');
    const { submission } = await farm.submit(1);
    const [{ build, attempt } = { build: '', attempt: 0 }] = farm.allocations();
    const built = Object.entries(outputs).map(async ([name, path], n) => {
      const nar = { path, narHash: fakeSha256(n + 1), narSize: 1, references: [] };
      const declaration = { ...nar, compression: 'zstd', fileSize: 1, build, attempt } as const;
      const { id } = await farm.application.beginUpload(agentToken('a'), declaration);
      return { name, ...nar, upload: id };
    });
    const { publish } = farm.pool;
    let left = 1;
    farm.pool.publish = async (upload) => {
      if (left-- === 0) throw new DroverError('unknown-upload', 'the file of the upload was removed');
      await publish(upload);
    };
    const report = { outputs: await Promise.all(built), durationMs: 1, logBytes: 0 };
    await farm.report('a', { type: 'succeeded', build, attempt, ...report });
    farm.pool.publish = publish;
    assert.deepEqual((await farm.types(`build-${submission}-1`)).slice(-2), [
      'BuildAttemptFailed',
      'BuildRetryScheduled',
    ]);
    assert.deepEqual([...farm.pool.files], []);
    const why = await farm.application.why(build);
    assert.ok(why.reason === 'back-off' && why.failure?.class === 'upload-failed', JSON.stringify(why));
  });
  it('that a second build makes differently stay as they were, and the difference is recorded', async () => {
    const farm = await openTestCoordinator([derivation(1)]);
    await farm.connect('a');
    await farm.submit(1);
    await farm.succeed('a', farm.allocations()[0] as never, 1);
    await farm.application.submit(admin, { roots: [drvPath(1)], options: { priority: 0 }, inputs: true, force: true });
    await farm.settle();
    const [again] = farm.allocations();
    const output = { name: 'out', path: outPath(1), narHash: fakeSha256(99), narSize: 1, references: [] };
    await farm.report('a', {
      type: 'succeeded',
      build: again?.build as string,
      attempt: 1,
      outputs: [output],
      durationMs: 1,
      logBytes: 0,
    });
    assert.deepEqual((await farm.types(`build-${again?.build}`)).slice(-2), ['OutputsDiverged', 'BuildSucceeded']);
    assert.equal(farm.application.servable(outPath(1).slice(0, 32))?.narHash, fakeSha256(2));
  });
});
