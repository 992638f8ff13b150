import { pino } from 'pino';
import { openAgentLink } from '../../adapters/agent-link/client.ts';
import { createDirectUpstreams } from '../../adapters/upstream/direct.ts';
import { type AgentOptions, type RunningAgent, startAgent } from '../../agent/agent.ts';
import type { CoordinatorLink } from '../../agent/ports/coordinator-link.ts';
import type { StoreUpkeep } from '../../agent/ports/store-upkeep.ts';
import { randomId } from '../../coordinator/identifiers.ts';
import type { UpstreamCache } from '../../coordinator/ports/upstream.ts';
import type { AgentAbilities } from '../../domain/agent/events.ts';
import type { AgentMessage } from '../../domain/agent/messages.ts';
import { createSimulatedBuilder } from './builder.ts';
import { fullPath, type Graph, storeDir } from './graph.ts';
import { createLife, type Life } from './life.ts';
import { emptyDisk, type HeldItem, type MachineDisk, noRoom, openAttemptDisk } from './machine-disk.ts';
import { type Line, openCache, openSocket, openUploads } from './network.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './time.ts';
import { createWire, type Wire } from './wire.ts';

export interface MachineWorld extends Omit<Line, 'life' | 'wire'> {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly graph: Graph;
  tries(derivation: string): number;
  aborted(machine: Machine, derivation: string): void;
  unready(derivation: string, lacking: string): void;
  /** The agent's own way to an upstream. */
  upstreamAt(url: string, life: Life): UpstreamCache;
  /** Bytes came into the store of a machine that are not what its narinfo says. */
  unsound(machine: string, path: string): void;
  /** The coordinator has acknowledged what the agent said. */
  acknowledged(machine: Machine, message: AgentMessage): void;
  /** What a liar says instead. */
  lie(machine: Machine, message: AgentMessage): AgentMessage;
}

/** A machine with an agent on it: the agent's own code, on a disk, a builder and a network of the simulation. */
export interface Machine {
  readonly name: string;
  readonly abilities: AgentAbilities;
  readonly wire: Wire;
  readonly disk: MachineDisk;
  /** The agent's token; an operator may replace it. */
  secret: string;
  /** How many times longer everything takes. */
  slowness: number;
  /** Of its processors, as it says it. */
  load: number;
  lies: boolean;
  /** It says anything of its load and of what its store holds. */
  boasts: boolean;
  /** It is not to be started again for now. */
  isOff: boolean;
  readonly isUp: boolean;
  /** It was asked to stop, and has not ended yet. */
  readonly isStopping: boolean;
  /** Attempts that its disk has. */
  readonly attempts: number;
  start(): void;
  /** As by `kill -9`: what is on its disk stays. */
  kill(): void;
  /** As by SIGTERM; it is started again after a while. */
  stop(how: 'finish' | 'hand-back' | 'leave'): void;
  /** A new, empty disk; only while it is down. */
  wipe(): void;
  /** Another process with the same token, on a disk of its own. */
  twin(): Machine;
}

/** Well below what a machine takes. */
export const idleLoad = 0.5;

/** What a machine that boasts says of itself: often what is not so, and no two times the same. */
function boast(random: Random): Awaited<ReturnType<AgentOptions['health']>> {
  const figure = (): number => random.pick([0, 1, 49, 51, 1e9]) as number;
  return {
    load1: figure(),
    freeBytes: random.pick([0, 1, 1e15]) as number,
    pressure: { cpu: figure(), memory: figure(), io: figure() },
  };
}

/** The store's own garbage collector: it is asked while nothing runs, and takes all that nothing keeps. */
function createUpkeep(disk: MachineDisk, life: Life, claims: () => readonly string[] | undefined): StoreUpkeep {
  return life.mortal({
    async room() {
      await life.io();
      return { freeBytes: disk.litter === 'none' ? 1e9 : 0, diskBytes: 2e9 };
    },
    async collectGarbage() {
      await life.io(200);
      if (disk.litter === 'garbage') disk.litter = 'none';
      const freed = disk.items.size;
      disk.items.clear();
      return freed;
    },
    async largest(most) {
      await life.io();
      const claimed = claims();
      if (claimed !== undefined) return claimed.slice(0, most);
      const sizeOf = ([, { nar }]: [string, HeldItem]): number => -nar.length;
      return [...disk.items]
        .sort((one, other) => sizeOf(one) - sizeOf(other))
        .slice(0, most)
        .map(([path]) => path);
    },
  });
}

/** Some of all there ever is, and what nobody knows. */
function claimedBy(random: Random, { recipes }: Graph): string[] {
  const all = recipes.flatMap(({ references }) => [...references.keys()].map(fullPath));
  return [...all.filter(() => random.chance(0.7)), fullPath(`${'0'.repeat(32)}-unknown`)];
}

const silent = pino({ level: 'silent' });

export function createMachine(
  world: MachineWorld,
  name: string,
  abilities: AgentAbilities,
  { wire = createWire(world.time, world.random.fork(`wire of ${name}`)), host = name } = {},
): Machine {
  let life: Life | undefined;
  let agent: RunningAgent | undefined;
  let starts = 0;
  let isStopping = false;
  let disk = emptyDisk();

  async function run(mine: Life): Promise<void> {
    const { runtime } = mine;
    const line: Line = { ...world, life: mine, wire };
    const token = { from: 'token', refresh: async () => renewed(), current: machine.secret };
    function renewed(): boolean {
      const isNew = token.current !== machine.secret;
      token.current = machine.secret;
      return isNew;
    }
    const store = openAttemptDisk(disk, mine);
    const boasts = world.random.fork(`boasts of ${host} ${starts}`);
    const claims = (): readonly string[] | undefined => (machine.boasts ? claimedBy(boasts, world.graph) : undefined);
    const builder = createSimulatedBuilder({
      ...world,
      disk,
      life: mine,
      slowness: () => machine.slowness,
      aborted: (derivation) => world.aborted(machine, derivation),
      unsound: (path) => world.unsound(host, path),
    });
    const room = async (): Promise<void> => {
      await mine.io();
      if (disk.full) throw noRoom();
    };
    const started = await startAgent({
      builder,
      store,
      runtime,
      logger: silent,
      slots: abilities.slots,
      maxConcurrentFetches: 4,
      maxConcurrentUploads: 2,
      cache: openCache(line),
      uploads: openUploads(line, () => token.current),
      upstreams: createDirectUpstreams(runtime, silent, async ({ url }) => world.upstreamAt(url, mine)),
      health: async () => (machine.boasts ? boast(boasts) : { load1: machine.load, freeBytes: disk.full ? 0 : 1e9 }),
      loadLimits: { maxLoad: 4, maxCpuPressure: 50, maxMemoryPressure: 50, maxIoPressure: 50 },
      room: { upkeep: createUpkeep(disk, mine, claims), limits: { minFree: 1000 } },
      checks: [
        { what: 'state folder', run: () => store.check() },
        { what: 'builder', run: room },
      ],
      openLink: (handlers) =>
        watched(
          openAgentLink(
            {
              url: 'ws://coordinator/v1/agent-link',
              token,
              session: randomId(runtime.random.bytes(12)),
              hello: {
                version: '0.1.0',
                builder: 'simulated 1',
                storeDir,
                place: { host, pid: starts },
                abilities,
              },
              runtime,
              logger: silent,
              openSocket: (url, options) => openSocket(line, url, options),
            },
            handlers,
          ),
        ),
    });
    if (!mine.alive) return;
    agent = started;
    const { reason } = await started.ended;
    if (!mine.alive) return;
    world.trace(host, `has left: ${reason}`);
    end();
    // A service manager starts it again, be it that its token is refused.
    world.time.after(15_000, start);
  }

  /** Sees what is acknowledged, and tells lies for a liar. */
  function watched(link: CoordinatorLink): CoordinatorLink {
    return {
      ended: link.ended,
      async send(message, before) {
        const said = machine.lies ? world.lie(machine, message) : message;
        await link.send(said, before);
        world.acknowledged(machine, said);
      },
      [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
    };
  }

  function end(): void {
    if (life) wire.left(life);
    life?.kill();
    life = undefined;
    agent = undefined;
    isStopping = false;
  }

  function start(): void {
    if (life !== undefined || machine.isOff || machine.secret === '') return;
    starts++;
    life = createLife(world.time, world.random.fork(`${host} ${starts}`));
    world.trace(host, `starts for the ${starts}. time`);
    run(life).catch((error: Error) => world.bug(`${host}: ${error.stack}`));
  }

  const machine: Machine = {
    name,
    abilities,
    wire,
    get disk() {
      return disk;
    },
    secret: '',
    slowness: 1,
    load: idleLoad,
    lies: false,
    boasts: false,
    isOff: false,
    get isUp() {
      return life !== undefined;
    },
    get isStopping() {
      return isStopping;
    },
    get attempts() {
      return disk.attempts.size;
    },
    start,
    kill() {
      if (life) world.trace(host, 'is killed');
      end();
    },
    stop(how) {
      if (!agent) return;
      world.trace(host, `is stopped: ${how}`);
      isStopping = true;
      void agent.stop(how);
    },
    wipe() {
      if (life) throw new Error(`${host} runs`);
      world.trace(host, 'has a new disk');
      disk = emptyDisk();
    },
    twin() {
      const other = createMachine(world, name, abilities, {
        host: `${host}-twin`,
        wire: createWire(world.time, world.random.fork(`wire of the twin of ${host}`)),
      });
      other.secret = machine.secret;
      return other;
    },
  };
  return machine;
}
