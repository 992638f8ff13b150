import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Timers } from '../../coordinator/ports/runtime.ts';

/** How long the rest of a request may still take to come once the server is told to close, in milliseconds. */
const comingMs = 2_000;

/**
 * Keeps in mind the connections to which no answer is owed. The function that it returns closes them and all that come still, each other one
 * once its answers have been sent, and what is then still sending its request after a moment: nothing of that was done. When a server closes,
 * Node waits for the head of a request as long as it may take, for a body for as long as something of it comes now and then, and for a
 * connection that was answered as long as it keeps it for the next request.
 */
export function watchConnections(server: Server, timers: Timers): () => void {
  const connections = new Map<Socket, Set<ServerResponse>>();
  let isEnding = false;
  let isLate = false;

  const isOwed = ({ req, headersSent }: ServerResponse): boolean => !isLate || req.complete || headersSent;
  const owesNothing = (answers: ReadonlySet<ServerResponse>): boolean => !answers.values().some(isOwed);

  function endSilent(): void {
    for (const [socket, answers] of connections) if (owesNothing(answers)) socket.destroy();
  }

  server.on('connection', (socket: Socket) => {
    if (isEnding) return void socket.destroy();
    connections.set(socket, new Set());
    socket.once('close', () => connections.delete(socket));
  });
  server.on('upgrade', ({ socket }) => connections.delete(socket));
  server.on('request', ({ socket }, response: ServerResponse) => {
    const answers = connections.get(socket);
    answers?.add(response);
    response.once('finish', () => {
      answers?.delete(response);
      if (isEnding && (answers === undefined || owesNothing(answers))) socket.destroySoon();
    });
  });
  return () => {
    isEnding = true;
    endSilent();
    const late = timers.after(comingMs, () => {
      isLate = true;
      endSilent();
    });
    server.once('close', () => late[Symbol.dispose]());
  };
}
