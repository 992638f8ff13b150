import { open } from 'node:fs/promises';
import { createNarIntake, type Expectation, type Verified } from './nar-intake.ts';

/** The verification of one file that is there already, in a worker, in steps: others have their turn, and it can be given up. */
export interface CheckSession {
  /** Reads on; has the result once all was read. Throws `Refused` for what is not as expected. */
  step(): Promise<CheckStep>;
  close(): Promise<void>;
}

export interface CheckStep {
  /** Bytes read in this step. */
  readonly read: number;
  /** What the file turned out to be, at its end. */
  readonly verified?: Verified;
}

const readSize = 512 * 1024;
const readsPerStep = 32;

export async function openCheck(path: string, expected: Expectation): Promise<CheckSession> {
  const file = await open(path, 'r');
  const size = await file.stat().then(
    (found) => found.size,
    async (error: unknown) => {
      await file.close();
      throw error;
    },
  );
  const intake = createNarIntake(expected);
  // Of a small file not more than it has: memory outside of the heap that is dropped again for each makes the garbage collector look through the heap.
  const buffer = new Uint8Array(Math.min(readSize, size + 1));
  return {
    async step() {
      let read = 0;
      for (let turn = 0; turn < readsPerStep; turn++) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return { read, verified: await intake.end() };
        await intake.write(buffer.subarray(0, bytesRead));
        read += bytesRead;
      }
      return { read };
    },
    async close() {
      intake.close();
      await file.close();
    },
  };
}
