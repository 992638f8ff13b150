import { type Work, workKinds } from '../../coordinator/ports/work.ts';

/** Memory that the main thread and the watchdog share: beats of the one, and what it says that it works at. */
export type Shared = SharedArrayBuffer;

/** Two numbers of 32 bits, then text: beats; kind of the work with its length, 0 for none; its name, as ISO 8859-1. */
const textStart = 8;
const mostText = 600;
const beats = 0;
const head = 1;

export function createShared(): Shared {
  return new SharedArrayBuffer(textStart + mostText);
}

/** The main thread's event loop has turned. */
export function beat(shared: Shared): void {
  Atomics.add(new Int32Array(shared), beats, 1);
}

export function readBeats(shared: Shared): number {
  return Atomics.load(new Int32Array(shared), beats);
}

/** Notes work in the shared memory. Runs once per event of a replay: no allocation, one timer per turn of the loop. */
export function createWork(shared: Shared): Work {
  const numbers = new Int32Array(shared);
  const text = Buffer.from(shared, textStart);
  let noted = false;
  function forget(): void {
    noted = false;
    numbers[head] = 0;
  }
  return {
    at(what, name) {
      const length = text.write(name, 0, mostText, 'latin1');
      numbers[head] = (workKinds.indexOf(what) + 1) * 1024 + length;
      if (noted) return;
      noted = true;
      setImmediate(forget);
    },
  };
}

/** What the main thread noted last; only of use while it stands still. */
export function readWork(shared: Shared): { what: (typeof workKinds)[number]; name: string } | undefined {
  const noted = new Int32Array(shared)[head] as number;
  const what = workKinds[Math.floor(noted / 1024) - 1];
  if (what === undefined) return undefined;
  return { what, name: Buffer.from(shared, textStart, noted % 1024).toString('latin1') };
}
