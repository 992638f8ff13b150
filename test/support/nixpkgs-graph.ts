import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { parseDerivation } from '../../domain/store/derivation.ts';
import { sharedAbsent, unpackShared } from './shared-fixtures.ts';
import { readTar } from './tar.ts';
import { inputsFirst, verifyAll } from './verify-all.ts';

const archive = 'nixpkgs-graph/graph.tar.zst';

/** Why tests of these graphs cannot run, or `false` if they can: for `skip`. */
export const nixpkgsGraphAbsent = sharedAbsent(archive);

export interface NixpkgsGraph {
  /** Inputs first. */
  readonly facts: readonly DerivationFacts[];
  /** Base names. */
  readonly roots: readonly string[];
}

/** A real graph of derivations, computed by real Nix: part of Nixpkgs, or one whole NixOS. */
export async function loadNixpkgsGraph(name: 'corepkgs' | 'nixos-15.09'): Promise<NixpkgsGraph> {
  const entries = readTar(await unpackShared(archive));
  const rootsFile = entries.find((entry) => entry.name === `${name}.roots`);
  if (!rootsFile) throw new Error(`${archive} has no ${name}.roots`);
  const derivations = entries
    .filter((entry) => entry.name.startsWith(`${name}/`))
    .map((entry) => ({ name: entry.name.slice(name.length + 1), bytes: entry.bytes }));
  const facts: DerivationFacts[] = [];
  const base = (path: string): string => path.slice('/nix/store/'.length);
  const ordered = inputsFirst(derivations, ({ bytes }) =>
    parseDerivation(bytes, { storeDir: '/nix/store' }).inputDerivations.map(({ path }) => base(path)),
  );
  verifyAll(ordered, '/nix/store', (verified) => void facts.push(verified.facts));
  const roots = Buffer.from(rootsFile.bytes).toString().trim().split('\n').map(base);
  return { facts, roots };
}
