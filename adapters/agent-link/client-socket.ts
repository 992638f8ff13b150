import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import type { FromAgent, FromCoordinator } from '../../domain/agent/messages.ts';
import { maxCoordinatorFrameBytes } from '../../domain/limits.ts';
import { decodeFromCoordinator, encodeFromAgent } from './frames.ts';
import { silentUpgrade, upgradeRefusal } from './refused-upgrade.ts';

/** Unsent bytes above which {@link AgentSocket.room} waits. */
const highWaterBytes = 1024 * 1024;
const openTimeoutMs = 30_000;
/** How long the other side may take to answer a goodbye. */
const closeTimeoutMs = 2000;

/** One WebSocket to the coordinator that speaks frames. */
export interface AgentSocket {
  readonly open: boolean;
  send(frame: FromAgent): void;
  /** Resolves once little enough is unsent, or the socket is closed. */
  room(): Promise<void>;
  /** Asks whether the other side is there, and closes the socket if the last such question had no answer. */
  probe(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

export interface SocketHandlers {
  readonly frame: (frame: FromCoordinator) => void;
  readonly closed: (reason: string) => void;
  /** The coordinator asked whether this side is there, and was answered. */
  readonly asked: () => void;
}

/** Begins a connection. `closeTimeout` is newer than the types of ws. */
export type OpenSocket = (url: string, options: ClientOptions & { closeTimeout: number }) => WebSocket;

/** Opens the socket; rejects where that fails or `signal` aborts before it is open. A frame that is not one closes it again. */
export async function dialCoordinator(
  url: string,
  token: string,
  handlers: SocketHandlers,
  signal: AbortSignal,
  openSocket: OpenSocket = (address, options) => new WebSocket(address, options),
): Promise<AgentSocket> {
  const socket = openSocket(url, {
    headers: { authorization: `Bearer ${token}` },
    maxPayload: maxCoordinatorFrameBytes,
    perMessageDeflate: false,
    handshakeTimeout: openTimeoutMs,
    closeTimeout: closeTimeoutMs,
  });
  let answered = true;
  let fault: string | undefined;
  const terminate = () => socket.terminate();
  signal.addEventListener('abort', terminate, { once: true });

  socket.on('message', (data, isBinary) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as ArrayBuffer);
    const decoded = isBinary
      ? decodeFromCoordinator(bytes)
      : { fault: { code: 'malformed-frame', message: 'expected a binary frame, got text' } };
    if ('frame' in decoded && decoded.frame !== undefined) handlers.frame(decoded.frame);
    else if (decoded.fault !== undefined) {
      fault = `${decoded.fault.code}: ${decoded.fault.message}`;
      socket.close(1002, 'malformed frame');
    }
  });
  socket.on('pong', () => {
    answered = true;
  });
  socket.on('ping', () => {
    answered = true;
    handlers.asked();
  });
  // Without a listener an error would end the process; `close` follows it.
  socket.on('error', (error) => {
    fault ??= error.message;
  });
  socket.on('close', (code, reason) => {
    handlers.closed(fault ?? (reason.toString() || `closed with code ${code}`));
  });

  const refused = new Promise<never>((_, reject) => {
    socket.once('unexpected-response', (_request, response) => {
      upgradeRefusal(response)
        .then(reject, reject)
        .finally(() => socket.terminate());
    });
  });
  refused.catch(() => {});
  const opened = once(socket, 'open').catch((error: Error) => {
    throw error.message === 'Opening handshake has timed out' ? silentUpgrade(openTimeoutMs) : error;
  });
  await Promise.race([opened, refused]);
  signal.removeEventListener('abort', terminate);

  return {
    get open() {
      return socket.readyState === WebSocket.OPEN;
    },
    send(frame) {
      if (socket.readyState === WebSocket.OPEN) socket.send(encodeFromAgent(frame));
    },
    async room() {
      while (socket.readyState === WebSocket.OPEN && socket.bufferedAmount > highWaterBytes) {
        // Called back when this empty frame has been written, and so all before it.
        await new Promise<void>((resolve) => socket.ping(undefined, undefined, () => resolve()));
      }
    },
    probe() {
      if (!answered) {
        fault ??= 'the coordinator does not answer';
        socket.terminate();
        return;
      }
      answered = false;
      if (socket.readyState === WebSocket.OPEN) socket.ping();
    },
    close(code, reason) {
      socket.close(code, reason);
    },
    terminate,
  };
}
