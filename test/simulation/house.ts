import { pino } from 'pino';
import { type AgentLinkServer, createAgentLinkServer } from '../../adapters/agent-link/server.ts';
import { createTokenUses, type TokenUseRegistry } from '../../adapters/http/token-uses.ts';
import type { Application } from '../../coordinator/application.ts';
import type { Coordinator } from '../../coordinator/coordinator.ts';
import { isDroverError } from '../../coordinator/errors.ts';
import { randomId } from '../../coordinator/identifiers.ts';
import type { DerivationStore } from '../../coordinator/ports/derivation-store.ts';
import type { HookTransport } from '../../coordinator/ports/hook-transport.ts';
import type { Pool } from '../../coordinator/ports/pool.ts';
import type { Snapshots } from '../../coordinator/ports/snapshots.ts';
import type { Traces } from '../../coordinator/ports/traces.ts';
import type { VerifyPlace } from '../../coordinator/ports/verify-place.ts';
import { unwatched } from '../../coordinator/ports/work.ts';
import { type Supervisor, superviseCoordinator } from '../../coordinator/supervisor.ts';
import { generateNoteKey, parseNoteSecret } from '../../domain/audit/signed-note.ts';
import { generateSigningKey, parseSecretKey, sign } from '../../domain/store/signature.ts';
import { noLogs } from '../support/fake-derivation-store.ts';
import type { EventDisk } from './event-disk.ts';
import { createLife, type Life } from './life.ts';
import type { PoolDisk } from './pool-disk.ts';
import type { Random } from './random.ts';
import type { Settings } from './settings.ts';
import type { VirtualTime } from './time.ts';
import type { SimulatedUpstream } from './upstream.ts';

export const auditKey = parseNoteSecret(generateNoteKey('simulation', new Uint8Array(32)).secret);
const cacheKey = generateSigningKey('simulation-1', new Uint8Array(32).fill(1));
const cacheSecret = parseSecretKey(cacheKey.secret);
/** Farms of other seeds have many of the same items. */
const signatures = new Map<string, string>();

function signatureOf(fingerprint: string): string {
  let signature = signatures.get(fingerprint);
  if (signature === undefined) {
    signature = sign(cacheSecret, fingerprint);
    if (signatures.size > 5000) signatures.clear();
    signatures.set(fingerprint, signature);
  }
  return signature;
}

/** What a client or an agent finds at the coordinator's address. */
export interface Served {
  readonly life: Life;
  readonly application: Application;
  readonly pool: Pool;
  readonly links: AgentLinkServer;
  readonly tokenUses: TokenUseRegistry;
}

export interface HouseWorld {
  readonly time: VirtualTime;
  readonly settings: Settings;
  readonly random: Random;
  readonly eventDisk: EventDisk;
  readonly poolDisk: PoolDisk;
  readonly derivations: DerivationStore;
  readonly traces: Traces | undefined;
  readonly snapshots: Snapshots | undefined;
  readonly upstreams: readonly SimulatedUpstream[];
  hookTransport(life: Life): HookTransport;
  trace(who: string, text: string): void;
  /** A coordinator runs on the log: the first one of a process, or the next after its event store failed. */
  started(): void;
  /** Something was thrown that can only be a mistake of Drover's. */
  bug(text: string): void;
}

/** The coordinator's machine: what is on its disks outlives its processes. */
export interface House {
  /** Nobody listens while there is no process, or while it starts. */
  readonly served: Served | undefined;
  readonly farm: Coordinator['farm'] | undefined;
  readonly starts: number;
  /** Unfinished starts end with the process, too. */
  kill(): void;
  /** Starts a process; it serves once it has replayed the log. */
  start(): void;
}

/** Errors that no wish and no disk can be the reason of. */
const ofBugs = new Set(['TypeError', 'ReferenceError', 'RangeError', 'AssertionError', 'SyntaxError', 'ZodError']);

export function createHouse(world: HouseWorld): House {
  const { time, trace, settings } = world;
  /** How far the verification is, as on the disk. */
  let verifyPlace: VerifyPlace | undefined;
  let served: Served | undefined;
  let farm: Coordinator['farm'] | undefined;
  let life: Life | undefined;
  let starts = 0;

  const logger = pino(
    { level: 'error', base: null },
    {
      write(line: string) {
        const { err, msg } = JSON.parse(line) as { err?: { type?: string; stack?: string }; msg: string };
        if (err?.type !== undefined && ofBugs.has(err.type)) world.bug(`${msg}: ${err.stack}`);
      },
    },
  );

  async function run(mine: Life): Promise<void> {
    const links = createAgentLinkServer({
      runtime: mine.runtime,
      logger,
      session: randomId(mine.random.bytes(12)),
    });
    const tokenUses = createTokenUses();
    const pool = world.poolDisk.open(mine);
    const supervisor: Supervisor = await superviseCoordinator({
      async openStore() {
        await mine.io();
        world.started();
        return world.eventDisk.open(mine);
      },
      async started(coordinator) {
        farm = coordinator.farm;
        await coordinator.texts.check();
        const { graph, queue } = coordinator.farm;
        const isAwaited = (path: string): boolean => {
          const item = graph.itemOf(path);
          let found = false;
          if (item !== undefined)
            graph.eachProducer(item, (drv) => {
              found ||= queue.unfinished(drv) !== undefined;
              return found;
            });
          return found;
        };
        await pool.sweep(coordinator.items.holdsFile, isAwaited);
        await coordinator.declareKept(settings.keep);
      },
      upstreams: world.upstreams.map((upstream) => upstream.open(mine)),
      policy: settings.policy,
      runtime: mine.runtime,
      links: links.links,
      tokenUses,
      pool,
      derivations: mine.mortal(world.derivations),
      logs: noLogs,
      verifyPlace: {
        read: () => verifyPlace,
        async write(place) {
          await mine.io();
          verifyPlace = place;
        },
      },
      hookTransport: world.hookTransport(mine),
      traces: world.traces,
      snapshots: world.snapshots && {
        async *newest() {
          for await (const one of world.snapshots?.newest() ?? []) {
            await mine.io();
            yield one;
          }
        },
      },
      signer: { publicKey: cacheKey.public, sign: async (fingerprint) => signatureOf(fingerprint) },
      auditKey,
      logger,
      work: unwatched,
    });
    if (!mine.alive) return;
    links.serve(supervisor.application);
    supervisor.listening();
    served = { life: mine, application: supervisor.application, pool, links, tokenUses };
    trace('coordinator', 'serves');
  }

  const house: House = {
    get served() {
      return served;
    },
    get farm() {
      return farm;
    },
    get starts() {
      return starts;
    },
    kill() {
      if (life === undefined) return;
      trace('coordinator', 'is killed');
      life.kill();
      life = undefined;
      served = undefined;
      farm = undefined;
    },
    start() {
      if (life !== undefined) return;
      starts++;
      const mine = createLife(time, world.random.fork(`coordinator ${starts}`));
      life = mine;
      trace('coordinator', `starts for the ${starts}. time`);
      run(mine).catch((error: Error) => {
        if (!mine.alive) return;
        // A start that its disk fails is tried again, as a service manager does.
        if (error.name !== 'EventStoreError' && !isDroverError(error)) return world.bug(String(error.stack));
        trace('coordinator', `did not start: ${error.message}`);
        house.kill();
        time.after(1000, house.start);
      });
    },
  };
  return house;
}
