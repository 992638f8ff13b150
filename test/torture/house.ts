import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Agent, type Farm, noise, startFarm } from '../support/e2e/farm.ts';
import { type NatsServer, startNatsServer } from '../support/nats-server.ts';
import { features, systems } from './graph.ts';
import { type Engine, type Fault, leases, type Round } from './plan.ts';

const settings = {
  DROVER_HEARTBEAT_SECONDS: '1',
  DROVER_RETRY_BASE_SECONDS: '1',
  DROVER_RETRY_MAX_SECONDS: '2',
  DROVER_QUARANTINE_SECONDS: '2',
  DROVER_CACHE_TTL_SECONDS: '2',
  DROVER_LIMITS_UPLOAD_IDLE_SECONDS: '5',
  DROVER_AUDIT_CHECKPOINT_SECONDS: '5',
  DROVER_HOOKS_TRUST_API: 'true',
  DROVER_SNAPSHOTS_EVERY_EVENTS: '200',
};
const abilities = [
  { name: 'agent-a', slots: 2, systems, features: [] },
  { name: 'agent-b', slots: 1, systems: systems.slice(0, 1), features },
  { name: 'agent-c', slots: 2, systems, features },
];
export const agentNames = (count: number): string[] => abilities.slice(0, count).map(({ name }) => name);

export interface HouseOptions {
  readonly engine: Engine;
  readonly agents: number;
  /** Of the coordinator on NATS, in seconds: a stop that is longer costs it its place, and after a kill the next waits for so long. */
  readonly writerLease: number;
  /** Size of what large outputs hold, which does not compress. */
  readonly blobBytes: number;
  /** A coordinator is started by which agents keep their builds for so long, in seconds. */
  started?(lease: number): void;
}

/** A farm of real processes in a house in which everybody can be killed, and is started again as an operator's service manager would do it. */
export interface House extends AsyncDisposable {
  readonly farm: Farm;
  readonly agents: readonly Agent[];
  /** Where the log is, as `--store` of a command takes it. */
  readonly store: string;
  /** The coordinator serves; whoever waits for that is told. */
  up(): Promise<void>;
  /** Does it, and resolves once whoever was killed runs again. */
  strike(fault: Fault, round: Round): Promise<void>;
  /** Ends of coordinators that nobody killed. */
  readonly ownEnds: readonly string[];
  /** `kill -9` of all agents and the coordinator, or a stop of all where `gently`; nobody is started again. */
  close(gently?: boolean): Promise<void>;
}

export async function openHouse({
  engine,
  agents: count,
  writerLease,
  blobBytes,
  started,
}: HouseOptions): Promise<House> {
  await using resources = new AsyncDisposableStack();
  const nats = engine === 'nats' ? resources.use(await startNatsServer()) : undefined;
  const flags = nats ? ['--store', `${nats.url}?lease=${writerLease}`] : [];
  const farm = resources.use(await startFarm({ flags, env: settings }));
  mkdirSync(join(farm.folder, 'gate/failed'));
  farm.put('blob', noise(blobBytes));
  const agents = await Promise.all(
    abilities
      .slice(0, count)
      .map(({ name, ...ability }) => farm.agent(name, { ...ability, sandboxPaths: ['/bin/sleep'] })),
  );
  const ownEnds: string[] = [];
  let lease = leases.long;
  let remembered = 5;
  let closing = false;
  let serving = Promise.withResolvers<void>();
  serving.resolve();
  /** A coordinator that is being started, killed or stopped. */
  let handled = false;
  watch();

  function startOne(): Promise<void> {
    started?.(lease);
    return farm.start(['--lease-seconds', `${lease}`, '--limits-remembered-builds', `${remembered}`]);
  }

  /** Starts it until it is up: it may be killed, or lack its store, before. */
  async function start(): Promise<void> {
    serving = Promise.withResolvers();
    serving.promise.catch(() => {});
    for (let tries = 1; !closing; tries++) {
      try {
        await startOne();
        break;
      } catch (error) {
        if (closing) break;
        // A service manager would try again, too.
        if (tries > 200) throw error;
        await delay(100);
      }
    }
    serving.resolve();
    watch();
  }

  /** What ends by itself is started again, and noted. */
  function watch(): void {
    const { coordinator } = farm;
    void coordinator.exited.then(async ({ code, signal }) => {
      if (closing || handled || coordinator !== farm.coordinator) return;
      ownEnds.push(`coordinator ${coordinator.pid}, ${signal ?? code}: ${lastLine(coordinator.said())}`);
      await start();
    });
  }

  async function killCoordinator(again: number | undefined): Promise<void> {
    handled = true;
    serving = Promise.withResolvers();
    await farm.kill9();
    if (again !== undefined) {
      const starting = startOne().catch(() => {});
      await delay(again);
      await farm.kill9();
      await starting;
    }
    const waiting = serving;
    const started = start();
    handled = false;
    await started;
    waiting.resolve();
  }

  async function killAgent(agent: Agent, again: number | undefined): Promise<void> {
    await agent.kill9();
    if (again !== undefined) {
      agent.restart();
      await delay(again);
      await agent.kill9();
    }
    if (!closing) agent.restart();
  }

  async function killNats(server: NatsServer, again: number | undefined): Promise<void> {
    await server.kill();
    if (again !== undefined) {
      const starting = server.restart().catch(() => {});
      await delay(again);
      await server.kill();
      await starting;
    }
    if (!closing) await server.restart();
  }

  async function strike({ victim, how }: Fault, round: Round): Promise<void> {
    ({ lease, remembered } = round);
    const agent = agents.find(({ name }) => name === victim);
    if (how.signal === 'SIGSTOP') {
      const process = victim === 'nats-server' ? undefined : (agent?.process ?? farm.coordinator);
      const send = (signal: NodeJS.Signals): void => {
        if (process) process.kill(signal);
        else nats?.signal(signal);
      };
      send('SIGSTOP');
      await delay(how.ms);
      send('SIGCONT');
    } else if (victim === 'coordinator') await killCoordinator(how.again);
    else if (victim === 'nats-server') await killNats(nats as NatsServer, how.again);
    else await killAgent(agent as Agent, how.again);
  }

  async function close(gently = false): Promise<void> {
    closing = true;
    const end = async (process: Farm['coordinator']): Promise<void> => {
      if (!gently) return process.killGroup();
      process.kill('SIGTERM');
      await process.exited;
    };
    await Promise.all(agents.map(({ process }) => end(process)));
    await end(farm.coordinator);
  }

  resources.defer(() => {
    closing = true;
  });
  const owned = resources.move();
  return {
    farm,
    agents,
    store: nats?.url ?? `sqlite:${farm.data}`,
    up: () => serving.promise,
    strike,
    ownEnds,
    close,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const lastLine = (text: string): string => text.trimEnd().split('\n').slice(-3).join(' | ').slice(-600);
