import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { zstdDecompressSync } from 'node:zlib';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** The body as JSON. */
  json<Value = unknown>(): Value;
}

/** What a route answers: JSON with a status, a problem, or whatever it writes to the response itself (`undefined`). */
export type Answer = { readonly status?: number; readonly json: unknown } | { readonly text: string } | undefined;
export type Route = (request: SeenRequest, response: ServerResponse) => Answer | Promise<Answer>;

export interface FakeCoordinator extends AsyncDisposable {
  readonly url: string;
  /** Every request that came, in order. */
  readonly seen: SeenRequest[];
}

/** An HTTP server with the given routes, `'GET /v1/builds'`; a path that ends in `*` stands for all that start so. */
export async function fakeCoordinator(routes: Readonly<Record<string, Route>>): Promise<FakeCoordinator> {
  const seen: SeenRequest[] = [];
  const server = createServer((message, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of message) chunks.push(chunk as Buffer);
      const raw = Buffer.concat(chunks);
      const body = message.headers['content-encoding'] === 'zstd' ? zstdDecompressSync(raw) : raw;
      const url = new URL(message.url ?? '/', 'http://fake');
      const request: SeenRequest = {
        method: message.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: message.headers,
        body,
        json: <Value>() => JSON.parse(body.toString('utf8')) as Value,
      };
      seen.push(request);
      const name = `${request.method} ${request.path}`;
      const pattern = Object.keys(routes).find((key) =>
        key.endsWith('*') ? name.startsWith(key.slice(0, -1)) : name === key,
      );
      const answer =
        pattern === undefined
          ? { status: 404, json: problem(404, 'not-found', `the fake has no ${name}`) }
          : await (routes[pattern] as Route)(request, response);
      if (answer === undefined) return;
      if ('text' in answer) return void response.end(answer.text);
      const { status = 200, json } = answer;
      response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
      response.end(json === undefined ? '' : JSON.stringify(json));
    })().catch((error: unknown) => {
      response.destroy(error as Error);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

export function problem(status: number, code: string, detail: string): unknown {
  return { type: `/docs/errors#${code}`, title: code, status, detail, code, instance: '/', requestId: 'r' };
}

/** One server-sent event as the coordinator writes it. */
export function sse(position: string, stream: string, type: string, data: unknown): string {
  const envelope = {
    specversion: '1.0',
    id: `${stream}@${Number(position)}`,
    type: `drover.${type}`,
    subject: stream,
    stream,
    revision: Number(position),
    position,
    time: new Date(0).toISOString(),
    data,
  };
  return `id: ${position}\nevent: ${type}\ndata: ${JSON.stringify(envelope)}\n\n`;
}
