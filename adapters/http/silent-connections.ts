import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps in mind the connections on which nothing has been asked yet. The function that it returns closes them: Node waits for these when a
 * server closes, as long as a request may take to come, though they may be of nothing but a balancer that looks whether the port is open.
 */
export function noteSilentConnections(server: Server): () => void {
  const silent = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  for (const event of ['request', 'upgrade'] as const)
    server.on(event, ({ socket }: { socket: Socket }) => silent.delete(socket));
  return () => {
    for (const socket of silent) socket.destroy();
  };
}
