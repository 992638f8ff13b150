/** Lets at most `size` tasks run at a time; the others wait in order. */
export interface Limiter {
  run<Value>(signal: AbortSignal, work: () => Promise<Value>): Promise<Value>;
}

export function createLimiter(size: number): Limiter {
  let running = 0;
  const waiting: { go: () => void }[] = [];

  async function enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (running < size) {
      running++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = () => {
        waiting.splice(waiting.indexOf(entry), 1);
        reject(signal.reason);
      };
      const entry = {
        go: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      waiting.push(entry);
    });
  }

  return {
    async run(signal, work) {
      await enter(signal);
      try {
        return await work();
      } finally {
        // The place goes to the next in line, if there is one.
        const next = waiting.shift();
        if (next === undefined) running--;
        else next.go();
      }
    },
  };
}
