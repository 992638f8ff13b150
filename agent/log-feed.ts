import { maxLogChunkBytes } from '../domain/limits.ts';
import type { AttemptFiles } from './ports/attempt-store.ts';
import type { LinkConnection } from './ports/coordinator-link.ts';

/** Bytes that may wait for the disk before the builder is held back. */
const maxWaiting = 1024 * 1024;

/** One attempt's log, on its way from the builder to the disk and from there to the coordinator. */
export interface LogFeed {
  /** Bytes taken, on disk or on the way there. */
  readonly size: number;
  append(chunk: Uint8Array): void | Promise<void>;
  /** Goes on over `connection` from byte `from`, which is what the coordinator has. */
  attach(connection: LinkConnection, from: number): void;
  /** Resolves once everything taken is on disk and was sent over the connection that is attached, or that one is lost. */
  flush(): Promise<void>;
}

export function createLogFeed(
  attempt: { readonly build: string; readonly attempt: number },
  files: Pick<AttemptFiles, 'logSize' | 'appendLog' | 'readLog'>,
  failed: (error: unknown) => void,
): LogFeed {
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let writing: Promise<void> | undefined;
  let connection: LinkConnection | undefined;
  let sent = 0;
  let sending: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = Buffer.concat(waiting);
      waiting = [];
      await files.appendLog(batch);
      waitingBytes -= batch.length;
      void send();
    }
  }

  /** One after the other, so that pieces go in order and each once. */
  function send(): Promise<void> {
    sending = sending.then(sendAll).catch(failed);
    return sending;
  }

  async function sendAll(): Promise<void> {
    const over = connection;
    while (over !== undefined && over === connection && over.open && sent < files.logSize) {
      const offset = sent;
      const data = await files.readLog(offset, maxLogChunkBytes);
      if (data.length === 0) return;
      await over.sendOob({ type: 'log', build: attempt.build, attempt: attempt.attempt, offset, data });
      if (over !== connection) return;
      sent = offset + data.length;
    }
  }

  function flushToDisk(): Promise<void> {
    writing ??= write()
      .catch((error: unknown) => {
        // What cannot be kept is dropped, or memory would fill as the disk did.
        waiting = [];
        waitingBytes = 0;
        failed(error);
      })
      .finally(() => {
        writing = undefined;
      });
    return writing;
  }

  return {
    get size() {
      return files.logSize + waitingBytes;
    },
    append(chunk) {
      if (chunk.length === 0) return;
      waiting.push(chunk);
      waitingBytes += chunk.length;
      const written = flushToDisk();
      if (waitingBytes > maxWaiting) return written;
    },
    attach(to, from) {
      connection = to;
      sent = from;
      void send();
    },
    async flush() {
      if (writing !== undefined || waiting.length > 0) await flushToDisk();
      await send();
    },
  };
}
