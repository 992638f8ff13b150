import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';
import { moduleBeside } from '../runtime/module-beside.ts';
import { removeUnfinishedSnapshots } from './folder.ts';
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
  let gone = Promise.withResolvers<void>();
  let closed = false;
  let isLateTold = false;

  function make(): void {
    since = 0;
    const begun = performance.now();
    const failed = (reason: string): void =>
      logger.warn({ reason }, 'no snapshot could be made: the next start folds more of the log');
    let started: ChildProcess;
    try {
      started = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    } catch (error) {
      failed((error as Error).message);
      return;
    }
    if (started.pid === undefined) {
      // No process, as where no more are allowed: the reason comes by itself, and no end.
      started.once('error', (error) => failed(error.message));
      return;
    }
    child = started;
    gone = Promise.withResolvers();
    let answer: FromMaker | undefined;
    started.on('message', (message: FromMaker) => {
      answer = message;
    });
    // It ended before it was told.
    started.on('error', () => undefined);
    started.on('exit', (code, signal) => {
      void ended(answer, `its process ended by itself (${signal ?? code})`);
    });
    started.send(told satisfies ToMaker);

    async function ended(answer: FromMaker | undefined, otherwise: string): Promise<void> {
      const ms = Math.round(performance.now() - begun);
      isLateTold = false;
      const written = answer !== undefined && 'written' in answer ? answer.written : undefined;
      if (written === undefined) await removeUnfinishedSnapshots(told.snapshots);
      child = undefined;
      gone.resolve();
      if (closed) return;
      if (written !== undefined) logger.info({ ...written, ms }, 'snapshot written');
      else failed(answer !== undefined && 'failed' in answer ? answer.failed : otherwise);
    }
  }

  return {
    grown(events) {
      since += events;
      if (everyEvents === 0 || since < everyEvents || closed) return;
      if (child === undefined) make();
      else if (!isLateTold) {
        isLateTold = true;
        logger.warn(
          { pid: child.pid, events: since },
          'the process that writes a snapshot has not ended since the last one was due: the next start folds more of the log',
        );
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      if (child === undefined) return;
      child.kill('SIGKILL');
      await gone.promise;
    },
  };
}
