import { sharedAbsent, unpackShared } from './shared-fixtures.ts';
import { readTar } from './tar.ts';

/**
 * The derivation graph of all of Guix, 44,067 derivations, and the closure of its `hello`, 217 derivations:
 * `../shared/fixtures/guix-graph`, not in this repository.
 */
const graphFolder = 'guix-graph';

/** What to say where {@link loadGuixDerivations} and its like give `undefined`. */
export const guixGraphAbsent = `needs ../shared/fixtures/${graphFolder}, which is not there`;

export const guixStoreDir = '/gnu/store';

export interface NamedDerivation {
  /** Store base name, `<hash>-<name>.drv`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface GraphNode {
  /** Store base name of the derivation. */
  readonly name: string;
  readonly system: string;
  readonly outputs: readonly string[];
  /** Indices of the input derivations in the same array, ascending; all are smaller than the node's own index. */
  readonly inputs: readonly number[];
}

export interface TrueOutput {
  readonly derivation: string;
  readonly output: string;
  /** Full path. */
  readonly path: string;
  /** Only for fixed outputs. */
  readonly fixed?: { readonly algo: string; readonly hash: string };
}

/** All derivations, sorted by name; `undefined` where the shared fixtures are absent. */
export async function loadGuixDerivations(): Promise<NamedDerivation[] | undefined> {
  const archive = await unpack('drvs.tar.zst');
  return archive && readTar(archive).map(({ name, bytes }) => ({ name, bytes }));
}

/** The graph in topological order, inputs first; `undefined` where the shared fixtures are absent. */
export async function loadGraph(): Promise<GraphNode[] | undefined> {
  const rows = await table('graph.tsv.zst');
  return rows?.map(([name = '', system = '', outputs = '', inputs = '']) => ({
    name,
    system,
    outputs: outputs.split(','),
    inputs: inputs === '' ? [] : inputs.split(',').map((line) => Number(line) - 1),
  }));
}

/** Every derivation with its bytes, in topological order. */
export async function loadGuixDerivationsInOrder(): Promise<NamedDerivation[] | undefined> {
  const [derivations, graph] = await Promise.all([loadGuixDerivations(), loadGraph()]);
  if (derivations === undefined || graph === undefined) return undefined;
  const byName = new Map(derivations.map((derivation) => [derivation.name, derivation]));
  return graph.map(({ name }) => {
    const derivation = byName.get(name);
    if (derivation === undefined) throw new Error(`guix-graph: ${name} is in graph.tsv but not in drvs.tar`);
    return derivation;
  });
}

/** What Guix itself computed: every output's path. */
export async function loadTrueOutputs(): Promise<TrueOutput[] | undefined> {
  const rows = await table('truth.tsv.zst');
  return rows?.map(([derivation = '', output = '', path = '', fixed, algo = '', hash = '']) => ({
    derivation,
    output,
    path,
    ...(fixed === 'fixed' && { fixed: { algo, hash } }),
  }));
}

/** What Guix itself computed: the unmasked derivation hash in base 16 by base name. */
export async function loadTrueHashes(): Promise<Map<string, string> | undefined> {
  const rows = await table('derivation-hash.tsv.zst');
  return rows && new Map(rows.map(([name = '', hash = '']) => [name, hash]));
}

/** The 217 derivations of hello's closure, sorted by name; `undefined` where the shared fixtures are absent. */
export async function loadHelloClosure(): Promise<NamedDerivation[] | undefined> {
  const archive = await unpack('hello-closure.tar.zst');
  return archive && readTar(archive).map(({ name, bytes }) => ({ name, bytes }));
}

async function table(file: string): Promise<string[][] | undefined> {
  const bytes = await unpack(file);
  return bytes
    ?.toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
}

async function unpack(file: string): Promise<Buffer | undefined> {
  return sharedAbsent(graphFolder) ? undefined : unpackShared(`${graphFolder}/${file}`);
}
