import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ClientOptions, WebSocket } from 'ws';
import { parseNarName } from '../../adapters/http/cache/nar-url.ts';
import { narinfoText } from '../../adapters/http/cache/narinfo.ts';
import { parseUpstreamNar } from '../../adapters/http/cache/upstream-url.ts';
import { faultOf } from '../../adapters/http/problem.ts';
import type { Cache } from '../../agent/ports/cache.ts';
import { TransferError } from '../../agent/ports/transfer-error.ts';
import type { Uploads } from '../../agent/ports/uploads.ts';
import type { Principal } from '../../coordinator/application.ts';
import { DroverError, errorCodes } from '../../coordinator/errors.ts';
import { type NarInfo, parseNarinfo } from '../../domain/store/narinfo.ts';
import type { House, Served } from './house.ts';
import type { Life } from './life.ts';
import { asWebSocket, type SimulatedSocket, type Wire } from './wire.ts';

/** How long somebody waits for an answer before it counts as none. */
const silenceMs = 20_000;

export interface Line {
  readonly house: House;
  readonly wire: Wire;
  /** Of the process that asks. */
  readonly life: Life;
  /** Share of requests of which the answer is lost, once they have done what they do. */
  lossy(): number;
  trace(who: string, text: string): void;
  bug(text: string): void;
  /** A narinfo was served. */
  told(info: NarInfo): void;
}

/**
 * A request over HTTP, as the coordinator's HTTP server answers it: what it does is done once it arrives, whether or not the answer gets back.
 *
 * @throws TransferError with the status of the answer, or `network`.
 */
export async function request<Value>(
  line: Line,
  what: string,
  signal: AbortSignal,
  work: (served: Served) => Promise<Value>,
): Promise<Value> {
  const { house, wire, life } = line;
  const answer = Promise.withResolvers<Value>();
  const lost = (why: string) => answer.reject(new TransferError('network', `${what}: ${why}`));
  const abort = (): void => answer.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener('abort', abort, { once: true });
  const silence = life.after(silenceMs, () => lost(`no byte moved for ${silenceMs / 1000} s`));
  const way = (): number => 1 + life.random.below(wire.weather.delay);
  life.after(way(), () => {
    if (wire.weather.silent) return;
    const { served } = house;
    if (!served) return lost('connection refused');
    // Whoever holds the line sees that the process at the other end is gone.
    const reply = (tell: () => void): void => {
      const isLost = life.random.chance(line.lossy());
      life.after(way(), () => {
        if (wire.weather.silent) return;
        if (isLost || !served.life.alive) lost('connection reset');
        else tell();
      });
    };
    const gone = watch(served.life, line, () => lost('connection reset'));
    // Begun in a turn of its own, so that what it throws is an answer, too.
    Promise.resolve(served)
      .then(work)
      .then(
        (value) => reply(() => answer.resolve(value)),
        (error: unknown) => {
          const fault = faultOf(error);
          if (fault.code === 'internal-error') line.bug(`${what}: ${(error as Error).stack}`);
          const { offset } = fault.details as { offset?: number };
          const status = errorCodes[fault.code][0];
          reply(() => answer.reject(new TransferError(fault.code, `${what}: ${fault.detail}`, { status, offset })));
        },
      )
      .finally(() => gone[Symbol.dispose]());
  });
  try {
    return await answer.promise;
  } finally {
    silence[Symbol.dispose]();
    signal.removeEventListener('abort', abort);
  }
}

/** Looks now and then whether the process has died over the request; a killed one cannot say so. */
function watch(served: Life, { life }: Line, gone: () => void): Disposable {
  let timer: Disposable | undefined;
  const look = (): void => {
    timer = life.after(1000, () => (served.alive ? look() : gone()));
  };
  look();
  return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() };
}

/** Opens a WebSocket to the agent link, with the token in its header. */
export function openSocket(line: Line, _url: string, options: ClientOptions): WebSocket {
  const { wire, life, house } = line;
  const alone = wire.alone(life);
  const fail = (message: string): void => {
    if (alone.readyState !== alone.CONNECTING) return;
    alone.emit('error', new Error(message));
    alone.end(1006);
  };
  const silence = life.after(options.handshakeTimeout ?? 30_000, () => fail('Opening handshake has timed out'));
  life.after(1 + life.random.below(wire.weather.delay), () => {
    if (wire.weather.silent || alone.readyState !== alone.CONNECTING) return;
    silence[Symbol.dispose]();
    const { served } = house;
    if (!served) return fail('connect ECONNREFUSED');
    const secret = String((options.headers as Record<string, string>).authorization).slice('Bearer '.length);
    let principal: Principal;
    try {
      principal = principalOf(served, secret);
    } catch (error) {
      const { code } = faultOf(error);
      const body = Readable.from([JSON.stringify({ code, type: `/docs/errors#${code}` })]);
      const response = Object.assign(body, { statusCode: errorCodes[code][0], headers: {} });
      return void alone.emit('unexpected-response', undefined, response);
    }
    const server = wire.connect(life, served.life, alone).peer as SimulatedSocket;
    server.opened();
    const link = served.links.accept(asWebSocket(server), principal.agent as string, '192.0.2.1');
    const use = served.tokenUses.begin(principal.id, () =>
      link?.refuse({ code: 'token-unknown', message: 'the token of this link was revoked', fatal: true }),
    );
    server.once('close', () => use[Symbol.dispose]());
    life.after(1 + life.random.below(wire.weather.delay), () => alone.opened());
  });
  return asWebSocket(alone);
}

export function principalOf({ application }: Served, secret: string): Principal {
  const principal = application.authenticate(secret);
  if (principal === undefined)
    throw new DroverError('token-unknown', 'expected a token that was issued and not revoked');
  return principal;
}

/** The read side of the cache. */
export function openCache(line: Line): Cache {
  return {
    narinfo: (hashPart, signal) =>
      request(line, `narinfo ${hashPart.slice(-4)}`, signal, async ({ application, pool }) => {
        const text = await narinfoText(application, pool, hashPart);
        if (text === undefined) return undefined;
        const info = parseNarinfo(text);
        line.told(info);
        return info;
      }),
    async nar({ url, storePath }, signal) {
      const upstream = parseUpstreamNar(url.slice('nar/upstream/'.length));
      if (upstream) return upstreamNar(line, upstream, signal);
      const name = parseNarName(url.slice('nar/'.length));
      const base = storePath.slice(storePath.lastIndexOf('/') + 1);
      const bytes = await request(line, `nar of ${base.slice(33)}`, signal, async ({ application, pool }) => {
        const file = name && (await pool.open(name));
        if (file === undefined) {
          await application.doubtItem(base, 'size');
          return undefined;
        }
        try {
          return await buffer(file.read(0, file.size));
        } catch {
          await application.doubtItem(base, 'all');
          return undefined;
        }
      });
      return bytes && Readable.from([bytes]);
    },
  };
}

/** Comes through the coordinator; where it breaks off, so does the answer. */
async function upstreamNar(
  line: Line,
  { hashPart, narHash }: { hashPart: string; narHash: string },
  signal: AbortSignal,
): Promise<Readable | undefined> {
  const bytes = await request(line, `nar of ${hashPart} upstream`, signal, async ({ application }) => {
    const opened = await application.openUpstream(hashPart, narHash, new AbortController().signal);
    if (opened === undefined) return undefined;
    try {
      return await buffer(opened.nar);
    } catch {
      return 'cut' as const;
    }
  });
  if (bytes === 'cut') throw new TransferError('network', `nar of ${hashPart} upstream: connection reset`);
  return bytes && Readable.from([bytes]);
}

export function openUploads(line: Line, secret: () => string): Uploads {
  const by = (served: Served): Principal => principalOf(served, secret());
  return {
    async begin(wish, signal) {
      try {
        return await request(line, `upload of ${wish.path.slice(33)}`, signal, (served) =>
          served.application.beginUpload(by(served), wish),
        );
      } catch (error) {
        if ((error as TransferError).code === 'item-exists') return 'item-exists';
        throw error;
      }
    },
    status: (id, signal) =>
      request(line, `upload ${id}`, signal, (served) => served.application.uploadStatus(by(served), id)),
    async write(id, offset, _size, body, signal) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      const bytes = async function* () {
        yield* chunks;
      };
      return request(line, `upload ${id} from ${offset}`, signal, (served) =>
        served.application.writeUpload(by(served), id, offset, bytes()),
      );
    },
  };
}
