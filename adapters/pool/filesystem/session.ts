import { constants, type FileHandle, open } from 'node:fs/promises';
import { createNarIntake, type Expectation, type Verified } from './nar-intake.ts';

/** The file and the verifier of one upload, in a worker. After a call rejects, it is of no use. */
export interface Session {
  /** Bytes of the file that were there. */
  readonly offset: number;
  /** Takes the next bytes, also before it has done with those before; resolves when they are written and verified as far as they can be. */
  write(bytes: Uint8Array): Promise<void>;
  /** Called, as the following, when no write is under way. */
  sync(): Promise<void>;
  finish(): Promise<Verified>;
  close(): Promise<void>;
}

const readSize = 512 * 1024;
/** Written bytes after which the disk is set to work, so that the last sync of a large file has little left to do. */
const flushEvery = 16 * 1024 * 1024;
/** Whether an upload of this thread sets the disk to work: each takes one of the few threads that write and decompress, until the disk has done. */
let isFlushing = false;

/** Opens an upload's file, makes it where it `isNew`, and lets the verifier catch up with the bytes that are in it. */
export async function openSession(part: string, isNew: boolean, expected: Expectation): Promise<Session> {
  // Where bytes were acknowledged, a file that is missing is none to make anew.
  const file = await open(part, constants.O_RDWR | (isNew ? constants.O_CREAT : 0), 0o600);
  const intake = createNarIntake(expected);
  let offset = 0;
  let unflushed = 0;
  let flushing: Promise<unknown> | undefined;
  // Neither waits for the other: a disk that is slow for a moment does not stop the verifier, and lets the sender fill what slabs there are.
  let written = Promise.resolve();
  let verified = Promise.resolve();

  async function close(): Promise<void> {
    intake.close();
    await flushing?.catch(() => undefined);
    await file.close();
  }

  function flushAhead(length: number): void {
    unflushed += length;
    if (unflushed < flushEvery || isFlushing) return;
    unflushed = 0;
    isFlushing = true;
    const flushed = file.datasync().finally(() => {
      isFlushing = false;
    });
    // A failure is told once only; it stays here for sync() and finish(), which wait for it, whatever becomes of those that come after it.
    flushing = Promise.all([flushing, flushed]).then(() => undefined);
    flushing.catch(() => undefined);
  }

  async function sync(): Promise<void> {
    await flushing;
    await file.sync();
    unflushed = 0;
  }

  try {
    offset = await catchUp(file, intake.write);
  } catch (error) {
    await close();
    throw error;
  }

  let end = offset;
  return {
    offset,
    async write(bytes) {
      const at = end;
      end += bytes.length;
      written = written.then(async () => {
        await writeAll(file, bytes, at);
        flushAhead(bytes.length);
      });
      verified = verified.then(() => intake.write(bytes));
      // Both must have ended before the bytes are given back, whatever becomes of the other.
      const [write, verify] = await Promise.allSettled([written, verified]);
      if (write.status === 'rejected') throw write.reason;
      if (verify.status === 'rejected') throw verify.reason;
    },
    sync,
    async finish() {
      const [synced, ended] = await Promise.allSettled([sync(), intake.end()]);
      if (ended.status === 'rejected') throw ended.reason;
      if (synced.status === 'rejected') throw synced.reason;
      return ended.value;
    },
    close,
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

async function catchUp(file: FileHandle, take: (bytes: Uint8Array) => Promise<void>): Promise<number> {
  const { size } = await file.stat();
  if (size === 0) return 0;
  // Memory outside of the heap that is dropped again for each upload makes the garbage collector look through the heap.
  const buffer = new Uint8Array(Math.min(readSize, size));
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) return offset;
    await take(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
}
