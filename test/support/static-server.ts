import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream';

/** What browsers insist on. */
const types: Readonly<Record<string, string>> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript' };

/** A web server that gives out the files of a folder and knows nothing else, on a port of its own. */
export async function startStaticServer(folder: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const file = join(folder, normalize(new URL(request.url as string, 'http://x').pathname));
    stat(file).then(
      ({ size }) => {
        const type = types[extname(file)];
        response.writeHead(200, { 'content-length': size, ...(type !== undefined && { 'content-type': type }) });
        pipeline(createReadStream(file), response, () => {});
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
