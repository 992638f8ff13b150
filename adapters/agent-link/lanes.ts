/**
 * Runs tasks of one key one after the other, and tasks of different keys side by side. What an agent says of one build
 * is handled in the order it was said, and a build whose result takes long to verify delays no other.
 */
export interface Lanes {
  /**
   * Queues `task` behind the others of `key`; resolves once it has ended and is not counted any more. A task must not
   * reject: what goes wrong is its own business.
   */
  run(key: string, task: () => Promise<void>): Promise<void>;
  /** Tasks that have not ended. */
  readonly open: number;
  /** Resolves once no task is left. */
  idle(): Promise<void>;
}

export function createLanes(): Lanes {
  const tails = new Map<string, Promise<void>>();
  let open = 0;
  let waiting: (() => void)[] = [];
  return {
    run(key, task) {
      open++;
      const tail = tails.get(key);
      // An empty lane starts at once, not in a later turn: what comes next in the same turn may rely on it.
      const ended = (tail === undefined ? task() : tail.then(task)).finally(() => {
        open--;
        if (tails.get(key) === ended) tails.delete(key);
        if (open > 0) return;
        const resolves = waiting;
        waiting = [];
        for (const resolve of resolves) resolve();
      });
      tails.set(key, ended);
      return ended;
    },
    get open() {
      return open;
    },
    idle() {
      return open === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
  };
}
