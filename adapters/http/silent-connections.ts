import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps in mind the connections on which nothing has been asked yet. The function that it returns closes them and all that come still, and each
 * other one once its answer has been sent: when a server closes, Node waits for the former as long as a request may take to come, though they may be of nothing but a
 * balancer that looks whether the port is open, and for the latter as long as it keeps a connection for the next request.
 */
export function noteSilentConnections(server: Server): () => void {
  const silent = new Set<Socket>();
  let isEnding = false;
  server.on('connection', (socket: Socket) => {
    if (isEnding) return void socket.destroy();
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('upgrade', ({ socket }) => silent.delete(socket));
  server.on('request', ({ socket }, response: ServerResponse) => {
    silent.delete(socket);
    response.once('finish', () => {
      if (isEnding) socket.destroySoon();
    });
  });
  return () => {
    isEnding = true;
    for (const socket of silent) socket.destroy();
  };
}
