import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';
import { moduleBeside } from '../runtime/module-beside.ts';
import type { FromMaker, ToMaker } from './maker.ts';

/** Has a snapshot made whenever enough of the log came since the last one. */
export interface SnapshotMaker extends AsyncDisposable {
  /** So many events more are durable, or were folded at a start. */
  grown(events: number): void;
}

export interface SnapshotMakerOptions extends ToMaker {
  /** Events between two snapshots; 0: none are made. */
  readonly everyEvents: number;
  readonly logger: Logger;
}

const program = moduleBeside('./maker', import.meta.url);

/**
 * Snapshots are made by a process of their own, which reads the log as anybody may, from the snapshot before on: so nothing of the
 * coordinator stands still for it, and what is written is what a start would have folded (docs/decisions/0057).
 */
export function createSnapshotMaker({ everyEvents, logger, ...told }: SnapshotMakerOptions): SnapshotMaker {
  let since = 0;
  let child: ChildProcess | undefined;
  let closed = false;

  function make(): void {
    since = 0;
    const begun = performance.now();
    const process = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child = process;
    let answer: FromMaker | undefined;
    process.on('message', (message: FromMaker) => {
      answer = message;
    });
    process.on('error', (error) => logger.warn({ err: error }, 'no snapshot could be made'));
    process.on('exit', (code, signal) => {
      child = undefined;
      if (closed) return;
      const ms = Math.round(performance.now() - begun);
      if (answer !== undefined && 'written' in answer) logger.info({ ...answer.written, ms }, 'snapshot written');
      else
        logger.warn(
          { reason: answer?.failed ?? `its process ended by itself (${signal ?? code})` },
          'no snapshot could be made: the next start folds more of the log',
        );
    });
    process.send(told satisfies ToMaker);
  }

  return {
    grown(events) {
      since += events;
      if (everyEvents > 0 && since >= everyEvents && child === undefined && !closed) make();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      if (child === undefined) return;
      const gone = Promise.withResolvers<void>();
      child.once('exit', () => gone.resolve());
      child.kill('SIGKILL');
      await gone.promise;
    },
  };
}
