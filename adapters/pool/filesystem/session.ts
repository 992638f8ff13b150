import { type FileHandle, open } from 'node:fs/promises';
import { createNarIntake, type Expectation, type Verified } from './nar-intake.ts';

/** The file and the verifier of one upload, in a worker. Calls follow each other; after one rejects, it is of no use. */
export interface Session {
  readonly offset: number;
  write(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  finish(): Promise<Verified>;
  close(): Promise<void>;
}

const readSize = 512 * 1024;
/** Written bytes after which the disk is set to work, so that the last sync of a large file has little left to do. */
const flushEvery = 32 * 1024 * 1024;

/** Opens an upload's file and lets the verifier catch up with the bytes that are in it. */
export async function openSession(part: string, expected: Expectation): Promise<Session> {
  const file = await open(part, 'r+');
  const intake = createNarIntake(expected);
  let offset = 0;
  let unflushed = 0;
  let flushing: Promise<unknown> | undefined;

  async function close(): Promise<void> {
    intake.close();
    await flushing?.catch(() => undefined);
    await file.close();
  }

  function flushAhead(length: number): void {
    unflushed += length;
    if (unflushed < flushEvery || flushing !== undefined) return;
    unflushed = 0;
    flushing = file.datasync().then(() => {
      flushing = undefined;
    });
    // A failure is told once only; it stays here for sync() and finish(), which wait for it.
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

  return {
    get offset() {
      return offset;
    },
    async write(bytes) {
      // Both must have ended before the bytes are given back, whatever becomes of the other.
      const [written, verified] = await Promise.allSettled([writeAll(file, bytes, offset), intake.write(bytes)]);
      if (written.status === 'rejected') throw written.reason;
      if (verified.status === 'rejected') throw verified.reason;
      offset += bytes.length;
      flushAhead(bytes.length);
    },
    sync,
    async finish() {
      const [synced, verified] = await Promise.allSettled([sync(), intake.end()]);
      if (verified.status === 'rejected') throw verified.reason;
      if (synced.status === 'rejected') throw synced.reason;
      return verified.value;
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
  const buffer = new Uint8Array(readSize);
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, readSize, offset);
    if (bytesRead === 0) return offset;
    await take(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
}
