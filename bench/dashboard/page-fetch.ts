import { Agent, type IncomingMessage, request } from 'node:http';

/** What a page of a browser has asked for and got. */
export interface Traffic {
  requests: number;
  bytes: number;
}

/**
 * `fetch` of a page with a session, as far as the typed client uses it: at most six connections, as browsers have to one origin over HTTP/1.1, with
 * little work of its own, as hundreds are in one process.
 */
export function createPageFetch(cookie: string, traffic: Traffic): typeof fetch {
  const agent = new Agent({ keepAlive: true, maxSockets: 6 });
  return ((
    url: string,
    { method = 'GET', headers, signal }: { method?: string; headers?: object; signal?: AbortSignal },
  ) =>
    new Promise((resolve, reject) => {
      traffic.requests++;
      const sent = { ...headers, cookie, 'accept-encoding': 'gzip, deflate, br', 'sec-fetch-site': 'same-origin' };
      const asked = request(url, { method, agent, headers: sent, ...(signal && { signal }) }, (answer) =>
        resolve(responseOf(answer, traffic)),
      );
      asked.on('error', reject);
      asked.end();
    })) as unknown as typeof fetch;
}

function responseOf(answer: IncomingMessage, traffic: Traffic) {
  const status = answer.statusCode ?? 0;
  answer.on('data', (part: Buffer) => {
    traffic.bytes += part.length;
  });
  answer.pause();
  const parts = answer[Symbol.asyncIterator]();
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText: answer.statusMessage,
    headers: { get: (name: string) => answer.headers[name] ?? null },
    body: {
      getReader: () => ({
        read: () => parts.next(),
        cancel: async () => void (answer.complete || answer.destroy()),
      }),
    },
  };
}
