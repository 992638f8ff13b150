import { type ChildProcess, fork } from 'node:child_process';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { type Duplex, Readable } from 'node:stream';
import type { Logger } from 'pino';
import type { Principal } from '../../coordinator/application.ts';
import { DroverError, type ErrorCode, errorCodes } from '../../coordinator/errors.ts';
import { moduleBeside } from '../runtime/module-beside.ts';
import type { Edge, FromMoment, MomentPlaces, ToMoment, Wanted } from './messages.ts';
import { principalHeader } from './messages.ts';
import { toEnd } from './room.ts';

/** How far a moment is. */
export interface MomentState {
  /** Events that were read. */
  readonly read: number;
  /** It answers; the last event of it, or of the two that are compared, and how many events were read. */
  readonly ready?: { readonly edges: readonly Edge[]; readonly events: number };
  /** Why it will never be. */
  readonly failed?: { readonly message: string; readonly code: ErrorCode };
}

/** An answer that comes piece by piece, as it is taken. */
export interface MomentAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Fails where the process ends before the answer does. */
  readonly body: Readable;
}

export interface MomentRequest {
  readonly path: string;
  readonly by: Principal;
  readonly headers: OutgoingHttpHeaders;
  /** Gives it up, also before its answer has begun: nothing is held here, and nothing goes on there, for who has left. */
  readonly signal?: AbortSignal;
}

/** A process that has read the log up to a moment, or is about to. It stays for as long as this is not disposed of. */
export interface HeldMoment extends Disposable {
  readonly state: MomentState;
  /** Resolves once it answers or never will, or so many milliseconds have passed, or with the signal. */
  settled(ms: number, signal?: AbortSignal): Promise<void>;
  /** Asks one that is ready. Rejects with `moment-failed` where its process ends before it answers. */
  ask(request: MomentRequest): Promise<MomentAnswer>;
}

export interface Moments extends AsyncDisposable {
  /**
   * Begins where there is none of it.
   *
   * @param by id of the principal that asks
   * @throws DroverError `too-many-moments` where all that there may be are in use
   */
  hold(wanted: Wanted, by: string): HeldMoment;
}

export interface MomentsOptions extends MomentPlaces {
  /** Processes at a time. */
  readonly atATime: number;
  /** How long one stays that nobody asks, in milliseconds. */
  readonly idleMs: number;
  readonly logger: Logger;
}

const program = moduleBeside('./program', import.meta.url);
/** Of the pipes to the process. */
const connection = 4;
/**
 * A process that has given no sign of life at so many looks, this many milliseconds from each other, is ended; one that has yet to begin may take longer. They are counted, as
 * this process may stand still itself.
 */
const [mostSilent, mostSilentAtFirst, lookEveryMs] = [12, 120, 5000];
/** What of a moment's answers may wait in this process for who reads slowly, in MB: HTTP/2 refuses requests beyond it. */
const mostWaitingMb = 256;
/** Codes of HTTP/2 with which a stream ends. Source: RFC 9113, section 7. */
const [noError, cancel] = [0x0, 0x8];
/** Failures that are kept until somebody asks. */
const mostFailures = 100;
/** How soon a process is known to have ended after its connection has, in milliseconds. */
const endsWithinMs = 1000;
/** Who asked one of them, the last so many. */
const mostUsers = 100;

interface Entry {
  readonly key: string;
  state: MomentState;
  /** Who holds it now. */
  readonly holds: Set<{ readonly by: string; readonly since: number }>;
  /** When each of those who asked was let go of last, by the monotonic clock. */
  readonly users: Map<string, number>;
  idle: NodeJS.Timeout | undefined;
  /** Looks since the last sign of life. */
  silent: number;
  looks: NodeJS.Timeout | undefined;
  session: ClientHttp2Session | undefined;
  readonly process: ChildProcess | undefined;
  /** Resolves once its process is gone. */
  readonly gone: Promise<void>;
  /** Who waits until it is ready or failed. Not a promise: who waited for it and left would be kept until then. */
  readonly waiting: Set<() => void>;
}

/** What is addressed below a moment, and what the answer's addresses begin with. */
export const momentPrefix = (wanted: Wanted): string =>
  wanted.kind === 'moment' ? `/v1/moments/${wanted.position}` : '/v1/differences';

/**
 * Moments are read by processes of their own, as snapshots are made: so the coordinator's thread passes questions and answers on, and nothing else
 * (docs/decisions/0070). What it speaks to them through are pipes that only it and they have.
 */
export function createMoments({ atATime, idleMs, logger, ...places }: MomentsOptions): Moments {
  const entries = new Map<string, Entry>();
  /** Those that have been told to end, and have not ended. */
  const ending = new Set<Promise<void>>();
  /** Those that failed while nobody asked. */
  const failures = new Map<string, Entry>();
  let closed = false;

  function begin(key: string, wanted: Wanted): Entry {
    const begun = performance.now();
    const gone = Promise.withResolvers<void>();
    const waiting = new Set<() => void>();
    let isHeard = false;
    const entry: Entry = {
      key,
      state: { read: 0 },
      holds: new Set(),
      users: new Map(),
      idle: undefined,
      silent: 0,
      looks: undefined,
      session: undefined,
      process: start(),
      gone: gone.promise,
      waiting,
    };
    const { process: child } = entry;
    if (child === undefined) {
      gone.resolve();
      return entry;
    }
    child.on('message', heard);
    // It ended before it was told.
    child.on('error', (error) => {
      fail('moment-failed', error.message);
      if (child.pid === undefined) over();
    });
    child.on('exit', (code, signal) => {
      // By a code it has ended for what its own last words say.
      const why =
        signal === null
          ? '; its last words are in what the coordinator has said'
          : ', as it does where memory is short';
      fail('moment-failed', `its process ended by itself (${signal ?? `code ${code}`})${why}`);
      over();
    });
    entry.looks = setInterval(() => {
      if (++entry.silent <= (isHeard ? mostSilent : mostSilentAtFirst)) return;
      const seconds = (entry.silent * lookEveryMs) / 1000;
      fail(
        'moment-failed',
        `its process (${child.pid}) has given no sign of life for ${seconds} s, as one that was stopped or that hangs, and was ended`,
      );
    }, lookEveryMs);
    entry.looks.unref();
    if (child.pid !== undefined)
      child.send({ ...places, wanted, prefix: momentPrefix(wanted) } satisfies ToMoment, () => undefined);
    return entry;

    function start(): ChildProcess | undefined {
      try {
        return fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'] });
      } catch (error) {
        queueMicrotask(() => fail('moment-failed', (error as Error).message));
        return undefined;
      }
    }

    function heard(message: FromMoment): void {
      entry.silent = 0;
      isHeard = true;
      if ('alive' in message) return;
      if ('read' in message) entry.state = { ...entry.state, read: message.read };
      else if ('said' in message) logger.warn({ moment: key, error: message.said.error }, message.said.message);
      else if ('failed' in message) {
        const { code } = message.failed;
        fail(code !== undefined && code in errorCodes ? (code as ErrorCode) : 'moment-failed', message.failed.message);
      } else {
        entry.session = connect(child as ChildProcess);
        // Where that ends before its process does, nothing could be asked of it any more.
        entry.session.once('close', () => {
          // Mostly its process has ended, and is about to say how.
          const wait = setTimeout(() => fail('moment-failed', 'the connection to its process has ended'), endsWithinMs);
          void gone.promise.then(() => clearTimeout(wait));
        });
        entry.state = { read: message.ready.events, ready: message.ready };
        logger.info(
          { moment: key, events: message.ready.events, ms: Math.round(performance.now() - begun) },
          'a moment can be asked',
        );
        settle();
      }
    }

    /** It is told to whoever waits, and the next who comes begins anew. */
    function fail(code: ErrorCode, message: string): void {
      if (entry.state.failed === undefined && entries.get(key) === entry) {
        const { read, ready } = entry.state;
        entry.state = { read, failed: { code, message } };
        if (code === 'moment-failed') logger.warn({ moment: key, reason: message }, 'the process of a moment failed');
        // Whoever asks how far it is hears of it, once.
        if (ready === undefined && entry.holds.size === 0) failures.set(key, entry);
        if (failures.size > mostFailures) for (const oldest of failures.keys()) if (failures.delete(oldest)) break;
      }
      settle();
      end(entry);
    }

    function settle(): void {
      for (const wake of waiting) wake();
    }

    function over(): void {
      clearTimeout(entry.idle);
      clearInterval(entry.looks);
      // Without an error the answers under way would end as if they were whole.
      entry.session?.destroy(new Error('its process has ended'));
      gone.resolve();
    }
  }

  /** Ends its process; whoever is being answered sees the answer cut. */
  function end(entry: Entry): void {
    if (entries.get(entry.key) === entry) entries.delete(entry.key);
    clearTimeout(entry.idle);
    clearInterval(entry.looks);
    const { process: child, gone } = entry;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    ending.add(gone);
    void gone.then(() => ending.delete(gone));
  }

  function makeRoom(by: string): void {
    while (entries.size >= atATime) {
      const one = toEnd([...entries.values()], by, performance.now());
      if (one === undefined)
        throw new DroverError(
          'too-many-moments',
          `expected at most ${atATime} moments and differences at a time (setting moments.at-a-time), got another while all of them are in use; try again`,
          { retryAfter: 2 },
        );
      end(one);
    }
  }

  function rest(entry: Entry): void {
    if (entries.get(entry.key) !== entry) return;
    entry.idle = setTimeout(() => {
      logger.debug({ moment: entry.key }, 'a moment that nobody asks any more is let go');
      end(entry);
    }, idleMs);
    entry.idle.unref();
  }

  function note({ users }: Entry, by: string): void {
    // The last one comes last.
    users.delete(by);
    users.set(by, performance.now());
    const [oldest] = users.keys();
    if (users.size > mostUsers && oldest !== undefined) users.delete(oldest);
  }

  return {
    hold(wanted, by) {
      if (closed) throw new DroverError('not-ready', 'the coordinator is stopping');
      const key = wanted.kind === 'moment' ? wanted.position : `${wanted.from}-${wanted.to}`;
      let entry = entries.get(key) ?? failures.get(key);
      failures.delete(key);
      if (entry === undefined) {
        makeRoom(by);
        entry = begin(key, wanted);
        entries.set(key, entry);
      }
      const held = entry;
      const own = { by, since: performance.now() };
      held.holds.add(own);
      clearTimeout(held.idle);
      return {
        get state() {
          return held.state;
        },
        settled: (ms, signal) => settledWithin(held, ms, signal),
        ask: (request) => ask(held, request),
        [Symbol.dispose]() {
          if (!held.holds.delete(own)) return;
          note(held, by);
          if (held.holds.size === 0) rest(held);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const entry of [...entries.values()]) end(entry);
      await Promise.all(ending);
    },
  };
}

async function settledWithin({ state, waiting }: Entry, ms: number, signal?: AbortSignal): Promise<void> {
  if (state.ready !== undefined || state.failed !== undefined || ms <= 0 || signal?.aborted) return;
  const over = Promise.withResolvers<void>();
  waiting.add(over.resolve);
  const timer = setTimeout(over.resolve, ms);
  signal?.addEventListener('abort', () => over.resolve(), { once: true });
  await over.promise;
  waiting.delete(over.resolve);
  clearTimeout(timer);
}

/** Nothing of HTTP/2 is loaded where nobody looks back. */
function connect(child: ChildProcess): ClientHttp2Session {
  const pipe = child.stdio[connection] as Duplex;
  const { connect } = process.getBuiltinModule('node:http2');
  const session = connect('http://moment', { createConnection: () => pipe, maxSessionMemory: mostWaitingMb });
  // Its requests hear of it, and the process ends or is ended.
  session.on('error', () => undefined);
  return session;
}

async function ask(entry: Entry, { path, by, headers, signal }: MomentRequest): Promise<MomentAnswer> {
  const { session, key } = entry;
  function gone(code: number = noError): DroverError {
    const { failed } = entry.state;
    const isOver = failed !== undefined || session === undefined || session.destroyed || session.closed;
    const how = isOver
      ? `has ended${failed === undefined ? '' : `: ${failed.message}`}`
      : `broke this answer off (code ${code} of HTTP/2)`;
    return new DroverError('moment-failed', `the process that read the log up to ${key} ${how}; ask again`, {
      retryAfter: 1,
    });
  }
  if (session === undefined || session.destroyed || session.closed) throw gone();
  if (signal?.aborted) throw gone(cancel);
  const stream = session.request(
    { ':method': 'GET', ':path': path, ...headers, [principalHeader]: JSON.stringify(by) },
    { endStream: true },
  );
  let leave = (): void => stream.close(cancel);
  signal?.addEventListener('abort', () => leave(), { once: true });
  return new Promise((resolve, reject) => {
    stream.once('response', ({ ':status': status = 500, ...rest }) => {
      const answer = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith(':')));
      const body = Readable.from(whole(stream, gone), { objectMode: false });
      // One that waits for the next piece is not ended by that alone.
      body.once('close', () => stream.close(cancel));
      leave = () => void body.destroy();
      resolve({ status, headers: answer, body });
    });
    stream.once('error', () => reject(gone(stream.rstCode)));
    stream.once('close', () => reject(gone(stream.rstCode)));
  });
}

/** A stream that is cut off ends like any other; only its code tells. */
async function* whole(stream: ClientHttp2Stream, gone: (code?: number) => Error): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of stream) yield piece as Uint8Array;
  } catch {
    throw gone(stream.rstCode);
  }
  if (stream.rstCode !== noError) throw gone(stream.rstCode);
}
