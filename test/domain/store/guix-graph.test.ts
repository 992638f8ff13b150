import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDerivation, serializeDerivation } from '../../../domain/store/derivation.ts';
import { moduloParts } from '../../../domain/store/modulo-hash.ts';
import {
  type GraphNode,
  guixGraphAbsent,
  guixStoreDir,
  loadGraph,
  loadGuixDerivationsInOrder,
  loadTrueHashes,
  loadTrueOutputs,
} from '../../support/guix-graph.ts';
import { verifyAll } from '../../support/verify-all.ts';

test('all 44,067 derivations of Guix verify and give the paths and hashes that Guix computed', async (context) => {
  const derivations = await loadGuixDerivationsInOrder();
  const graph = await loadGraph();
  const truth = await loadTrueOutputs();
  const hashes = await loadTrueHashes();
  if (!derivations || !graph || !truth || !hashes) return context.skip(guixGraphAbsent);
  assert.equal(derivations.length, 44_067);

  let started = performance.now();
  for (const { name, bytes } of derivations) {
    const written = serializeDerivation(parseDerivation(bytes, { storeDir: guixStoreDir }));
    assert.ok(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).equals(written), name);
  }
  context.diagnostic(`parsed and written back in ${seconds(started)} s`);

  const outputs = new Map<string, string>();
  const fixed = new Map<string, string>();
  const inputs: string[][] = [];
  started = performance.now();
  const modulo = verifyAll(derivations, guixStoreDir, ({ facts }, { name }) => {
    for (const [output, base] of Object.entries(facts.outputs)) outputs.set(`${name}!${output}`, base);
    if (facts.fixed !== undefined) fixed.set(name, `${facts.fixed.method}:${facts.fixed.hash}`);
    inputs.push(facts.inputs);
  });
  context.diagnostic(`verified in ${seconds(started)} s`);

  assert.equal(outputs.size, truth.length);
  assert.equal(outputs.size, 45_932);
  for (const { derivation, output, path } of truth) {
    assert.equal(`${guixStoreDir}/${outputs.get(`${derivation}!${output}`)}`, path);
  }
  const trulyFixed = truth.filter((output) => output.fixed !== undefined);
  assert.equal(trulyFixed.length, 19_981);
  assert.equal(fixed.size, trulyFixed.length);
  for (const output of trulyFixed) {
    assert.equal(fixed.get(output.derivation), `${output.fixed?.algo}:${output.fixed?.hash}`);
  }

  assert.equal(hashes.size, 44_067);
  for (const [name, hash] of hashes) assert.equal(moduloParts(modulo.get(`${guixStoreDir}/${name}`) ?? '').hex, hash);

  for (const [index, node] of graph.entries()) {
    const expected: string[] = node.inputs.map((input) => (graph[input] as GraphNode).name.slice(0, 32)).sort();
    assert.deepEqual(inputs[index]?.map((input) => input.slice(0, 32)).sort(), expected, node.name);
  }
});

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
