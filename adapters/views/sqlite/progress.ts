import type { Position } from '../../../coordinator/ports/event-store.ts';

/** How far the views are, and who waits for them to get further. */
export interface Progress {
  /** Undefined before the first event. */
  readonly checkpoint: Position | undefined;
  /** Resolves once the checkpoint is at `position` or beyond; rejects once the progress is closed. */
  reached(position: Position): Promise<void>;
  advance(checkpoint: Position): void;
  /** The views begin anew: what was reached is to be reached again. */
  restart(checkpoint: Position | undefined): void;
  close(reason: Error): void;
}

/** @param wanted is told of positions that somebody waits for, each higher than the one before. */
export function createProgress(wanted: (position: Position) => void = () => {}): Progress {
  let checkpoint: Position | undefined;
  let closed: Error | undefined;
  let highest: Position | undefined;
  const waiters = new Set<{ position: Position; resolve: () => void; reject: (reason: Error) => void }>();
  // Positions have a fixed width: as strings they compare in the order of the log.
  const covers = (position: Position) => checkpoint !== undefined && checkpoint >= position;

  function wake(): void {
    for (const waiter of waiters) {
      if (!covers(waiter.position)) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  }

  return {
    get checkpoint() {
      return checkpoint;
    },
    reached(position) {
      if (covers(position)) return Promise.resolve();
      if (closed !== undefined) return Promise.reject(closed);
      if (highest === undefined || position > highest) {
        highest = position;
        wanted(position);
      }
      return new Promise((resolve, reject) => waiters.add({ position, resolve, reject }));
    },
    advance(next) {
      checkpoint = next;
      wake();
    },
    restart(next) {
      checkpoint = next;
      wake();
      highest = undefined;
      for (const { position } of waiters) if (highest === undefined || position > highest) highest = position;
      if (highest !== undefined) wanted(highest);
    },
    close(reason) {
      closed = reason;
      for (const waiter of waiters) waiter.reject(reason);
      waiters.clear();
    },
  };
}
