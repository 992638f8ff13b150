import { connect } from 'node:net';

/** GET requests one after another over one connection, with as little work on this side as can be. */
export interface PlainClient extends Disposable {
  /** Bytes of the body; rejects if the status is not 200 or there is no content-length. */
  get(path: string): Promise<number>;
  /** The body itself. */
  fetch(path: string): Promise<Buffer>;
}

export async function connectPlainly(url: URL): Promise<PlainClient> {
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let pending: { resolve(bytes: number): void; reject(error: Error): void; keep: Buffer[] | undefined } | undefined;
  let head: Buffer | undefined = Buffer.alloc(0);
  let left = 0;
  let size = 0;

  const fail = (error: Error): void => {
    pending?.reject(error);
    pending = undefined;
  };
  function finish(): void {
    const answered = pending;
    pending = undefined;
    head = Buffer.alloc(0);
    answered?.resolve(size);
  }
  function body(chunk: Buffer): void {
    left -= chunk.length;
    pending?.keep?.push(chunk);
    if (left <= 0) finish();
  }
  socket.on('data', (chunk) => {
    if (!head) return body(chunk);
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) return;
    const text = head.toString('latin1', 0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
    if (!text.startsWith('HTTP/1.1 200') || length === undefined)
      return fail(new Error(`expected 200 with a content-length, got ${text.slice(0, 200)}`));
    const rest = head.subarray(end + 4);
    head = undefined;
    size = left = Number(length);
    body(rest);
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection was closed')));

  function send(path: string, keep: Buffer[] | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      pending = { resolve, reject, keep };
      socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
    });
  }
  return {
    get: (path) => send(path, undefined),
    async fetch(path) {
      const kept: Buffer[] = [];
      await send(path, kept);
      return Buffer.concat(kept);
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}
