import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** One figure of a bench. */
export interface Row {
  /** Names the figure in goals.ts and in the JSON; the same in every run. */
  readonly key: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly note?: string;
}

export type Report = (row: Row) => void;

/** What a bench is told; every bench runs in a process of its own. */
export interface BenchOptions {
  /** Folder for data of this run, shared by its benches: prepared graphs, logs to replay. Removed at the end. */
  readonly work: string;
  /** How long to measure what goes on until it is stopped. */
  readonly seconds: number;
  /** Derivations, for a bench that runs at several sizes. */
  readonly size: number;
  /** Small amounts, to see that everything works; the figures mean little. */
  readonly quick: boolean;
}

/** Thrown by a bench that cannot run here; the message says what is missing. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

/** An empty folder of that name in the run's data; what an earlier run of the bench left there is removed. */
export async function freshFolder(work: string, name: string): Promise<string> {
  const dir = join(work, name);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  return dir;
}
