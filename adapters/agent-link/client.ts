import type { Logger } from 'pino';
import { backOff } from '../../agent/back-off.ts';
import type { AgentToken } from '../../agent/ports/agent-token.ts';
import type { CoordinatorLink, LinkEnd, LinkHandlers } from '../../agent/ports/coordinator-link.ts';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import {
  type AgentMessage,
  type FromCoordinator,
  type Hello,
  protocolVersion,
  type Welcome,
} from '../../domain/agent/messages.ts';
import { isNews, type ToldBeat } from './beat-news.ts';
import { type AgentSocket, dialCoordinator, type OpenSocket } from './client-socket.ts';
import { encodeFromAgent } from './frames.ts';
import { createInbox, type Inbox } from './inbox.ts';
import { createOutbox } from './outbox.ts';
import { LinkRefused } from './refused-upgrade.ts';

export interface LinkOptions {
  /** `ws://` or `wss://`, path included. */
  readonly url: string;
  readonly token: AgentToken;
  /** New at each start of the agent. */
  readonly session: string;
  readonly hello: Pick<Hello, 'version' | 'builder' | 'storeDir' | 'abilities' | 'place'>;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** First and longest pause between attempts to connect, in milliseconds. */
  readonly pause?: { readonly first: number; readonly most: number };
  /** A WebSocket of `ws` if absent. */
  readonly openSocket?: OpenSocket;
}

/** What a status says of the token, and what to do: another try would be answered the same. */
const refusals: ReadonlyMap<number, string> = new Map([
  [401, "is not known, or was revoked; 'drover agents rotate-token NAME --token-file FILE' makes another"],
  [
    403,
    "is not one of an agent; 'drover agents add NAME --token-file FILE' makes one (for clients, DROVER_TOKEN_FILE names another file than for agents)",
  ],
]);

/** How long an open link may be without a word of the coordinator, which answers once what a hello causes is durable. */
const welcomeWithinMs = 60_000;

interface Outgoing {
  readonly message: AgentMessage;
  readonly before: (() => Promise<void>) | undefined;
  readonly acknowledged: () => void;
  readonly lost: (error: Error) => void;
}

/**
 * The agent's side of the agent link (domain/agent/messages.ts), with one session that outlives its connections.
 *
 * Numbers count from what the coordinator knows of this session: a coordinator that restarted knows nothing, and gets
 * what it has not acknowledged as 1, 2, 3 …
 */
export function openAgentLink(options: LinkOptions, handlers: LinkHandlers): CoordinatorLink {
  const { runtime, logger } = options;
  const stop = new AbortController();
  let outbox = createOutbox<Outgoing>();
  let inbox: { session: string; box: Inbox } | undefined;
  let connected: { socket: AgentSocket; pump(): void } | undefined;
  const end = Promise.withResolvers<LinkEnd>();
  const pause = options.pause ?? { first: 250, most: 30_000 };
  let leaseMs = Number.POSITIVE_INFINITY;
  keepUp().catch((error: Error) => {
    logger.error({ err: error }, 'the link to the coordinator cannot be kept up');
    finish({ reason: 'refused', code: 'internal-error', message: error.message });
  });

  async function keepUp(): Promise<void> {
    let failures = 0;
    let told: string | undefined;
    while (!stop.signal.aborted) {
      const outcome = await converse();
      if (stop.signal.aborted) break;
      // Renewed while the link was up: the old token has ended, and the new one is good.
      const renewed = outcome.fatal?.code === 'token-unknown' && (await options.token.refresh());
      if (renewed) logger.info('the token was renewed');
      else if (outcome.fatal !== undefined) {
        finish({ reason: 'refused', ...outcome.fatal });
        return;
      }
      failures = outcome.welcomed ? 0 : failures + 1;
      if (outcome.welcomed) told = undefined;
      // Said once: how often it is tried again is no news.
      logger[told === outcome.reason ? 'debug' : 'warn'](
        { reason: outcome.reason },
        'the link to the coordinator is down',
      );
      told = outcome.reason;
      // A coordinator that comes back hears of its agents well before their leases end.
      const most = Math.min(pause.most, leaseMs / 4);
      await backOff(runtime, failures, { first: pause.first, most }, stop.signal).catch(() => {});
    }
    finish({ reason: 'closed' });
  }

  function finish(how: LinkEnd): void {
    stop.abort();
    const error = new Error(how.reason === 'refused' ? how.message : 'the link was closed');
    for (const { body } of outbox.pending()) body.lost(error);
    end.resolve(how);
  }

  /** One connection, from dialling to its end. */
  async function converse(): Promise<{ welcomed: boolean; reason: string; fatal?: { code: string; message: string } }> {
    const closed = Promise.withResolvers<string>();
    let fatal: { code: string; message: string } | undefined;
    let welcomed = false;
    let socket: AgentSocket | undefined;
    let over = false;
    let answer: (() => void) | undefined;
    using timers = new DisposableStack();
    const endWith = (reason: string) => {
      over = true;
      closed.resolve(reason);
    };

    const frame = (received: FromCoordinator): void => {
      // What still comes over a connection that is given up is sent again on the next one.
      if (over) return;
      if (received.kind === 'refused') {
        if (received.fatal) fatal = { code: received.code, message: received.message };
        endWith(`${received.code}: ${received.message}`);
        return;
      }
      // Before our hello nothing else makes sense.
      if (socket === undefined) return;
      if (received.kind === 'welcome') {
        if (welcomed) return;
        welcomed = true;
        answer = begin(received, socket, timers);
      } else if (!welcomed) socket.close(1002, 'expected a welcome');
      else if (received.kind === 'ack') acknowledge(received.n, socket);
      else take(received.n, received.body, socket);
    };

    try {
      await options.token.refresh();
      const asked = () => answer?.();
      const handle = { frame, closed: endWith, asked };
      socket = await dialCoordinator(options.url, options.token.current, handle, stop.signal, options.openSocket);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // A proxy's own answer says nothing of the token.
      const hopeless = error instanceof LinkRefused && error.byCoordinator ? refusals.get(error.status) : undefined;
      return {
        welcomed,
        reason,
        ...(hopeless !== undefined && {
          fatal: { code: 'token-unknown', message: `${reason}: the token in ${options.token.from} ${hopeless}` },
        }),
      };
    }
    const unfit = handlers.unfit?.();
    const limited = handlers.limited?.();
    const opened = socket;
    timers.use(
      runtime.timers.after(welcomeWithinMs, () => {
        if (welcomed) return;
        endWith(
          `expected a welcome, got nothing for ${welcomeWithinMs / 1000} s: the coordinator stands still, or a proxy before it does not pass what goes over a WebSocket`,
        );
        opened.terminate();
      }),
    );
    socket.send({
      kind: 'hello',
      protocol: protocolVersion,
      ...options.hello,
      answers: true,
      session: options.session,
      running: handlers.running(),
      ...(handlers.leaving?.() && { leaving: true }),
      ...(unfit !== undefined && { unfit }),
      ...(limited !== undefined && { limited }),
      ...(inbox !== undefined && { received: { session: inbox.session, n: inbox.box.done } }),
    });
    const leave = () => endWith('the agent leaves');
    stop.signal.addEventListener('abort', leave, { once: true });
    if (stop.signal.aborted) leave();
    const reason = await closed.promise;
    stop.signal.removeEventListener('abort', leave);
    connected = undefined;
    socket.close(1000, 'closing');
    inbox?.box.rewind();
    return { welcomed, reason, ...(fatal !== undefined && { fatal }) };
  }

  /** Returns what is to be called for each ping of the coordinator. */
  function begin(welcome: Welcome, socket: AgentSocket, timers: DisposableStack): (() => void) | undefined {
    if (inbox?.session !== welcome.session) inbox = { session: welcome.session, box: createInbox() };
    const { received } = welcome;
    const acknowledged = outbox.last - outbox.size;
    if (received?.session === options.session && received.n >= acknowledged) acknowledge(received.n, socket);
    else {
      // It has forgotten this session, and waits for number 1.
      const fresh = createOutbox<Outgoing>();
      for (const { body } of outbox.pending()) fresh.push(body);
      outbox = fresh;
    }
    leaseMs = welcome.leaseSeconds * 1000;
    logger.info({ agent: welcome.agent }, 'linked to the coordinator');
    handlers.welcome(welcome, {
      get open() {
        return socket.open;
      },
      async sendOob(body) {
        await socket.room();
        socket.send({ kind: 'oob', body });
      },
    });
    connected = { socket, pump: createPump(socket) };
    connected.pump();
    const everyMs = welcome.heartbeatSeconds * 1000;
    if (welcome.asks) return answering(everyMs, socket, timers);
    beat(everyMs, socket, timers);
    return undefined;
  }

  /** Sends what the outbox has, in order, once each on this socket. */
  function createPump(socket: AgentSocket): () => void {
    const box = outbox;
    let sent = 0;
    let pumping = false;
    async function run(): Promise<void> {
      for (const { n, body } of box.pending()) {
        if (n <= sent) continue;
        await body.before?.();
        if (!socket.open) return;
        socket.send({ kind: 'message', n, body: body.message });
        sent = n;
      }
    }
    return () => {
      if (pumping) return;
      pumping = true;
      run()
        .catch((error: unknown) => {
          logger.error({ err: error }, 'a message could not be sent');
          socket.terminate();
        })
        .finally(() => {
          pumping = false;
          if (socket.open && box.pending().some(({ n }) => n > sent)) connected?.pump();
        });
    };
  }

  function acknowledge(n: number, socket: AgentSocket): void {
    const before = outbox.pending();
    if (!outbox.ack(n)) {
      socket.close(1002, 'acknowledged what was never sent');
      return;
    }
    for (const pending of before) if (pending.n <= n) pending.body.acknowledged();
  }

  function take(n: number, body: Extract<FromCoordinator, { kind: 'message' }>['body'], socket: AgentSocket): void {
    if (inbox === undefined) return;
    const { box } = inbox;
    const what = box.take(n);
    if (what === 'gap') socket.close(1002, 'a message is missing');
    else if (what === 'seen') {
      if (n <= box.done) socket.send({ kind: 'ack', n: box.done });
    } else {
      handlers.message(body).then(
        () => {
          // Nothing goes over a newer connection for an older one: `hello` has said it.
          if (box.finish(n)) socket.send({ kind: 'ack', n: box.done });
        },
        (error: unknown) => {
          logger.error({ err: error, type: body.type }, 'a message of the coordinator could not be kept');
          socket.close(1011, 'a message could not be kept');
        },
      );
    }
  }

  /**
   * For a coordinator that asks: that the agent is there the socket has answered, so it says how it is where that is news. One that stops
   * asking is asked itself, and given up like one that does not answer.
   */
  function answering(everyMs: number, socket: AgentSocket, timers: DisposableStack): () => void {
    let told: ToldBeat | undefined;
    let making = false;
    let silence: Disposable | undefined;
    const expect = (ms: number) => {
      silence?.[Symbol.dispose]();
      silence = runtime.timers.after(ms, () => {
        if (!socket.open) return;
        socket.probe();
        expect(everyMs / 2);
      });
    };
    timers.defer(() => silence?.[Symbol.dispose]());
    expect(2 * everyMs);
    return () => {
      expect(1.5 * everyMs);
      if (making) return;
      making = true;
      handlers
        .heartbeat()
        .then((beat) => {
          const now = runtime.clock.monotonic();
          if (!isNews(beat, told, now)) return;
          told = { beat, at: now };
          socket.send({ kind: 'oob', body: beat });
        })
        .catch((error: unknown) => logger.warn({ err: error }, 'no heartbeat could be made'))
        .finally(() => {
          making = false;
        });
    };
  }

  /** Says how the agent is, and asks whether the coordinator is there: both at once, so that the coordinator wakes up once. */
  function beat(everyMs: number, socket: AgentSocket, timers: DisposableStack): void {
    let making = false;
    /** Whether the coordinator is to be asked once the heartbeat is made. */
    let withIt = false;
    const say = () => {
      making = true;
      withIt = true;
      handlers
        .heartbeat()
        .then((body) => socket.send({ kind: 'oob', body }))
        .catch((error: unknown) => logger.warn({ err: error }, 'no heartbeat could be made'))
        .finally(() => {
          making = false;
          if (withIt) socket.probe();
        });
    };
    const again = () => {
      let timer: Disposable | undefined;
      timer = runtime.timers.after(everyMs, () => {
        if (!socket.open) return;
        if (making) {
          // A heartbeat that takes this long, on a disk that hangs, is no reason not to ask.
          withIt = false;
          socket.probe();
        } else say();
        timer?.[Symbol.dispose]();
        again();
      });
      current = timer;
    };
    let current: Disposable | undefined;
    timers.defer(() => current?.[Symbol.dispose]());
    again();
  }

  return {
    send(message, before) {
      if (stop.signal.aborted) return Promise.reject(new Error('the link was closed'));
      const unsendable = messageFault(message);
      if (unsendable !== undefined) return Promise.reject(unsendable);
      const outcome = Promise.withResolvers<void>();
      outbox.push({ message, before, acknowledged: outcome.resolve, lost: outcome.reject });
      connected?.pump();
      return outcome.promise;
    },
    ended: end.promise,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await end.promise;
    },
  };
}

/** Why the message can never be sent, so that it must not wait in the outbox for ever. */
function messageFault(message: AgentMessage): Error | undefined {
  try {
    encodeFromAgent({ kind: 'message', n: Number.MAX_SAFE_INTEGER, body: message });
    return undefined;
  } catch (error) {
    return Object.assign(error as Error, { code: 'frame-too-large' });
  }
}
