import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DerivationStore } from '../../coordinator/ports/derivation-store.ts';
import type { DerivationLimits } from '../../domain/limits.ts';
import { readClosure } from './closure.ts';
import { unopened } from './refused-file.ts';
import { openDatabase } from './schema.ts';
import { createWorkerClient } from './worker-client.ts';

export interface SqliteDerivationStoreOptions {
  /** Folder of `derivations.db`; made where it is missing. */
  readonly dir: string;
  /** For example `/gnu/store`; derivations of each are taken, and the first one stays the first as long as the file lives. */
  readonly storeDirs: readonly string[];
  /** What is refused as too large; default: what no coordinator takes. */
  readonly limits?: DerivationLimits;
}

/** One transaction has at most so many derivations and, but for a single large one, so many bytes. */
const transactionCount = 1_000;
const transactionBytes = 4 * 1024 * 1024;
const pathsPerQuestion = 10_000;

/**
 * The derivation store in one SQLite file that a worker thread owns: neither verifying nor the disk holds up the main
 * thread. Whoever opens it holds the lock of the data folder; there is none of its own.
 *
 * @throws Error with code `newer-schema` or `wrong-store-dir`.
 */
export async function openSqliteDerivationStore(options: SqliteDerivationStoreOptions): Promise<DerivationStore> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const { storeDirs, limits } = options;
  const file = join(options.dir, 'derivations.db');
  try {
    // Seen here whether it can be used, as the thread that uses it is there only once something is asked.
    openDatabase(file, storeDirs[0] as string).close();
  } catch (error) {
    const { message, code } = unopened(file, error);
    throw Object.assign(new Error(message), { code });
  }
  const worker = createWorkerClient({ file, storeDirs, limits });
  return {
    async missing(paths) {
      const missing: string[] = [];
      for (let start = 0; start < paths.length; start += pathsPerQuestion) {
        const answer = await worker.ask('missing', { paths: paths.slice(start, start + pathsPerQuestion) });
        for (const path of answer) missing.push(path);
      }
      return missing;
    },
    async add(derivations) {
      let added = 0;
      for (const batch of transactions(derivations)) {
        const answer = await worker.ask('add', batch, [batch.texts.buffer as ArrayBuffer]);
        if (answer.refused !== undefined) return { refused: answer.refused };
        added += answer.added;
      }
      return { added };
    },
    text: (path) => worker.ask('text', { path }),
    closure: (roots, skip) => readClosure(worker, roots, skip),
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}

interface Sent {
  readonly path: string;
  readonly text: Uint8Array;
}

/** Cuts a list into transactions and copies the texts of each into a buffer that is handed over to the worker. */
function* transactions(derivations: readonly Sent[]) {
  let start = 0;
  while (start < derivations.length) {
    let end = start;
    let bytes = 0;
    while (end < derivations.length && end - start < transactionCount) {
      const { length } = (derivations[end] as Sent).text;
      if (end > start && bytes + length > transactionBytes) break;
      bytes += length;
      end++;
    }
    const batch = derivations.slice(start, end);
    const texts = new Uint8Array(bytes);
    let offset = 0;
    for (const { text } of batch) {
      texts.set(text, offset);
      offset += text.length;
    }
    yield { paths: batch.map(({ path }) => path), lengths: batch.map(({ text }) => text.length), texts };
    start = end;
  }
}
