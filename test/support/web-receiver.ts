import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly method: string | undefined;
  /** Path and query. */
  readonly path: string;
}

/** Receives what is posted; `answer` may answer at any time. */
export async function listen(answer: (response: ServerResponse, received: Received) => void, hostname = '127.0.0.1') {
  const open = new Set<ServerResponse>();
  const closed: (() => void)[] = [];
  const server = createServer((request, response) => {
    open.add(response);
    response.on('close', () => {
      open.delete(response);
      if (open.size === 0) for (const tell of closed.splice(0)) tell();
    });
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () =>
      answer(response, { headers: request.headers, body, method: request.method, path: request.url ?? '' }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, hostname, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/hook?x=1`,
    gone: () => (open.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => closed.push(resolve))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
