import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type WebSocket, WebSocketServer } from 'ws';
import { decodeFromAgent, encodeFromCoordinator } from '../../adapters/agent-link/frames.ts';
import type { UploadWish } from '../../agent/ports/uploads.ts';
import type { CoordinatorMessage, FromAgent, Hello, Welcome } from '../../domain/agent/messages.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { createNarVerifier } from '../../domain/store/nar-verifier.ts';
import { renderNarinfo } from '../../domain/store/narinfo.ts';
import { generateSigningKey, sign } from '../../domain/store/signature.ts';

export const token = 'secret-of-the-test-agent';
const key = generateSigningKey('test-1', new Uint8Array(32).fill(1));

export interface FakeUpload {
  readonly id: string;
  readonly wish: UploadWish;
  bytes: Buffer;
}

/**
 * The coordinator as an agent sees it: the link, the cache and uploads, with real sockets and a memory for everything; it
 * decides nothing. A test says what goes wrong.
 */
export async function startFakeCoordinator() {
  const frames: FromAgent[] = [];
  const watchers = new Set<() => void>();
  const items = new Map<string, { narinfo: string; nar: Buffer }>();
  const uploads = new Map<string, FakeUpload>();
  const requests: string[] = [];
  let socket: WebSocket | undefined;
  let agentSession: string | undefined;
  let seen = 0;
  let sent = 0;
  let kept: { n: number; body: CoordinatorMessage }[] = [];
  const faults = {
    /** Answers instead of doing what a request asks, by a prefix of `METHOD /path`; used up one by one. */
    refuse: [] as { request: string; status: number; problem?: object }[],
    /** Answers like this to every such request for as long as it stands here. */
    standing: undefined as { request: string; status: number; problem?: object } | undefined,
    /** Larger bodies are refused, as by a proxy that stands before the coordinator. */
    proxyTakes: undefined as number | undefined,
    /** The next upload's connection is cut after so many bytes of its body. */
    cutUploadAfter: undefined as number | undefined,
    /** The link acknowledges nothing while this is false. */
    acknowledge: true,
    /** What the link answers to a hello, instead of a welcome. */
    refuseLink: undefined as { code: string; message: string; fatal: boolean } | undefined,
  };
  const welcome: Omit<Welcome, 'kind' | 'received'> = {
    protocol: 1,
    agent: 'tester',
    session: 'coordinator-1',
    heartbeatSeconds: 3600,
    leaseSeconds: 60,
    logs: [],
    drop: [],
    publicKeys: [key.public],
  };
  /** Bytes of each log, as a coordinator keeps them: what continues what it has. */
  const logs = new Map<string, Buffer>();

  const http = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response).catch(() => response.destroy());
  });
  const sockets = new WebSocketServer({ noServer: true });
  http.on('upgrade', (request, stream, head) => {
    if (request.headers.authorization !== `Bearer ${token}` || request.url !== '/v1/agent-link') {
      const body = JSON.stringify({ code: 'token-unknown', type: '/docs/errors#token-unknown' });
      stream.end(`HTTP/1.1 401 Unauthorized\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      return;
    }
    sockets.handleUpgrade(request, stream, head, (opened) => {
      socket = opened;
      opened.on('error', () => {});
      opened.on('message', (data) => receive(opened, Buffer.from(data as ArrayBuffer)));
      opened.on('close', () => {
        for (const wake of [...watchers]) wake();
      });
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;

  function receive(from: WebSocket, data: Buffer): void {
    const { frame, fault } = decodeFromAgent(data);
    if (frame === undefined) throw new Error(fault?.message);
    if (frame.kind === 'hello') greet(from, frame);
    if (frame.kind === 'message') {
      if (frame.n > seen + 1) throw new Error(`message ${frame.n} came after ${seen}`);
      seen = Math.max(seen, frame.n);
      if (faults.acknowledge) from.send(encodeFromCoordinator({ kind: 'ack', n: seen }));
    }
    if (frame.kind === 'ack') kept = kept.filter(({ n }) => n > frame.n);
    if (frame.kind === 'oob' && frame.body.type === 'log') {
      const { build, attempt, offset, data: bytes } = frame.body;
      const log = logs.get(`${build}@${attempt}`) ?? Buffer.alloc(0);
      if (offset <= log.length) logs.set(`${build}@${attempt}`, Buffer.concat([log.subarray(0, offset), bytes]));
    }
    frames.push(frame);
    for (const wake of [...watchers]) wake();
  }

  function greet(to: WebSocket, hello: Hello): void {
    if (faults.refuseLink !== undefined) {
      to.send(encodeFromCoordinator({ kind: 'refused', ...faults.refuseLink }));
      to.close();
      return;
    }
    if (agentSession !== hello.session) seen = 0;
    agentSession = hello.session;
    if (hello.received?.session === welcome.session) {
      const { n: done } = hello.received;
      kept = kept.filter(({ n }) => n > done);
    }
    to.send(encodeFromCoordinator({ kind: 'welcome', ...welcome, received: { session: hello.session, n: seen } }));
    for (const { n, body } of kept) to.send(encodeFromCoordinator({ kind: 'message', n, body }));
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const line = `${request.method} ${request.url}`;
    const problem = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body));
    };
    const fault = faults.refuse.findIndex((one) => line.startsWith(one.request));
    if (fault >= 0) {
      const [{ status, problem: body = { code: 'test' } } = { status: 500 }] = faults.refuse.splice(fault, 1);
      if (status === 0) response.destroy();
      else problem(status, body);
      return;
    }
    const { standing, proxyTakes } = faults;
    if (standing !== undefined && line.startsWith(standing.request)) {
      return problem(standing.status, standing.problem ?? { code: 'test' });
    }
    if (Number(request.headers['content-length'] ?? 0) > (proxyTakes ?? Number.POSITIVE_INFINITY)) {
      response.writeHead(413, { server: 'nginx/1.2.3', 'content-type': 'text/html' }).end('<h1>413</h1>');
      return;
    }
    if (request.headers.authorization !== `Bearer ${token}`) return problem(401, { code: 'token-unknown' });
    const narinfo = /^GET \/([0-9a-z]{32})\.narinfo$/.exec(line);
    const nar = /^GET \/nar\/([0-9a-z]{32})\.nar\.zst$/.exec(line);
    const upload = /^(GET|PATCH) \/v1\/uploads\/([^/]+)$/.exec(line);
    if (line === 'GET /nix-cache-info') {
      response.end('StoreDir: /nix/store\n');
      return;
    }
    if (narinfo !== null) {
      const item = items.get(narinfo[1] as string);
      if (item === undefined) return problem(404, { code: 'not-found' });
      response.end(item.narinfo);
    } else if (nar !== null) {
      response.end(items.get(nar[1] as string)?.nar);
    } else if (line === 'POST /v1/uploads') {
      const wish = JSON.parse(await text(request)) as UploadWish;
      if (items.has(wish.path.slice(0, 32))) return problem(409, { code: 'item-exists' });
      const known = [...uploads.values()].find((one) => JSON.stringify(one.wish) === JSON.stringify(wish));
      const begun = known ?? { id: `upload-${uploads.size + 1}`, wish, bytes: Buffer.alloc(0) };
      uploads.set(begun.id, begun);
      response.writeHead(known === undefined ? 201 : 200).end(JSON.stringify(stateOf(begun)));
    } else if (upload !== null) {
      const known = uploads.get(upload[2] as string);
      if (known === undefined) return problem(404, { code: 'unknown-upload' });
      if (upload[1] === 'PATCH') {
        if (Number(request.headers['upload-offset']) !== known.bytes.length) {
          return problem(409, { code: 'wrong-offset', offset: known.bytes.length });
        }
        await receiveUpload(request, known);
        if (stateOf(known).finished) check(known);
      }
      response.end(JSON.stringify(stateOf(known)));
    } else problem(404, { code: 'not-found' });
  }

  async function receiveUpload(request: IncomingMessage, upload: FakeUpload): Promise<void> {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      const room = faults.cutUploadAfter ?? Number.POSITIVE_INFINITY;
      upload.bytes = Buffer.concat([upload.bytes, chunk.subarray(0, room)]);
      if (faults.cutUploadAfter === undefined) continue;
      faults.cutUploadAfter -= Math.min(chunk.length, room);
      if (faults.cutUploadAfter > 0) continue;
      faults.cutUploadAfter = undefined;
      request.socket.destroy();
      throw new Error('cut');
    }
  }

  function stateOf({ id, bytes, wish }: FakeUpload) {
    return { id, offset: bytes.length, fileSize: wish.fileSize, finished: bytes.length === wish.fileSize };
  }

  /** As honest as the real one: throws where the bytes are not what was declared. */
  function check({ bytes, wish }: FakeUpload): void {
    const verifier = createNarVerifier({
      maxSize: wish.narSize,
      references: wish.references.map((base) => base.slice(0, 32)),
    });
    verifier.write(zstdDecompressSync(bytes));
    const { narHash, narSize } = verifier.end();
    if (narHash !== wish.narHash || narSize !== wish.narSize) throw new Error('not the NAR that was declared');
  }

  return {
    url: new URL(`http://127.0.0.1:${port}/`),
    linkUrl: `ws://127.0.0.1:${port}/v1/agent-link`,
    publicKey: key.public,
    frames,
    requests,
    uploads,
    faults,
    welcome,
    logs,
    /** The first frame from `after` on that `wanted` likes, once it is there. */
    async frame<Frame extends FromAgent>(wanted: (frame: FromAgent) => frame is Frame, after = 0): Promise<Frame> {
      for (let index = after; ; index++) {
        while (index >= frames.length) await this.change();
        const frame = frames[index] as FromAgent;
        if (wanted(frame)) return frame;
      }
    },
    /** The message of this type about this build. */
    async message(type: string, build: string, after = 0) {
      const frame = await this.frame(
        (one): one is Extract<FromAgent, { kind: 'message' }> =>
          one.kind === 'message' && one.body.type === type && one.body.build === build,
        after,
      );
      return frame.body;
    },
    hello(after = 0) {
      return this.frame((one): one is Hello => one.kind === 'hello', after);
    },
    /** Resolves when a frame came or a connection ended. */
    change(): Promise<void> {
      return new Promise((resolve) => {
        const wake = () => {
          watchers.delete(wake);
          resolve();
        };
        watchers.add(wake);
      });
    },
    send(body: CoordinatorMessage): void {
      sent++;
      kept.push({ n: sent, body });
      socket?.send(encodeFromCoordinator({ kind: 'message', n: sent, body }));
    },
    sendRaw(data: string | Uint8Array): void {
      socket?.send(data);
    },
    /** Cuts the link, without a goodbye. */
    cut(): void {
      socket?.terminate();
    },
    /** Resolves when the agent asks whether this side is there. */
    asked(): Promise<void> {
      return new Promise((resolve) => socket?.once('ping', () => resolve()));
    },
    /** Asks the agent whether it is there, and resolves once it has answered. */
    ask(): Promise<void> {
      return new Promise((resolve) => {
        socket?.once('pong', () => resolve());
        socket?.ping();
      });
    },
    /** Stops reading from the link: the other side hears nothing, and nothing is closed. */
    freeze(): void {
      socket?.pause();
    },
    /** Forgets all that a restart forgets, and cuts the link. */
    restart(session: string): void {
      welcome.session = session;
      agentSession = undefined;
      kept = [];
      sent = 0;
      socket?.terminate();
    },
    addItem(
      storePath: string,
      nar: Buffer,
      references: readonly string[] = [],
      change: { narHash?: string } = {},
    ): void {
      const verifier = createNarVerifier({ maxSize: nar.length });
      verifier.write(nar);
      const facts = { storePath, narHash: verifier.end().narHash, narSize: nar.length, references, ...change };
      const hash = storePath.slice(storePath.lastIndexOf('/') + 1).slice(0, 32);
      const narinfo = renderNarinfo({
        ...facts,
        url: `nar/${hash}.nar.zst`,
        compression: 'zstd',
        signatures: [sign(key.secret, fingerprint(facts))],
      });
      items.set(hash, { narinfo, nar: zstdCompressSync(nar) });
    },
    /** Serves something else for the NAR of this item. */
    spoilNar(storePath: string): void {
      const hash = storePath.slice(storePath.lastIndexOf('/') + 1).slice(0, 32);
      const item = items.get(hash);
      if (item !== undefined) items.set(hash, { ...item, nar: zstdCompressSync('nothing like a NAR') });
    },
    async [Symbol.asyncDispose]() {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
export type FakeCoordinator = Awaited<ReturnType<typeof startFakeCoordinator>>;
