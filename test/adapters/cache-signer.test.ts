import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCacheSigner } from '../../adapters/cache-signer/cache-signer.ts';
import { formatGuixSecretKey, makeGuixKey } from '../../domain/guix/keys.ts';
import { unpackSignature } from '../../domain/guix/packed-signature.ts';
import { signGuixHash } from '../../domain/guix/signature.ts';
import { generateSigningKey, verify } from '../../domain/store/signature.ts';
import { temporaryFolder } from './pool/pools.ts';

const pair = generateSigningKey('test-1', new Uint8Array(32).fill(1));
const guixKey = makeGuixKey(new Uint8Array(32).fill(2));

test('signs for Nix and for Guix beside each other, each answer to its own question', async () => {
  await using signer = createCacheSigner({ secret: pair.secret, guixSecret: formatGuixSecretKey(guixKey) });
  const texts = Array.from({ length: 20 }, (_, n) => `1;/gnu/store/x-${n};sha256:y;1;`);
  const hashes = texts.map((text) => createHash('sha256').update(text).digest());
  const answers = await Promise.all(
    texts.map((text, n) => Promise.all([signer.sign(text), signer.signForGuix?.(hashes[n] as Buffer)])),
  );
  for (const [n, [signature, packed]] of answers.entries()) {
    assert.ok(verify(pair.public, texts[n] as string, signature));
    assert.equal(unpackSignature(packed as string, hashes[n] as Buffer), signGuixHash(guixKey, hashes[n] as Buffer));
  }
});

test('signs again once its thread can be started, or after it has ended', async () => {
  await using folder = await temporaryFolder();
  const lack = join(folder.path, 'no descriptors');
  const text = `
    import { existsSync } from 'node:fs';
    import { parentPort } from 'node:worker_threads';
    const fail = () => { if (existsSync(${JSON.stringify(lack)})) throw new Error('EMFILE: too many open files'); };
    fail();
    const post = parentPort.postMessage.bind(parentPort);
    parentPort.postMessage = (answer) => (fail(), post(answer));
    await import(${JSON.stringify(import.meta.resolve('../../adapters/cache-signer/worker.ts'))});`;
  const program = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  await writeFile(lack, '');
  await using signer = createCacheSigner({ secret: pair.secret }, { program });
  const signs = async () => assert.ok(verify(pair.public, '1;x', await signer.sign('1;x')));
  for (let times = 0; times < 2; times++) {
    for (const each of [signer.sign('1;x'), signer.sign('1;y')]) await assert.rejects(each, /EMFILE/);
    await rm(lack);
    await Promise.all([signs(), signs()]);
    await writeFile(lack, '');
  }
});

test('without a key for Guix there is nothing to ask it for', async () => {
  await using signer = createCacheSigner({ secret: pair.secret });
  assert.equal(signer.signForGuix, undefined);
});
