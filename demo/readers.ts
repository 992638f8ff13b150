import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Who is told of each build that ends. */
export interface Readers extends AsyncDisposable {
  readonly url: string;
  /** While they are, they refuse what comes, and it has to be brought again. */
  shut: boolean;
}

/** They take their time: a hook that leads to them is a little behind while many builds end. */
const readingMs = 700;

/** A receiver of webhooks that only looks whether it may take them. */
export async function openReaders(): Promise<Readers> {
  const readers = { shut: false };
  const server = createServer(async (request, response) => {
    await request.resume().toArray();
    await sleep(readingMs);
    if (readers.shut) response.writeHead(503).end('the readers are away\n');
    else response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(readers, {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
