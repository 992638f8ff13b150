import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteDerivationStore } from '../../adapters/derivation-store/sqlite-derivation-store.ts';
import { guixGraphAbsent, guixStoreDir, loadGraph, loadGuixDerivationsInOrder } from '../../test/support/guix-graph.ts';
import { type BenchOptions, type Report, Skipped } from '../row.ts';

/** Taking in all derivations of Guix, verified and durable, and reading their closure. */
export async function run(report: Report, { work }: BenchOptions): Promise<void> {
  const [derivations, graph] = await Promise.all([loadGuixDerivationsInOrder(), loadGraph()]);
  if (derivations === undefined || graph === undefined) throw new Skipped(guixGraphAbsent);
  const dir = await mkdtemp(join(work, 'derivations-'));
  try {
    await using store = await openSqliteDerivationStore({ dir, storeDirs: [guixStoreDir] });
    const sent = derivations.map(({ name, bytes }) => ({ path: name, text: bytes }));
    const before = process.memoryUsage().rss;
    const intake = await seconds(() => store.add(sent));
    const { size } = await stat(join(dir, 'derivations.db'));
    const note = `${sent.length} derivations, durable; database ${megabytes(size)} MB`;
    report({ key: 'derivations-add', name: 'derivations: intake of Guix', value: intake, unit: 's', note });
    report({
      key: 'derivations-memory',
      name: 'derivations: memory for it',
      value: megabytes(process.memoryUsage().rss - before),
      unit: 'MB',
    });

    const needed = new Set(graph.flatMap(({ inputs }) => inputs));
    const roots = graph.filter((_, index) => !needed.has(index)).map(({ name }) => name);
    let facts = 0;
    let longest = 0;
    const whole = await seconds(async () => {
      let last = performance.now();
      for await (const part of store.closure(roots, () => false)) {
        facts += part.length;
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
      }
    });
    report({
      key: 'derivations-closure',
      name: 'derivations: whole closure',
      value: whole,
      unit: 's',
      note: `${facts} facts`,
    });

    const names = new Set(graph.map(({ name }) => name));
    const root = roots.at(-1) as string;
    names.delete(root);
    const small = await seconds(async () => {
      for (let round = 0; round < 1_000; round++) {
        for await (const part of store.closure([root], (path) => names.has(path))) facts += part.length;
      }
    });
    report({
      key: 'derivations-closure-known',
      name: 'derivations: closure of a root with known inputs',
      value: small,
      unit: 'ms',
      note: 'mean of 1,000',
    });

    const lookup = await seconds(() => store.missing(sent.map(({ path }) => path)));
    report({ key: 'derivations-missing', name: 'derivations: missing() of all', value: lookup, unit: 's' });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
