import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { serializeDerivation } from '../../domain/store/derivation.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { createNarVerifier } from '../../domain/store/nar-verifier.ts';
import { sha256 } from '../../domain/store/sha256.ts';
import { makeSourcePath } from '../../domain/store/store-path.ts';
import { fileNar } from '../support/fake-builder.ts';
import { fakeBase } from '../support/paths.ts';
import type { Random } from './random.ts';

export const storeDir = '/nix/store';
export const systems = ['x86_64-linux', 'i686-linux', 'aarch64-linux'] as const;
export const features = ['kvm', 'big-parallel'] as const;

/** How the builds of a derivation go. */
export type Temper = 'builds' | 'flaky' | 'fails' | 'hopeless';

/** A derivation and what comes of it. */
export interface Recipe {
  readonly facts: DerivationFacts;
  readonly text: Uint8Array;
  readonly temper: Temper;
  /** Full paths of what an output refers to, by its base name. */
  readonly references: ReadonlyMap<string, readonly string[]>;
  /** Milliseconds that a build takes. */
  readonly ms: number;
}

/** What a client has at home and sends: a text, and the path that its content determines. */
export interface Source {
  readonly path: string;
  readonly nar: Buffer;
}

export interface Graph {
  readonly recipes: readonly Recipe[];
  readonly sources: readonly Source[];
  /** By base name. */
  recipe(path: string): Recipe | undefined;
}

export const fullPath = (base: string): string => `${storeDir}/${base}`;
export const baseOf = (path: string): string => path.slice(storeDir.length + 1);

/** Derivations, inputs first, some with several outputs, sources, features and tempers of their own. */
export function randomGraph(random: Random, size: number): Graph {
  const sources = Array.from({ length: Math.ceil(size / 8) }, (_, n) => sourceOf(n));
  const recipes: Recipe[] = [];
  for (let n = 0; n < size; n++) recipes.push(recipeOf(random, n, recipes, sources));
  const byHash = new Map(recipes.map((recipe) => [recipe.facts.path.slice(0, 32), recipe]));
  return { recipes, sources, recipe: (path) => byHash.get(path.slice(0, 32)) };
}

function recipeOf(random: Random, n: number, before: readonly Recipe[], sources: readonly Source[]): Recipe {
  const inputs = new Map<string, Recipe>();
  for (let left = random.below(Math.min(n, 3) + 1); left > 0; left--) {
    // Chains are longer where what came last is preferred.
    const from = random.chance(0.5) ? Math.max(0, n - 4) : 0;
    const input = before[from + random.below(n - from)] as Recipe;
    inputs.set(input.facts.path, input);
  }
  const source = random.chance(0.3) ? random.pick(sources) : undefined;
  const outputs = { out: fakeBase('o', n), ...(random.chance(0.2) && { dev: fakeBase('v', n) }) };
  const needed = [...inputs.values()].map((input) => {
    const names = Object.keys(input.facts.outputs).sort();
    const wanted = names.length > 1 && random.chance(0.5) ? names : ['out'];
    return { input, wanted };
  });
  needed.sort((one, other) => (one.input.facts.path < other.input.facts.path ? -1 : 1));
  const items = needed.flatMap(({ input, wanted }) => wanted.map((name) => input.facts.outputs[name] as string));
  const references = new Map<string, readonly string[]>();
  for (const output of Object.values(outputs)) {
    const kept = items.filter(() => random.chance(0.5)).map(fullPath);
    references.set(output, [...new Set(kept)].sort());
  }
  if (outputs.dev !== undefined)
    references.set(outputs.dev, [...(references.get(outputs.dev) ?? []), fullPath(outputs.out)].sort());
  const wantedFeatures = random.chance(0.2) ? [random.pick(features) as string] : [];
  const facts: DerivationFacts = {
    // Versions of three things.
    path: `${fakeBase('d', n).slice(0, 32)}-d${n % 3}-${n}.drv`,
    system: random.chance(0.75) ? systems[0] : (random.pick(systems) as string),
    ...(wantedFeatures.length > 0 && { features: wantedFeatures }),
    outputs,
    inputs: needed.map(({ input, wanted }) => {
      const hash = input.facts.path.slice(0, 32);
      return wanted.length === 1 && wanted[0] === 'out' ? hash : `${hash}!${wanted.join(',')}`;
    }),
    sources: source === undefined ? [] : [source.path],
  };
  const text = serializeDerivation({
    outputs: Object.entries(outputs)
      .map(([name, path]) => ({ name, path: fullPath(path as string), hashAlgo: '', hash: '' }))
      .sort((one, other) => (one.name < other.name ? -1 : 1)),
    inputDerivations: needed.map(({ input, wanted }) => ({ path: fullPath(input.facts.path), outputs: wanted })),
    inputSources: facts.sources.map(fullPath),
    system: facts.system,
    builder: '/bin/sh',
    args: [],
    env: [],
  });
  const temper = random.weighted({ builds: 16, flaky: 3, fails: 1, hopeless: 1 });
  return { facts, text, temper, references, ms: random.between(100, 4000) };
}

function sourceOf(n: number): Source {
  const nar = fileNar(`source ${n}\n`);
  return { path: baseOf(makeSourcePath(`s${n}`, sha256(nar), [], false, storeDir)), nar };
}

/** What a build of the output gives. */
export function narOf(path: string, references: readonly string[]): Buffer {
  return fileNar(`${path.slice(33)}\n${references.join('\n')}\n`);
}

const hashes = new Map<string, string>();

/** `sha256:…` of bytes, in narinfo form; of NARs many are the same from one farm to the next. */
export function hashOf(nar: Uint8Array): string {
  const key = Buffer.from(nar.buffer, nar.byteOffset, nar.byteLength).toString('latin1');
  let hash = hashes.get(key);
  if (hash === undefined) {
    hash = formatHash({ algo: 'sha256', digest: sha256(nar) });
    if (hashes.size > 5000) hashes.clear();
    hashes.set(key, hash);
  }
  return hash;
}

/** Which of the hash parts the NAR mentions, and whether it is one. Throws where it is not. */
export function factsOf(nar: Uint8Array, candidates: readonly string[]): { narHash: string; references: string[] } {
  const verifier = createNarVerifier({ maxSize: nar.length, references: candidates });
  verifier.write(nar);
  const { narHash, references } = verifier.end();
  return { narHash, references };
}
