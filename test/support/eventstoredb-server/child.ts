import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DoubleOptions } from './server.ts';

/** Doubles in a child process. */
export interface DoubleProcess extends AsyncDisposable {
  /** One more double; its URL. Call again only after the answer. */
  open(options?: DoubleOptions): Promise<string>;
  /** `kill -9`, and waits for the end. */
  kill(): Promise<void>;
}

const file = fileURLToPath(new URL('process.ts', import.meta.url));

export function forkDoubles(): DoubleProcess {
  const child = fork(file);
  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
  return {
    async open(options = {}) {
      const answer = once(child, 'message');
      child.send(options);
      return (await answer)[0] as string;
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

/** A double whose log is in `dir`, so that the next one there goes on with it, on the same port. */
export async function forkDoubleAt(dir: string, port?: number): Promise<DoubleProcess & { url: string; port: number }> {
  const double = forkDoubles();
  const url = await double.open({ dir, ...(port !== undefined && { port }) });
  return { ...double, url, port: portOf(url) };
}
export const portOf = (url: string): number => Number(/:([0-9]+)\?/.exec(url)?.[1]);
