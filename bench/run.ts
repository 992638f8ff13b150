import { fork } from 'node:child_process';
import type { FromChild, ToChild } from './child.ts';
import type { Row } from './row.ts';

export interface Outcome {
  readonly rows: readonly Row[];
  readonly skipped?: string;
  readonly failed?: string;
  readonly peakMemory?: number;
}

/** One bench in a child process; `report` is called with each row as it comes. */
export function runBench(told: ToChild, report: (row: Row) => void, signal: AbortSignal): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const rows: Row[] = [];
  let end: Omit<Outcome, 'rows'> | undefined;
  const child = fork(new URL('./child.ts', import.meta.url), {
    execArgv: [...process.execArgv, '--disable-warning=ExperimentalWarning'],
  });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  child.on('message', (message: FromChild) => {
    if ('row' in message) {
      rows.push(message.row);
      report(message.row);
    } else if ('skipped' in message) end = { skipped: message.skipped };
    else if ('failed' in message) end = { failed: message.failed };
    else end = message.done;
  });
  child.on('exit', (code, by) => {
    signal.removeEventListener('abort', stop);
    resolve({ rows, ...(end ?? { failed: `the process ended by itself (${by ?? code})` }) });
  });
  child.send(told);
  return promise;
}
