import { zstdDecompressSync } from 'node:zlib';
import { readFixture } from './fixtures.ts';
import type { NamedDerivation } from './guix-graph.ts';
import { readTar } from './tar.ts';

/** Number of derivations in {@link loadGraphClosure}. */
export const graphSize = 199;

/** The closure of one root, `scripts/fixtures/graph.nix`, sorted by name. */
export async function loadGraphClosure(): Promise<NamedDerivation[]> {
  const archive = zstdDecompressSync(await readFixture('graph.tar.zst'));
  return readTar(archive).map(({ name, bytes }) => ({ name, bytes }));
}

/** Base name of the derivation in {@link loadGraphClosure} that needs all others. */
export function rootOf(closure: readonly NamedDerivation[]): string {
  const root = closure.find(({ name }) => name.endsWith('-top.drv'));
  if (root === undefined) throw new Error('the graph has no top.drv');
  return root.name;
}
