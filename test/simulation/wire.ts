import { EventEmitter } from 'node:events';
import type { WebSocket } from 'ws';
import type { Life } from './life.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './time.ts';

/** How the way between one agent and the coordinator is. */
export interface Weather {
  /** Nothing gets through, and nobody is told: what is sent arrives when it is over, or never. */
  silent: boolean;
  /** Longest time that a packet takes, in milliseconds. */
  delay: number;
}

type Packet =
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string };

/** How long an end waits for the other's close. */
const closeTimeoutMs = 2000;

/**
 * One end of a WebSocket in memory, with what the agent link uses of `ws`: packets of a direction arrive in order, each after a while;
 * those of different connections in any order. What is on its way is lost with the connection.
 */
export class SimulatedSocket extends EventEmitter {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readyState = 0;
  readonly bufferedAmount = 0;
  isPaused = false;
  peer: SimulatedSocket | undefined;
  /** Packets that have arrived and were not looked at, as it is paused or the way is silent. */
  readonly #arrived: Packet[] = [];
  #clear = 0;
  readonly #wire: Wire;
  readonly #life: Life;

  constructor(wire: Wire, life: Life) {
    super();
    this.#wire = wire;
    this.#life = life;
  }

  send(bytes: Uint8Array, sent?: () => void): void {
    if (this.readyState === this.OPEN) this.#post({ kind: 'data', bytes });
    if (sent) this.#life.after(1, sent);
  }

  ping(_data?: unknown, _mask?: unknown, sent?: () => void): void {
    if (this.readyState === this.OPEN) this.#post({ kind: 'ping' });
    if (sent) this.#life.after(1, sent);
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState === this.CONNECTING) return this.terminate();
    if (this.readyState !== this.OPEN) return;
    this.readyState = this.CLOSING;
    this.#post({ kind: 'close', code, reason });
    this.#life.after(closeTimeoutMs, () => this.end(1006));
  }

  /** The other end sees that the connection is gone, unless the way is silent. */
  terminate(): void {
    if (this.readyState === this.CLOSED) return;
    this.#wire.reset(this.peer);
    if (this.readyState !== this.CONNECTING) this.readyState = this.CLOSING;
    this.#life.after(0, () => this.end(1006));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.drain();
  }

  opened(): void {
    if (this.readyState !== this.CONNECTING) return;
    this.readyState = this.OPEN;
    this.emit('open');
  }

  /** The connection is over at this end. */
  end(code: number, reason = ''): void {
    if (this.readyState === this.CLOSED) return;
    const wasConnecting = this.readyState === this.CONNECTING;
    this.readyState = this.CLOSED;
    if (!this.#life.alive) return;
    // As `ws` says it of what was never open.
    if (wasConnecting) this.emit('error', new Error('WebSocket was closed before the connection was established'));
    this.emit('close', code, Buffer.from(reason));
  }

  #post(packet: Packet): void {
    const { peer } = this;
    if (!peer) return;
    const { time, random, weather } = this.#wire;
    // No packet overtakes another.
    peer.#clear = Math.max(peer.#clear, time.now() + 1 + random.below(weather.delay));
    time.after(peer.#clear - time.now(), () => {
      peer.#arrived.push(packet);
      peer.drain();
    });
  }

  /** Takes what has arrived, one packet after the other. */
  drain(): void {
    while (this.#arrived.length > 0 && !this.isPaused && !this.#wire.weather.silent) {
      const packet = this.#arrived.shift() as Packet;
      if (this.readyState === this.CLOSED || !this.#life.alive) continue;
      this.#take(packet);
    }
  }

  #take(packet: Packet): void {
    if (packet.kind === 'data') this.emit('message', packet.bytes, true);
    else if (packet.kind === 'pong') this.emit('pong');
    else if (packet.kind === 'ping') {
      if (this.readyState === this.OPEN) this.#post({ kind: 'pong' });
      this.emit('ping');
    } else {
      const { code, reason } = packet;
      if (this.readyState === this.OPEN) this.#post(packet);
      this.end(code, reason);
    }
  }
}

/** All that goes between one agent's machine and the coordinator's. */
export interface Wire {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly weather: Weather;
  /** The other end is told that the connection is gone, after a while. */
  reset(end: SimulatedSocket | undefined): void;
  /** Connects an end that was alone; its other end is its `peer`. */
  connect(agent: Life, coordinator: Life, end: SimulatedSocket): SimulatedSocket;
  /** An end that nobody is at the other end of yet. */
  alone(life: Life): SimulatedSocket;
  /** Cuts every connection: both ends are told, each after a while. */
  cut(): void;
  /** The process is dead: the other ends are told. */
  left(life: Life): void;
  /** What was silent is heard again. */
  clear(): void;
}

export function createWire(time: VirtualTime, random: Random): Wire {
  let pairs: { life: readonly [Life, Life]; ends: readonly [SimulatedSocket, SimulatedSocket] }[] = [];

  const wire: Wire = {
    time,
    random,
    weather: { silent: false, delay: 20 },
    reset(end) {
      if (!end) return;
      time.after(1 + random.below(50), () => {
        // Nobody says so where nothing gets through: that is found out by asking.
        if (!wire.weather.silent) end.end(1006);
      });
    },
    connect(agent, coordinator, end) {
      const ends = [end, new SimulatedSocket(wire, coordinator)] as const;
      ends[0].peer = ends[1];
      ends[1].peer = ends[0];
      pairs = pairs.filter(
        ({ ends: [one, other] }) => one.readyState !== one.CLOSED || other.readyState !== other.CLOSED,
      );
      pairs.push({ life: [agent, coordinator], ends });
      return end;
    },
    alone: (life) => new SimulatedSocket(wire, life),
    cut() {
      for (const { ends } of pairs) for (const end of ends) wire.reset(end);
    },
    left(life) {
      for (const { life: lives, ends } of pairs)
        for (const [at, end] of ends.entries()) if (lives[1 - at] === life) wire.reset(end);
    },
    clear() {
      wire.weather.silent = false;
      wire.weather.delay = 20;
      for (const { ends } of pairs) for (const end of ends) end.drain();
      // Connections whose other end is gone are reset once somebody sends something over them.
      for (const { ends } of pairs)
        for (const end of ends)
          if (end.readyState !== end.CLOSED && end.peer?.readyState === end.CLOSED) wire.reset(end);
    },
  };
  return wire;
}

/** As the code that is simulated sees it. */
export const asWebSocket = (end: SimulatedSocket): WebSocket => end as unknown as WebSocket;
