import { readFile } from 'node:fs/promises';
import { constants, zstdDecompressSync } from 'node:zlib';
import { readTar } from './tar.ts';

/**
 * The derivation graph of all of Guix, 44,067 derivations (`../shared/fixtures/guix-graph`, not in this repository),
 * and the closure of its `hello`, 217 derivations, which is in `test/fixtures`.
 */
const sharedFolder = new URL('../../../shared/fixtures/guix-graph/', import.meta.url);
const fixtureFolder = new URL('../fixtures/', import.meta.url);

/** What to say where {@link loadGuixDerivations} and its like give `undefined`. */
export const guixGraphAbsent: string = `needs ${sharedFolder.pathname}, which is not there`;

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
  const archive = await unpack(new URL('drvs.tar.zst', sharedFolder));
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

/** The 217 derivations of hello's closure, sorted by name; always there. */
export async function loadHelloClosure(): Promise<NamedDerivation[]> {
  const archive = await unpack(new URL('guix-hello-closure.tar.zst', fixtureFolder));
  if (archive === undefined) throw new Error('test/fixtures/guix-hello-closure.tar.zst is missing');
  return readTar(archive).map(({ name, bytes }) => ({ name, bytes }));
}

async function table(file: string): Promise<string[][] | undefined> {
  const bytes = await unpack(new URL(file, sharedFolder));
  return bytes
    ?.toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
}

async function unpack(file: URL): Promise<Buffer | undefined> {
  let packed: Buffer;
  try {
    packed = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return zstdDecompressSync(packed, { params: { [constants.ZSTD_d_windowLogMax]: 27 } });
}
