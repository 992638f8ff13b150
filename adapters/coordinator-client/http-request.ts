import type { IncomingMessage } from 'node:http';
import * as z from 'zod';
import type { AgentToken } from '../../agent/ports/agent-token.ts';
import { TransferError } from '../../agent/ports/transfer-error.ts';
import { http, https } from '../runtime/node-http.ts';

/** Longest time without a byte in either direction, in milliseconds: then the request is given up, for its maker to say so and to try again. */
const defaultSilenceMs = 60_000;
const maxProblemBytes = 64 * 1024;

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** Relative to the coordinator's address. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** Requests to one coordinator with a token, over connections that are kept. */
export interface HttpClient extends Disposable {
  /**
   * The answer, whatever its status; its body must be read or destroyed. Rejects with {@link TransferError} `network` if there is none,
   * and with the error of the request's own body as it is.
   */
  send(request: HttpRequest): Promise<IncomingMessage>;
}

export function createHttpClient(
  base: URL,
  token: Pick<AgentToken, 'current'>,
  { silenceMs = defaultSilenceMs }: { readonly silenceMs?: number } = {},
): HttpClient {
  const secure = base.protocol === 'https:';
  const agent = new (secure ? https : http).Agent({ keepAlive: true });
  const root = base.href.endsWith('/') ? base.href : `${base.href}/`;

  return {
    send({ method, path, headers, body, signal }) {
      return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const url = new URL(path, root);
        const fail = (error: unknown) => {
          reject(signal.aborted ? signal.reason : networkError(`${method} ${url.pathname}`, error));
        };
        // The token is the coordinator's alone, wherever a narinfo's URL may point.
        const authorization = url.origin === base.origin ? { authorization: `Bearer ${token.current}` } : {};
        const request = (url.protocol === 'https:' ? https : http).request(url, {
          method,
          headers: { ...authorization, ...headers },
          ...(url.protocol === base.protocol && { agent }),
          timeout: silenceMs,
          signal,
        });
        let answer: IncomingMessage | undefined;
        request.on('timeout', () => {
          // What has come and was not read yet waits for its reader, who may take his time.
          const isUnread =
            answer !== undefined && !answer.readableEnded && (answer.complete || answer.readableLength > 0);
          if (isUnread) request.setTimeout(silenceMs);
          else (answer ?? request).destroy(new Error(`no byte moved for ${silenceMs / 1000} s`));
        });
        request.on('error', fail);
        // An early answer, such as a refusal before the body is sent, counts.
        request.on('response', (response) => {
          answer = response;
          // Who was answered early sends no more, and the connection, in the middle of a request, is of no use for another.
          response.once('end', () => {
            if (!request.writableEnded) request.destroy();
          });
          resolve(response);
        });
        if (body === undefined || body instanceof Uint8Array) request.end(body);
        else
          void writeBody(request, body).catch((error: unknown) => {
            // Of what is sent, and so of this machine: no other try of the same would fare better.
            reject(signal.aborted ? signal.reason : error);
            request.destroy();
          });
      });
    },
    [Symbol.dispose]() {
      agent.destroy();
    },
  };
}

async function writeBody(request: ReturnType<typeof http.request>, body: AsyncIterable<Uint8Array>): Promise<void> {
  let answered = false;
  request.once('response', () => {
    answered = true;
  });
  for await (const chunk of body) {
    if (request.destroyed || answered) return;
    if (!request.write(chunk)) {
      await new Promise<void>((resolve) => {
        const go = () => {
          for (const event of ['drain', 'close', 'response']) request.off(event, go);
          resolve();
        };
        for (const event of ['drain', 'close', 'response']) request.on(event, go);
      });
    }
  }
  request.end();
}

const problem = z.object({
  code: z.string().max(64),
  detail: z.string().max(4096).optional(),
  title: z.string().max(256).optional(),
  offset: z.int().min(0).optional(),
});

/** The refusal that an answer is (RFC 9457); the answer's body is read. */
export async function refusal(response: IncomingMessage, what: string): Promise<TransferError> {
  const status = response.statusCode ?? 0;
  try {
    const told = problem.safeParse(JSON.parse((await readBody(response, maxProblemBytes)).toString()));
    if (told.success) {
      const { code, detail, title, offset } = told.data;
      return new TransferError(code, `${what}: ${detail ?? title ?? code}`, { status, offset });
    }
  } catch {
    // No problem document: a proxy answered, or the answer was cut.
  }
  const { server } = response.headers;
  return new TransferError(
    `http-${status}`,
    `${what}: HTTP ${status}${server ? ` from ${server.slice(0, 128)}` : ''}`,
    {
      status,
    },
  );
}

export async function readBody(response: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit)
        throw new TransferError('too-large', `expected an answer of at most ${limit} bytes`, { status: 1 });
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof TransferError ? error : networkError('reading an answer', error);
  }
  return Buffer.concat(chunks);
}

export function networkError(what: string, error: unknown): TransferError {
  const message = error instanceof Error ? error.message : String(error);
  return new TransferError('network', `${what}: ${message}`, {}, { cause: error });
}
