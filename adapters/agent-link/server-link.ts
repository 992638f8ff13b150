import type { FastifyBaseLogger } from 'fastify';
import type { WebSocket } from 'ws';
import { placeOf } from '../../coordinator/agents/agent-place.ts';
import type { Application } from '../../coordinator/application.ts';
import { isDroverError } from '../../coordinator/errors.ts';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { AgentPlace } from '../../domain/agent/events.ts';
import {
  type AgentMessage,
  type AgentOob,
  type CoordinatorMessage,
  type FromAgent,
  type Hello,
  protocolVersion,
  type Welcome,
} from '../../domain/agent/messages.ts';
import type { RefusedMessage } from './frames.ts';
import type { Inbox } from './inbox.ts';
import type { AgentSession } from './server-session.ts';
import { type FrameSocket, frameSocket, type LinkFault } from './server-socket.ts';

/** One connection of an agent, from its first frame to its end. */
export interface AgentLink {
  readonly agent: string;
  /** Set once `hello` came. */
  readonly hello: Hello | undefined;
  /** Whether it has ended. */
  readonly over: boolean;
  /** Whether the welcome was sent. */
  readonly welcomed: boolean;
  /** Where its process is, as far as that was said. */
  readonly place: AgentPlace | undefined;
  /** When it began, by the clock. */
  readonly since: number;
  /**
   * Whether its process is there: resolves with true at its next sign of life, which is asked for; with false once the link is over, or
   * nothing has come for a heartbeat.
   */
  answers(): Promise<boolean>;
  /** Begins the exchange: welcome, what was not acknowledged, heartbeats. */
  welcome(session: AgentSession, answer: Omit<Welcome, 'kind' | 'protocol' | 'agent' | 'asks'>): void;
  /** Sends a message that {@link AgentSession.outbox} has numbered, if the link is as far as that. */
  send(message: { readonly n: number; readonly body: CoordinatorMessage }): void;
  /** Ends the link, telling the agent why. */
  refuse(fault: LinkFault): void;
  /** Ends the link because the coordinator stops. */
  goAway(): void;
}

export interface LinkOptions {
  readonly application: Pick<Application, 'agentMessage' | 'agentOob' | 'agentAnswered'>;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly logger: FastifyBaseLogger;
  /** How long a link may take to say hello, in milliseconds. */
  readonly helloWithin: number;
  /** Most messages and chunks of one link that are being handled before it is read no further. */
  readonly mostOpen: number;
  /** Links of the same number look after their agents in the same turn. */
  readonly group: number;
  /** Address that the link comes from. */
  readonly address: string | undefined;
  /** The agent said hello. */
  readonly onHello: (link: AgentLink, hello: Hello) => void;
  /** The link is refused for what its process is or does; others like it will be, too. */
  readonly onRefused: (link: AgentLink, fault: LinkFault) => void;
  /** The link is over, by whichever side; called once. */
  readonly onEnd: (link: AgentLink, reason: string) => void;
}

/** Refusals that say nothing of the message or the link, only of the coordinator at this moment. */
export const passingFaults: ReadonlySet<string> = new Set([
  'store-unavailable',
  'disk-full',
  'pool-unavailable',
  'not-ready',
  'too-many-requests',
  'internal-error',
]);

/** How far apart groups of links look after their agents, in milliseconds: what is done for one holds nothing else up for long. */
const groupApartMs = 100;

/** How long the process of a link that is not welcomed yet may take to give a sign of life. */
const heartbeatBeforeWelcomeMs = 10_000;

/** Of so many a link tells. */
const mostCutLogs = 1000;

/** Silent heartbeat intervals after which an agent counts as gone. */
const silentIntervals = 3;

export function openLink(socket: WebSocket, agent: string, options: LinkOptions): AgentLink {
  const { application, runtime, logger } = options;
  const { clock, timers } = runtime;
  let hello: Hello | undefined;
  let session: AgentSession | undefined;
  let heardAt = clock.monotonic();
  let timer: Disposable;
  let ended = false;
  /** Builds of whose logs a piece was lost on this link, which was told. */
  const cutLogs = new Set<string>();
  /** Who waits for a sign of life. */
  const waiting = new Set<(alive: boolean) => void>();
  let heartbeatMs = heartbeatBeforeWelcomeMs;
  let place = placeOf({}, options.address);
  const since = clock.now();
  /** Whether an ack is on its way out. */
  let acknowledging = false;

  const end = (reason: string, close: (frames: FrameSocket) => void) => {
    if (ended) return;
    ended = true;
    timer[Symbol.dispose]();
    tell(false);
    close(frames);
    options.onEnd(link, reason);
  };
  const tell = (alive: boolean) => {
    for (const answer of waiting) answer(alive);
    waiting.clear();
  };
  const refuse = (fault: LinkFault) => {
    if (ended) return;
    if (!passingFaults.has(fault.code) && fault.code !== 'superseded') options.onRefused(link, fault);
    else logger.warn({ code: fault.code, detail: fault.message }, 'agent link refused');
    end(`${fault.code}: ${fault.message}`, () => frames.refuse(fault));
  };
  // Another frame of the same kind would be as wrong, so the link ends; but the agent may come back, for a new one.
  const malformed = (message: string) => refuse({ code: 'malformed-frame', message, fatal: false });

  const link: AgentLink = {
    agent,
    get hello() {
      return hello;
    },
    get welcomed() {
      return session !== undefined && !ended;
    },
    get over() {
      return ended;
    },
    get place() {
      return place;
    },
    since,
    async answers() {
      if (ended) return false;
      frames.ping();
      const { promise, resolve } = Promise.withResolvers<boolean>();
      waiting.add(resolve);
      using _silence = timers.after(heartbeatMs, () => resolve(false));
      try {
        return await promise;
      } finally {
        waiting.delete(resolve);
      }
    },
    welcome(given, answer) {
      if (ended) return;
      session = given;
      const asks = hello?.answers === true;
      frames.send({ kind: 'welcome', protocol: protocolVersion, agent, ...(asks && { asks }), ...answer });
      for (const message of given.outbox?.pending() ?? []) link.send(message);
      heartbeatMs = answer.heartbeatSeconds * 1000;
      beat(heartbeatMs);
    },
    send(message) {
      if (link.welcomed) frames.send({ kind: 'message', ...message });
    },
    refuse,
    goAway() {
      end('the coordinator stops', () => frames.goAway());
    },
  };

  const frames = frameSocket(socket, {
    answered() {
      if (link.welcomed) application.agentAnswered(agent);
    },
    heard() {
      heardAt = clock.monotonic();
      if (waiting.size > 0) tell(true);
    },
    frame: (frame) => take(frame),
    fault({ code, message, refused }) {
      if (refused !== undefined && session !== undefined) takeRefused(session, refused, message);
      // The same would come again on the next link.
      else refuse({ code, message, fatal: true });
    },
    closed: (reason) => end(reason, () => undefined),
  });
  timer = timers.after(options.helloWithin, () => malformed(`expected hello within ${options.helloWithin} ms`));
  return link;

  /**
   * Looks every interval, asks an agent that was not heard in it or wants to be asked, and gives up one that stays silent. The links of a
   * group look in the same turn, and their agents answer in one: waking up for each costs more than all that is done then.
   */
  function beat(interval: number): void {
    const past = (clock.monotonic() - options.group * groupApartMs) % interval;
    // A timer may be a little early: that was the look of the turn to come.
    const wait = interval - past;
    timer = timers.after(wait < interval / 2 ? wait + interval : wait, () => {
      const silence = Math.round(clock.monotonic() - heardAt);
      if (silence >= silentIntervals * interval) {
        logger.warn({ silence }, 'agent link silent');
        end(`silent for ${silence} ms`, () => frames.cut());
        return;
      }
      if (hello?.answers || silence >= interval) frames.ping();
      beat(interval);
    });
  }

  function take(frame: FromAgent): void {
    if (frame.kind === 'hello') takeHello(frame);
    else if (session === undefined)
      malformed(`expected ${hello === undefined ? 'hello' : 'nothing before the welcome'}, got ${frame.kind}`);
    else if (frame.kind === 'message') takeMessage(session, frame.n, frame.body);
    else if (frame.kind === 'oob') takeOob(session, frame.body);
    else if (session.outbox?.ack(frame.n) === false)
      malformed(`expected an ack of at most ${session.outbox.last}, got ${frame.n}`);
  }

  function takeHello(frame: Hello): void {
    if (hello !== undefined) {
      malformed('expected hello once, got it again');
      return;
    }
    place = placeOf(frame, options.address);
    if (frame.protocol !== protocolVersion) {
      const message = `expected protocol ${protocolVersion}, got ${frame.protocol}`;
      refuse({ code: 'protocol-unsupported', message, fatal: true });
    } else {
      hello = frame;
      timer[Symbol.dispose]();
      options.onHello(link, frame);
    }
  }

  function takeMessage(session: AgentSession, n: number, body: AgentMessage): void {
    takeNumbered(session, n, body.build, () => settle(body));
  }

  /** A message that is none of the protocol would be sent again for ever: it is acknowledged, and fails the attempt that it is about. */
  function takeRefused(session: AgentSession, { n, attempt }: RefusedMessage, fault: string): void {
    logger.warn({ n, ...attempt, detail: fault }, 'message of agent refused');
    const message = `the coordinator cannot read what the agent says of it: ${fault}`.slice(0, 4096);
    takeNumbered(session, n, attempt?.build ?? '', async () =>
      attempt === undefined ? true : settle({ type: 'failed', ...attempt, class: 'agent-error', message }),
    );
  }

  function takeNumbered(session: AgentSession, n: number, lane: string, work: () => Promise<boolean>): void {
    const { inbox } = session;
    const taken = inbox.take(n);
    if (taken === 'gap') {
      malformed(`expected message ${inbox.taken + 1} at most, got ${n}`);
    } else if (taken === 'seen') {
      // Its ack may have been lost. Where it is still being handled, the ack comes by itself.
      if (n <= inbox.done) acknowledge(inbox);
    } else {
      handle(session, lane, async () => {
        const settled = await work();
        if (settled && inbox.finish(n)) acknowledge(inbox);
      });
    }
  }

  /** One ack at a time, as the next covers more: an agent that sends and does not read would heap them up here. */
  function acknowledge(inbox: Inbox): void {
    if (acknowledging || ended) return;
    acknowledging = true;
    const n = inbox.done;
    frames.send({ kind: 'ack', n }, () => {
      acknowledging = false;
      if (inbox.done > n) acknowledge(inbox);
    });
  }

  /** Whether the message may be acknowledged: it is durable, or refused for good. */
  async function settle(body: AgentMessage): Promise<boolean> {
    const { build } = body;
    try {
      await application.agentMessage(agent, body);
      return true;
    } catch (error) {
      if (isDroverError(error) && !passingFaults.has(error.code)) {
        logger.warn({ build, code: error.code, detail: error.message }, 'message of agent refused');
        return true;
      }
      // It is not known to be durable: the agent keeps it and sends it again on its next link.
      logger.error({ build, err: error }, 'message of agent not handled');
      refuse({
        code: 'store-unavailable',
        message: 'the coordinator could not handle a message: its log says why',
        fatal: false,
      });
      return false;
    }
  }

  function takeOob(session: AgentSession, body: AgentOob): void {
    const lane = body.type === 'log' ? body.build : '';
    handle(session, lane, async () => {
      try {
        await application.agentOob(agent, body);
      } catch (error) {
        // May be lost with any connection, so it may be lost here.
        const isFirst = body.type === 'log' && cutLogs.size < mostCutLogs && !cutLogs.has(lane);
        if (!isFirst) return logger.debug({ err: error, type: body.type }, 'out-of-band frame of agent not handled');
        cutLogs.add(lane);
        const { build, attempt } = body;
        logger.warn(
          { build, attempt, err: error },
          'a piece of a build log could not be kept: what comes after it is kept only once the agent connects again while it builds',
        );
      }
    });
  }

  function handle(session: AgentSession, lane: string, task: () => Promise<void>): void {
    // Asked once the task is not counted any more: many may end in one turn, and the last of them has to see few.
    session.lanes
      .run(lane, task)
      .then(() => {
        if (session.lanes.open <= options.mostOpen / 2) frames.resume();
      })
      .catch((error: unknown) => logger.error({ err: error }, 'agent link failed'));
    if (session.lanes.open >= options.mostOpen) frames.pause();
  }
}
