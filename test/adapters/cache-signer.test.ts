import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createCacheSigner } from '../../adapters/cache-signer/cache-signer.ts';
import { formatGuixSecretKey, makeGuixKey } from '../../domain/guix/keys.ts';
import { unpackSignature } from '../../domain/guix/packed-signature.ts';
import { signGuixHash } from '../../domain/guix/signature.ts';
import { generateSigningKey, verify } from '../../domain/store/signature.ts';

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

test('without a key for Guix there is nothing to ask it for', async () => {
  await using signer = createCacheSigner({ secret: pair.secret });
  assert.equal(signer.signForGuix, undefined);
});
