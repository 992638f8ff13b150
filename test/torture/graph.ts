import { createHash } from 'node:crypto';
import { type Derivation, serializeDerivation } from '../../domain/store/derivation.ts';
import { createDerivationHasher } from '../../domain/store/derivation-hash.ts';
import type { ModuloHash } from '../../domain/store/modulo-hash.ts';
import { makeOutputPath, makeSourcePath, makeTextPath } from '../../domain/store/store-path.ts';
import type { Random } from '../simulation/random.ts';
import { fileNar } from '../support/fake-builder.ts';

export const storeDir = '/nix/store';
/** Both are built by any agent on x86_64 that says so. */
export const systems = ['x86_64-linux', 'i686-linux'] as const;
export const features = ['rare'] as const;

/** A derivation that real Nix builds, whose paths are those that its content determines. */
export interface Recipe {
  /** Base name. */
  readonly path: string;
  readonly name: string;
  readonly text: Uint8Array;
  /** Base names. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly inputs: readonly Recipe[];
  readonly source: Source | undefined;
  readonly temper: keyof typeof tempers;
}

export interface Source {
  /** Base name. */
  readonly path: string;
  readonly nar: Buffer;
}

export interface Graph {
  /** A new derivation, on top of some that there are. */
  derivation(random: Random): Recipe;
  /** All so far, and their sources, by base name. */
  readonly recipes: readonly Recipe[];
  readonly sources: ReadonlyMap<string, Source>;
}

/**
 * What builders do: `/gate` is a folder of the test. Each says there that it began and that it came to its end, and the `flaky` know from it
 * that they have failed before.
 */
const tempers = {
  builds: () => '',
  slow: (random: Random) => `echo wait; /bin/sleep ${random.between(1, 9) / 10}`,
  slower: (random: Random) => `echo wait; /bin/sleep 1.${random.below(9)}; echo on`,
  flaky: (_: Random, name: string) => `/bin/mkdir /gate/failed/${name} 2>/dev/null && exit 1`,
  fails: () => 'echo no; exit 3',
};

export function createGraph(prefix: string): Graph {
  const modulos = new Map<string, ModuloHash>();
  const hasher = createDerivationHasher({ storeDir, lookup: (path) => modulos.get(path) });
  const recipes: Recipe[] = [];
  const sources = new Map<string, Source>();

  function sourceOf(random: Random): Source {
    const known = [...sources.values()].slice(-4);
    if (known.length > 0 && random.chance(0.6)) return random.pick(known) as Source;
    const nar = fileNar(`source ${prefix} ${sources.size}\n`.repeat(random.between(1, 2000)));
    const digest = createHash('sha256').update(nar).digest();
    const source = { path: base(makeSourcePath(`${prefix}-source-${sources.size}`, digest, [], false, storeDir)), nar };
    sources.set(source.path, source);
    return source;
  }

  function derivation(random: Random): Recipe {
    const name = `${prefix}-${recipes.length}`;
    const inputs = new Set<Recipe>();
    // Chains are longer where what came last is preferred.
    for (let left = random.below(3); left > 0; left--) {
      const input = random.pick(recipes.slice(random.chance(0.7) ? -4 : -24));
      // What waits for one that fails waits for ever.
      if (input && (input.temper !== 'fails' || random.chance(0.2))) inputs.add(input);
    }
    const source = random.chance(0.4) ? sourceOf(random) : undefined;
    const temper = random.weighted({ builds: 10, slow: 6, slower: 2, flaky: 2, fails: 1 });
    const isFixed = random.chance(0.1);
    const names = !isFixed && random.chance(0.25) ? ['dev', 'out'] : ['out'];
    const big = !isFixed && random.chance(0.15);
    const kept = [...inputs].filter(() => random.chance(0.6)).map(({ outputs }) => full(outputs.out as string));
    const needed = [...inputs].sort((one, other) => (one.path < other.path ? -1 : 1));
    const system = random.weighted({ [systems[0]]: 3, [systems[1]]: 1 });
    const isRare = system === systems[0] && random.chance(0.2);
    const script = [
      `echo ${name} >> /gate/began`,
      ...needed.map(({ outputs }) => `[ -e ${full(outputs.out as string)} ] || exit 7`),
      ...(source ? [`read line < ${full(source.path)} || exit 8`] : []),
      tempers[temper](random, name),
      isFixed ? `printf ${name} > $out` : `echo ${[name, ...kept].join(' ')} > $out`,
      ...(big ? ['/bin/cat /gate/blob >> $out'] : []),
      ...(names.includes('dev') ? [`echo ${name} of $out > $dev`] : []),
      `echo ${name} >> /gate/ended`,
    ];
    const draft: Derivation = {
      outputs: names.map((output) => ({ name: output, path: '', hashAlgo: '', hash: '', ...(isFixed && fixed(name)) })),
      inputDerivations: needed.map((input) => ({ path: full(input.path), outputs: ['out'] })),
      inputSources: source ? [full(source.path)] : [],
      system,
      builder: '/bin/sh',
      args: ['-c', script.filter(Boolean).join('\n')],
      env: [
        ['name', name],
        ...(isRare ? [['requiredSystemFeatures', features[0]] as const] : []),
        ...(isFixed ? fixedEnv(name) : []),
      ],
    };
    const { derivation: whole, modulo } = withPaths(draft, name, hasher);
    const text = serializeDerivation(whole);
    const references = [...whole.inputDerivations.map(({ path }) => path), ...whole.inputSources];
    const path = makeTextPath(`${name}.drv`, createHash('sha256').update(text).digest(), references, storeDir);
    modulos.set(path, modulo);
    const outputs = Object.fromEntries(whole.outputs.map((output) => [output.name, base(output.path)]));
    const recipe = { path: base(path), name, text, outputs, inputs: needed, source, temper };
    recipes.push(recipe);
    return recipe;
  }

  return { derivation, recipes, sources };
}

const full = (path: string): string => `${storeDir}/${path}`;
const base = (path: string): string => path.slice(storeDir.length + 1);

const contentHash = (name: string): string => createHash('sha256').update(name).digest('hex');
const fixed = (name: string) => ({ hashAlgo: 'sha256', hash: contentHash(name) });
const fixedEnv = (name: string): [string, string][] => [
  ['outputHash', contentHash(name)],
  ['outputHashAlgo', 'sha256'],
  ['outputHashMode', 'flat'],
];

/** The outputs' paths follow from the text in which they are masked, whatever they are. */
function withPaths(draft: Derivation, name: string, hasher: ReturnType<typeof createDerivationHasher>) {
  const anything = (output: string): string => makeOutputPath(name, output, '0'.repeat(64), storeDir);
  const masked = draft.outputs.map((output) => ({ ...output, path: anything(output.name) }));
  const unknown = masked.map((output) => [output.name, output.path] as const);
  const inOrder = (env: Derivation['env']): Derivation['env'] =>
    [...env].sort(([one], [other]) => (one < other ? -1 : 1));
  const hashes = hasher.hash({ ...draft, outputs: masked, env: inOrder([...draft.env, ...unknown]) }, name);
  if ('failed' in hashes) throw new Error(`expected a derivation with paths, got ${JSON.stringify(hashes)}`);
  const pathOf = (output: string): string => hashes.outputPaths.get(output) as string;
  const outputs = draft.outputs.map((output) => ({ ...output, path: pathOf(output.name) }));
  const env = inOrder([...draft.env, ...outputs.map((output) => [output.name, output.path] as const)]);
  const derivation = { ...draft, outputs, env };
  const whole = hasher.hash(derivation, name);
  if ('failed' in whole) throw new Error(`expected a derivation, got ${JSON.stringify(whole)}`);
  return { derivation, modulo: whole.modulo };
}

/** A derivation and all that it needs, inputs first. */
export function closureOf(roots: readonly Recipe[]): readonly Recipe[] {
  const found = new Set<Recipe>();
  function add(recipe: Recipe): void {
    if (found.has(recipe)) return;
    for (const input of recipe.inputs) add(input);
    found.add(recipe);
  }
  for (const root of roots) add(root);
  return [...found];
}
