import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { DerivationStore } from '../../coordinator/ports/derivation-store.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import type { BenchGraph } from './graphs.ts';

/** A graph in a file, so that making it costs the bench neither time nor memory while it measures. */
export interface PreparedGraph {
  readonly name: string;
  readonly storeDir: string;
  readonly size: number;
  readonly edges: number;
  /** What nothing else needs. */
  readonly roots: readonly string[];
  readonly sources: readonly string[];
  readonly store: DerivationStore;
}

/** Where each part of the facts lies in the file. */
interface Contents extends Omit<PreparedGraph, 'store'> {
  readonly parts: readonly { readonly offset: number; readonly length: number }[];
}

const perPart = 1000;

/** Makes the graph, unless it is in the folder already. `make` gives `undefined` where it cannot be made; then so does this. */
export async function prepareGraph(
  work: string,
  name: string,
  make: () => BenchGraph | undefined | Promise<BenchGraph | undefined>,
): Promise<PreparedGraph | undefined> {
  const dir = join(work, 'graphs');
  await mkdir(dir, { recursive: true });
  const file = join(dir, `${name}.facts`);
  const index = join(dir, `${name}.index`);
  if (!existsSync(index)) {
    const graph = await make();
    if (!graph) return undefined;
    await writeFile(`${index}.new`, serialize(await write(graph, file)));
    await rename(`${index}.new`, index);
  }
  const contents = deserialize(await readFile(index)) as Contents;
  return { ...contents, store: storeOn(file, contents) };
}

async function write(graph: BenchGraph, file: string): Promise<Contents> {
  await using output = await open(file, 'w');
  const parts: { offset: number; length: number }[] = [];
  const sources = new Set<string>();
  const paths = new Map<string, string>();
  const needed = new Set<string>();
  let offset = 0;
  let edges = 0;
  for (let start = 0; start < graph.size; start += perPart) {
    const part: DerivationFacts[] = [];
    for (let n = start; n < Math.min(graph.size, start + perPart); n++) part.push(graph.facts(n));
    for (const facts of part) {
      paths.set(facts.path.slice(0, 32), facts.path);
      for (const source of facts.sources) sources.add(source);
      for (const input of facts.inputs) needed.add(input.slice(0, 32));
      edges += facts.inputs.length + facts.sources.length;
    }
    const bytes = serialize(part);
    await output.write(bytes);
    parts.push({ offset, length: bytes.length });
    offset += bytes.length;
  }
  const roots = [...paths].filter(([hash]) => !needed.has(hash)).map(([, path]) => path);
  const { name, storeDir, size } = graph;
  return { name, storeDir, size, edges, roots, sources: [...sources], parts };
}

/**
 * A derivation store that gives the facts as the real one does: they arrive serialised (there from its thread, here from the file) and
 * are unpacked by the main thread. Parsing and verifying are measured apart (`intake`).
 */
function storeOn(file: string, { parts }: Contents): DerivationStore {
  const text = new Uint8Array(0);
  return {
    missing: async () => [],
    add: async () => ({ added: 0 }),
    text: async () => text,
    async *closure() {
      await using input = await open(file);
      for (const { offset, length } of parts) {
        const { buffer } = await input.read({ buffer: Buffer.alloc(length), position: offset });
        yield deserialize(buffer) as DerivationFacts[];
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}
