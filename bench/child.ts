/** Runs one bench in a process of its own, told by `run.ts`: its heap, its caches and what it leaves behind are its own. */
import { benches } from './registry.ts';
import { type BenchOptions, type Row, Skipped } from './row.ts';

export interface ToChild {
  readonly bench: string;
  readonly sizes: readonly number[];
  readonly options: Omit<BenchOptions, 'size'>;
}
export type FromChild =
  | { readonly row: Row }
  | { readonly skipped: string }
  | { readonly failed: string }
  /** Largest resident set of the process, in bytes. */
  | { readonly done: { readonly peakMemory: number } };

const say = (message: FromChild): void => void process.send?.(message);

process.once('message', async ({ bench, sizes, options }: ToChild) => {
  try {
    const found = benches(sizes).find(({ name }) => name === bench);
    if (!found) throw new Error(`there is no bench ${bench}`);
    const run = await found.run();
    await run((row) => say({ row }), { ...options, size: found.size ?? 0 });
    say({ done: { peakMemory: process.resourceUsage().maxRSS * 1024 } });
  } catch (error) {
    if (error instanceof Skipped) say({ skipped: error.message });
    else say({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
  process.disconnect();
});
