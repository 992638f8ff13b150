import type { WebSocket } from 'ws';
import type { FromAgent, FromCoordinator } from '../../domain/agent/messages.ts';
import { decodeFromAgent, encodeFromCoordinator, type FrameFault } from './frames.ts';

/** What goes wrong with one link; `code` is one of `coordinator/errors.ts`. */
export interface LinkFault {
  readonly code: string;
  readonly message: string;
  /** Whether the agent should not come back with the same question. */
  readonly fatal: boolean;
}

/** One WebSocket of an agent as frames. */
export interface FrameSocket {
  /** Nothing happens if the socket is not open. `sent` is called once the frame has left, or never will. */
  send(frame: FromCoordinator, sent?: () => void): void;
  ping(): void;
  /** Says why, then closes. Frames that come later are not given on. */
  refuse(fault: LinkFault): void;
  /** Closes without a word to a peer that may not be there any more. */
  cut(): void;
  /** Closes because the coordinator stops; the agent will come back. */
  goAway(): void;
  /** Stops reading until {@link resume}, so that an agent cannot queue up more than the coordinator can take. */
  pause(): void;
  resume(): void;
}

export interface FrameHandlers {
  /** A frame that was understood. */
  frame(frame: FromAgent, bytes: number): void;
  /** A frame that was not; the handler refuses it. */
  fault(fault: FrameFault): void;
  /** Any sign of life. */
  heard(): void;
  /** An answer to {@link FrameSocket.ping}; {@link heard} was called before. */
  answered(): void;
  /** The socket is closed; called once, and not after one of {@link FrameSocket} closed it. */
  closed(reason: string): void;
}

/** Close codes. Source: RFC 6455, section 7.4.1. */
const goingAway = 1001;
const protocolError = 1002;
const policyViolation = 1008;
const messageTooBig = 1009;

export function frameSocket(socket: WebSocket, handlers: FrameHandlers): FrameSocket {
  let over = false;

  socket.on('message', (data, isBinary) => {
    if (over) return;
    handlers.heard();
    if (!isBinary) {
      handlers.fault({ code: 'malformed-frame', message: 'expected a binary message, got text' });
      return;
    }
    const bytes = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    const { frame, fault } = decodeFromAgent(bytes);
    if (fault !== undefined) handlers.fault(fault);
    else handlers.frame(frame, bytes.length);
  });
  socket.on('pong', () => {
    if (over) return;
    handlers.heard();
    handlers.answered();
  });
  socket.on('ping', () => {
    if (!over) handlers.heard();
  });
  // The cause of an error is told by the close that follows it.
  let broken: string | undefined;
  socket.on('error', (error) => {
    broken = error.message;
  });
  socket.on('close', (code, reason) => {
    if (over) return;
    over = true;
    const said = reason.length > 0 ? ` ${reason.toString('utf8').slice(0, 120)}` : '';
    handlers.closed(broken ?? (code === 1000 ? 'it ended the connection' : `closed with ${code}${said}`));
  });

  const finish = (close: () => void) => {
    if (over) return;
    over = true;
    // A paused socket would never see the other side's close.
    if (socket.isPaused) socket.resume();
    close();
  };
  const open = () => !over && socket.readyState === socket.OPEN;
  return {
    send(frame, sent) {
      if (open()) socket.send(encodeFromCoordinator(frame), () => sent?.());
    },
    ping() {
      if (open()) socket.ping();
    },
    refuse(fault) {
      finish(() => {
        if (socket.readyState !== socket.OPEN) return;
        socket.send(encodeFromCoordinator({ kind: 'refused', ...fault }));
        socket.close(closeCode(fault.code), fault.code);
      });
    },
    cut() {
      finish(() => socket.terminate());
    },
    goAway() {
      finish(() => socket.close(goingAway, 'going away'));
    },
    pause() {
      if (open()) socket.pause();
    },
    resume() {
      if (!over && socket.isPaused) socket.resume();
    },
  };
}

function closeCode(code: string): number {
  if (code === 'malformed-frame' || code === 'protocol-unsupported') return protocolError;
  return code === 'frame-too-large' ? messageTooBig : policyViolation;
}
