import { once } from 'node:events';
import { connect } from 'node:net';

export interface PlainAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Writes what a client sends on one connection, all at once, and reads so many answers to `GET`s, in the order in which they come. */
export async function pipelined(port: number, requests: string, count: number): Promise<readonly PlainAnswer[]> {
  const socket = connect(port, '127.0.0.1');
  const answers: PlainAnswer[] = [];
  let rest = Buffer.alloc(0);
  try {
    await once(socket, 'connect');
    socket.write(requests);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk]);
      for (let taken = take(rest); taken !== undefined; taken = take(rest)) {
        answers.push(taken.answer);
        rest = rest.subarray(taken.end);
      }
      if (answers.length >= count) break;
    }
  } finally {
    socket.destroy();
  }
  return answers;
}

/** The answer that the bytes begin with, once it is there whole. */
function take(bytes: Buffer): { readonly answer: PlainAnswer; readonly end: number } | undefined {
  const head = bytes.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const [first = '', ...lines] = bytes.subarray(0, head).toString('latin1').split('\r\n');
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const status = Number(first.split(' ')[1]);
  const start = head + 4;
  const length = headers.get('content-length');
  if (length !== undefined) {
    const end = start + Number(length);
    return bytes.length < end ? undefined : { answer: { status, headers, body: bytes.subarray(start, end) }, end };
  }
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.subarray(at, line).toString('latin1'), 16);
    const end = line + 2 + size + 2;
    if (bytes.length < end) return undefined;
    if (size === 0) return { answer: { status, headers, body: Buffer.concat(chunks) }, end };
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = end;
  }
}
