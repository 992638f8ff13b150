import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DerivationAdded } from '../../../domain/derivation/events.ts';
import { parseDerivation, serializeDerivation } from '../../../domain/store/derivation.ts';
import { moduloParts } from '../../../domain/store/modulo-hash.ts';
import { graphSize, loadGraphClosure } from '../../support/graph-closure.ts';
import {
  guixGraphAbsent,
  guixStoreDir,
  loadHelloClosure,
  loadTrueHashes,
  type NamedDerivation,
} from '../../support/guix-graph.ts';
import { inputsFirst, verifyAll } from '../../support/verify-all.ts';

function check(derivations: readonly NamedDerivation[], storeDir: string) {
  const closure = inputsFirst(derivations, ({ bytes }) =>
    parseDerivation(bytes, { storeDir }).inputDerivations.map((input) => input.path.slice(storeDir.length + 1)),
  );
  for (const { name, bytes } of closure) {
    const written = serializeDerivation(parseDerivation(bytes, { storeDir }));
    assert.ok(Buffer.from(bytes).equals(written), name);
  }
  let edges = 0;
  const modulo = verifyAll(closure, storeDir, ({ facts }, { name }) => {
    assert.deepEqual(DerivationAdded.schema.parse(facts), facts);
    assert.equal(facts.path, name);
    edges += facts.inputs.length;
  });
  return { edges, modulo };
}

test('a closure that Nix instantiated is written back byte for byte, and every path in it verifies', async () => {
  const { modulo } = check(await loadGraphClosure(), '/nix/store');
  assert.equal(modulo.size, graphSize);
  // The two mirrors of one download, and the builds that differ in nothing but the mirror that they name.
  assert.equal(new Set(modulo.values()).size, graphSize - 1);
});

test("the closure of Guix's hello verifies, with Guix's own hashes", async (context) => {
  const [hello, truth] = await Promise.all([loadHelloClosure(), loadTrueHashes()]);
  if (!hello || !truth) return context.skip(guixGraphAbsent);
  const { edges, modulo } = check(hello, guixStoreDir);
  assert.equal(modulo.size, 217);
  assert.equal(edges, 2351);
  for (const [path, hash] of modulo)
    assert.equal(moduloParts(hash).hex, truth.get(path.slice(guixStoreDir.length + 1)), path);
});
