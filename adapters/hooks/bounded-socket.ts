import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * A connection whose other side may say so many bytes in all, whatever is spoken over it: it ends with an error once there are more. For
 * clients that keep what they are told, however much that is.
 */
export function boundedSocket(socket: Socket, most: number): Duplex & Pick<Socket, 'setTimeout'> {
  let heard = 0;
  const bounded = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, encoding, done) => void socket.write(chunk, encoding, done),
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy();
      // TLS above it says first what is wrong.
      setImmediate(done, error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.length;
    if (heard > most) bounded.destroy(new Error(`expected at most ${most} bytes in all, got more`));
    else if (!bounded.push(chunk)) socket.pause();
  });
  socket.on('end', () => bounded.push(null));
  socket.on('error', (error) => bounded.destroy(error));
  socket.on('close', () => bounded.destroy());
  socket.on('timeout', () => bounded.emit('timeout'));
  return Object.assign(bounded, { setTimeout: socket.setTimeout.bind(socket) as Socket['setTimeout'] });
}
