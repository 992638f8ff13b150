import { once } from 'node:events';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { BuilderError } from '../../../agent/ports/builder.ts';

/** The two directions of a conversation with one daemon process. */
export interface Transport {
  readonly input: Readable;
  readonly output: Writable;
  /** False once the daemon is known to be gone. */
  readonly alive: boolean;
  /** What the daemon has written to its standard error. */
  complaint(): string;
  /** Ends the conversation. Resolves once the daemon process is gone, and with it what it ran, where that can be seen. */
  close(): Promise<void>;
}

/** Connects to a daemon's socket; `who` is it, for people. What it runs for a connection it kills when that is closed. */
export async function connectDaemon(path: string, who: string): Promise<Transport> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    throw new BuilderError('unavailable', `cannot reach ${who} at ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  socket.on('error', () => {});
  return {
    input: socket,
    output: socket,
    get alive() {
      return !socket.destroyed;
    },
    complaint: () => '',
    async close() {
      if (socket.closed) return;
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    },
  };
}
