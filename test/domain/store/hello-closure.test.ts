import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DerivationAdded } from '../../../domain/derivation/events.ts';
import { parseDerivation, serializeDerivation } from '../../../domain/store/derivation.ts';
import { moduloParts } from '../../../domain/store/modulo-hash.ts';
import { guixGraphAbsent, guixStoreDir, loadHelloClosure, loadTrueHashes } from '../../support/guix-graph.ts';
import { inputsFirst, verifyAll } from '../../support/verify-all.ts';

const closure = inputsFirst(await loadHelloClosure(), ({ bytes }) =>
  parseDerivation(bytes, { storeDir: guixStoreDir }).inputDerivations.map((input) =>
    input.path.slice(guixStoreDir.length + 1),
  ),
);

test("hello's 217 derivations are written back byte for byte", () => {
  assert.equal(closure.length, 217);
  for (const { name, bytes } of closure) {
    const written = serializeDerivation(parseDerivation(bytes, { storeDir: guixStoreDir }));
    assert.ok(Buffer.from(bytes).equals(written), name);
  }
});

test("hello's 217 derivations verify, and their facts are what the event takes", () => {
  let edges = 0;
  const modulo = verifyAll(closure, guixStoreDir, ({ facts }, { name }) => {
    assert.deepEqual(DerivationAdded.schema.parse(facts), facts);
    assert.equal(facts.path, name);
    edges += facts.inputs.length;
  });
  assert.equal(modulo.size, 217);
  assert.equal(edges, 2351);
});

test("hello's derivation hashes are Guix's own", async (context) => {
  const truth = await loadTrueHashes();
  if (truth === undefined) return context.skip(guixGraphAbsent);
  const modulo = verifyAll(closure, guixStoreDir);
  for (const { name } of closure) {
    assert.equal(moduloParts(modulo.get(`${guixStoreDir}/${name}`) ?? '').hex, truth.get(name), name);
  }
});
