import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** The head of a request that went through. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly head: string;
}

/** A connection that stands still: nothing passes in either direction. */
export interface Held {
  readonly request: SeenRequest;
  resume(): void;
  cut(): void;
}

/**
 * A network between coordinator and everybody else, that a test can cut, stall and mend. It keeps its address while
 * coordinators come and go.
 */
export interface Network extends AsyncDisposable {
  readonly url: string;
  /** Port on 127.0.0.1 that connections go to; without one they are closed at once. */
  target: number | undefined;
  /** While true no new connection gets through. */
  refusing: boolean;
  /** Heads of all requests so far. */
  readonly requests: readonly SeenRequest[];
  /**
   * Stalls the next connection on which a request comes whose first line matches, after `bytes` bytes of it (0: not even the
   * first line goes through); resolves once it stands still. One that ends before, as by a refusal, is not the one.
   */
  hold(pattern: RegExp, bytes?: number): Promise<Held>;
  /** Cuts all connections. */
  cut(): void;
  /** From now on nothing moves on the connections that there are; nobody is told. New ones work. */
  stall(): void;
}

interface Wish {
  readonly pattern: RegExp;
  readonly bytes: number;
  readonly held: (held: Held) => void;
}

export async function startNetwork(): Promise<Network> {
  const wishes: Wish[] = [];
  const sockets = new Set<Socket>();
  const requests: SeenRequest[] = [];
  let target: number | undefined;
  let refusing = false;

  const server = createServer((client) => {
    if (target === undefined || refusing) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: '127.0.0.1', port: target });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    upstream.on('data', (chunk) => pass(chunk, upstream, client));
    upstream.on('end', () => client.end());
    client.on('end', () => upstream.end());

    /** Bytes that may still go upstream before the connection is held. */
    let left: { bytes: number; wish: Wish; request: SeenRequest } | undefined;
    client.on('data', (chunk) => {
      const request = readHead(chunk);
      if (request !== undefined) {
        requests.push(request);
        const wish = wishes.find(({ pattern }) => pattern.test(`${request.method} ${request.path}`));
        left = wish && { bytes: wish.bytes, wish, request };
      }
      if (left === undefined || chunk.length <= left.bytes || !wishes.includes(left.wish)) {
        if (left !== undefined) left.bytes -= chunk.length;
        pass(chunk, client, upstream);
        return;
      }
      const { bytes, wish, request: held } = left;
      left = undefined;
      wishes.splice(wishes.indexOf(wish), 1);
      if (bytes > 0) upstream.write(chunk.subarray(0, bytes));
      client.pause();
      upstream.pause();
      const cut = () => {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      };
      wish.held({
        request: held,
        resume() {
          upstream.write(chunk.subarray(bytes));
          client.resume();
          upstream.resume();
        },
        cut,
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };

  return {
    url: `http://127.0.0.1:${port}`,
    get target() {
      return target;
    },
    set target(value) {
      target = value;
    },
    get refusing() {
      return refusing;
    },
    set refusing(value) {
      refusing = value;
    },
    requests,
    hold: (pattern, bytes = 0) => new Promise((held) => wishes.push({ pattern, bytes, held })),
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    stall() {
      for (const socket of sockets) {
        // What is read is lost, as on a line that is dead.
        socket.removeAllListeners('data');
        socket.on('data', () => {});
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The head of a request, if a chunk begins with one. */
function readHead(chunk: Buffer): SeenRequest | undefined {
  const text = chunk.subarray(0, 16 * 1024).toString('latin1');
  const [, method, path] = /^([A-Z]+) (\/\S*) HTTP\/1\.1\r\n/.exec(text) ?? [];
  if (method === undefined || path === undefined) return undefined;
  const end = text.indexOf('\r\n\r\n');
  return { method, path, head: end < 0 ? text : text.slice(0, end) };
}

function pass(chunk: Buffer, from: Socket, to: Socket): void {
  if (to.destroyed || to.write(chunk)) return;
  from.pause();
  to.once('drain', () => from.resume());
}
