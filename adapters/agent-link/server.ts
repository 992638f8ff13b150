import type { FastifyBaseLogger } from 'fastify';
import type { WebSocket } from 'ws';
import { describePlace } from '../../coordinator/agents/agent-place.ts';
import type { Application } from '../../coordinator/application.ts';
import { isDroverError } from '../../coordinator/errors.ts';
import type { AgentLinks } from '../../coordinator/ports/agent-links.ts';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { Hello } from '../../domain/agent/messages.ts';
import { maxFrameBytes } from '../../domain/limits.ts';
import { type AgentLink, openLink, passingFaults } from './server-link.ts';
import { type AgentSession, createAgentSession, resumeSession } from './server-session.ts';
import type { LinkFault } from './server-socket.ts';

export interface AgentLinkServerOptions {
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly logger: FastifyBaseLogger;
  /** New at each start of the coordinator. */
  readonly session: string;
  /** How long a link may take to say hello, in milliseconds. */
  readonly helloWithin?: number;
  /** Most messages and log chunks of one agent under way before its link is read no further. */
  readonly mostOpen?: number;
}

/**
 * The coordinator's end of all agent links. The application and the link server need each other: {@link links} is there
 * at once, and {@link serve} is told the application before the first link is accepted.
 */
export interface AgentLinkServer extends AsyncDisposable {
  readonly links: AgentLinks;
  serve(application: LinkApplication): void;
  /** Takes over a WebSocket whose token belongs to `agent`; `undefined` where it was closed at once. */
  accept(socket: WebSocket, agent: string, address?: string): Pick<AgentLink, 'refuse'> | undefined;
  readonly stats: { readonly open: number; readonly unacknowledged: number };
}
export type LinkApplication = Pick<
  Application,
  'agentConnected' | 'agentDisconnected' | 'agentMessage' | 'agentOob' | 'agentAnswered' | 'agentRefused'
>;

/** How many agents are looked after in one turn: some 50 µs each. */
const groupSize = 64;

/** For the WebSocket server. A frame that is a little too large is still read, so that its sender can be told why. */
export const linkSocketOptions = {
  maxPayload: 2 * maxFrameBytes,
  perMessageDeflate: false,
  closeTimeout: 2_000,
} as const;

/** The place of one agent. Its connects and disconnects are told to the application strictly one after the other. */
interface Seat {
  session: AgentSession | undefined;
  /** The newest link that said hello. */
  link: AgentLink | undefined;
  /** Whether the application was told that the agent is connected, and not yet that it is gone. */
  connected: boolean;
  /** Ends when everything that was begun for the agent before is done. */
  turn: Promise<void>;
  /** What was said last of a link that was turned away, so that it is said once. */
  told: string | undefined;
}

export function createAgentLinkServer(options: AgentLinkServerOptions): AgentLinkServer {
  const { logger, runtime } = options;
  const seats = new Map<string, Seat>();
  const open = new Set<AgentLink>();
  let application: LinkApplication | undefined;
  let stopped = false;

  const seatOf = (agent: string): Seat => {
    let seat = seats.get(agent);
    if (seat === undefined) {
      seat = { session: undefined, link: undefined, connected: false, turn: Promise.resolve(), told: undefined };
      seats.set(agent, seat);
    }
    return seat;
  };
  const inTurn = (seat: Seat, agent: string, task: () => Promise<void>) => {
    seat.turn = seat.turn
      .then(task)
      .catch((error: unknown) => logger.error({ err: error, agent }, 'agent link failed'));
  };

  /**
   * Of one process the newer link wins: it comes back, and has often lost the older one without its being noticed here. Another process
   * is let in only where the first is not there any more, which is asked and not believed.
   */
  function onHello(link: AgentLink, hello: Hello): void {
    const older = seatOf(link.agent).link;
    if (older?.hello === undefined || older.hello.session === hello.session) return seatTaken(link, hello);
    older
      .answers()
      .then((alive) => {
        const { link: holder } = seatOf(link.agent);
        // Perhaps a third came meanwhile, or the first back: whoever has the seat is asked.
        if (alive) link.refuse(inUse(holder ?? older));
        else if (holder === undefined || holder === older) seatTaken(link, hello);
        else onHello(link, hello);
      })
      .catch((error: unknown) => logger.error({ err: error, agent: link.agent }, 'agent link failed'));
  }

  function seatTaken(link: AgentLink, hello: Hello): void {
    if (link.over) return;
    const seat = seatOf(link.agent);
    const older = seat.link;
    seat.link = link;
    // Of the same session it is the same process, which has left that link. Any other comes back and finds the seat taken.
    older?.refuse({ code: 'superseded', message: 'expected one link per agent, got a newer one', fatal: false });
    inTurn(seat, link.agent, async () => {
      await seat.session?.lanes.idle();
      if (seat.link === link) await connect(seat, link, hello);
    });
  }

  function inUse({ place, since }: AgentLink): LinkFault {
    const began = new Date(since).toISOString();
    const message = `this agent runs already on ${describePlace(place)}, since ${began}: each process needs an agent of its own ('drover agents add NAME'); this one is let in once that is gone`;
    return { code: 'agent-in-use', message, fatal: false };
  }

  /** Tries of the same process or of its next ones are said once. */
  function onRefused(link: AgentLink, { code, message }: LinkFault): void {
    const { agent, place } = link;
    const seat = seatOf(agent);
    const told = `${code} ${place?.host} ${message}`;
    const level = seat.told === told ? 'debug' : 'warn';
    seat.told = told;
    logger[level]({ agent, code, place, detail: message }, 'agent link refused');
    try {
      application?.agentRefused(agent, { code, message, ...(place && { place }) });
    } catch (error) {
      // An application that is not there at the moment hears of the next try.
      if (!isDroverError(error)) throw error;
    }
  }

  async function connect(seat: Seat, link: AgentLink, hello: Hello): Promise<void> {
    if (application === undefined) throw new Error('a link was accepted before serve()');
    const session = seat.session?.id === hello.session ? seat.session : createAgentSession(hello.session);
    seat.session = session;
    const seen = hello.received?.session === options.session ? hello.received.n : 0;
    if (!resumeSession(session, seen)) {
      const message = `received.n: expected at most ${session.outbox?.last}, got ${seen}`;
      link.refuse({ code: 'malformed-frame', message, fatal: false });
      return;
    }
    try {
      const answer = await application.agentConnected(link.agent, hello, link.place?.address);
      seat.told = undefined;
      seat.connected = true;
      link.welcome(session, {
        ...answer,
        session: options.session,
        received: { session: session.id, n: session.inbox.done },
      });
    } catch (error) {
      const known = isDroverError(error);
      if (!known) logger.error({ err: error, agent: link.agent }, 'agent link not taken');
      const code = known ? error.code : 'internal-error';
      const passing = passingFaults.has(code);
      link.refuse({
        code,
        message: known ? error.message : 'the coordinator could not take the link',
        fatal: !passing,
      });
    }
  }

  function onEnd(link: AgentLink, reason: string): void {
    open.delete(link);
    const seat = seatOf(link.agent);
    // Superseded: the newer link's connect tells the application all it needs.
    if (seat.link !== link) return;
    seat.link = undefined;
    inTurn(seat, link.agent, async () => {
      if (!seat.connected || seat.link !== undefined) return;
      seat.connected = false;
      try {
        await application?.agentDisconnected(link.agent, reason);
      } catch (error) {
        // An application that is not there at the moment finds out when it starts: no agent has a link then.
        if (!isDroverError(error)) throw error;
        logger.warn({ agent: link.agent, code: error.code }, 'nobody to tell that an agent is gone');
      }
    });
  }

  return {
    links: {
      send(agent, message) {
        const seat = seats.get(agent);
        const numbered = seat?.session?.outbox?.push(message);
        if (numbered !== undefined) seat?.link?.send(numbered);
      },
      close(agent, code, message) {
        const seat = seats.get(agent);
        if (seat === undefined) return;
        if (seat.session !== undefined) seat.session.outbox = undefined;
        seat.link?.refuse({ code, message, fatal: !passingFaults.has(code) });
      },
    },
    serve(given) {
      application = given;
    },
    accept(socket, agent, address) {
      if (application === undefined || stopped) {
        socket.close(1013, 'not ready');
        return undefined;
      }
      const link = openLink(socket, agent, {
        application,
        runtime,
        logger: logger.child({ agent }),
        helloWithin: options.helloWithin ?? 10_000,
        mostOpen: options.mostOpen ?? 64,
        group: Math.floor(open.size / groupSize),
        address,
        onHello,
        onRefused,
        onEnd,
      });
      open.add(link);
      return link;
    },
    get stats() {
      let unacknowledged = 0;
      for (const seat of seats.values()) unacknowledged += seat.session?.outbox?.size ?? 0;
      return { open: open.size, unacknowledged };
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      for (const link of [...open]) link.goAway();
      await Promise.all([...seats.values()].map((seat) => seat.turn));
    },
  };
}
