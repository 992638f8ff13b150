import { setTimeout as delay } from 'node:timers/promises';
import { createRandom } from '../simulation/random.ts';
import { insist } from '../simulation/violation.ts';
import { takeUnhandled } from '../support/e2e/process.ts';
import { auditBuilders } from './audit/builders.ts';
import { auditCache, strayFiles } from './audit/cache.ts';
import { auditLog, auditStatus } from './audit/derived.ts';
import { leftovers, remains } from './audit/leaks.ts';
import { createLogAudit } from './audit/log.ts';
import { openReceivers } from './audit/receivers.ts';
import { createClient } from './client.ts';
import { createGraph } from './graph.ts';
import { agentNames, openHouse } from './house.ts';
import { type Scene, work } from './operators.ts';
import { describeRound, type Engine, planOf } from './plan.ts';
import { auditWaits, becomes, caughtUp, rest, settle } from './rest.ts';

export interface TortureOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly engine: Engine;
  readonly agents: number;
  /** In seconds, of the coordinator on NATS. */
  readonly writerLease: number;
  /** Rounds between two times at which nobody is hurt, the farm comes to rest, and all is looked at. */
  readonly restEvery: number;
  /** Bytes of a large output. */
  readonly blobBytes: number;
  /** The farm fails where nothing at all happens for so long. */
  readonly stallMs: number;
  say(line: string): void;
}

export interface Figures {
  readonly rounds: number;
  readonly kills: Readonly<Record<string, number>>;
  readonly events: number;
  readonly builds: Readonly<Record<string, number>>;
  readonly attempts: number;
  readonly answers: number;
  readonly unanswered: number;
  readonly promises: number;
  readonly hookEvents: number;
  readonly items: number;
  readonly fetched: number;
  readonly wishes: Readonly<Record<string, number>>;
  readonly ownEnds: readonly string[];
}

/** Has a farm work and kills it round by round; throws what is broken, with all that people need to look for the cause. */
export async function torture(options: TortureOptions): Promise<Figures> {
  const { seed, engine, say } = options;
  const random = createRandom(seed);
  const audit = createLogAudit();
  const house = await openHouse({ ...options, started: audit.started });
  await using _ = house;
  const { farm } = house;
  await using receivers = await openReceivers(random.fork('receivers'), farm.folder);
  const client = createClient(house);
  let seen = 0;
  let next = Promise.withResolvers<void>();
  const scene: Scene = {
    house,
    client,
    audit,
    graph: createGraph(`t${seed}`),
    seen: () => seen,
    event: () => next.promise,
    done: new Map(),
    waits: new Map(),
  };
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  let ended = false;
  let round = 0;
  let fetched = 0;
  const kills = new Map<string, number>();

  /** Looks at each event as it comes. */
  async function readLog(): Promise<void> {
    while (!ended) {
      await farm.feed.reached(seen + 1);
      for (; seen < farm.feed.events.length; seen++)
        audit.add(farm.feed.events[seen] as (typeof farm.feed.events)[number]);
      next.resolve();
      next = Promise.withResolvers();
    }
  }

  /** Who waits for what is printed where nothing happens any more. */
  async function watch(): Promise<void> {
    let progress = '';
    for (let since = performance.now(); !ended; await delay(500)) {
      const now = JSON.stringify([seen, round, [...scene.waits.keys()]]);
      if (now !== progress) since = performance.now();
      progress = now;
      if (performance.now() - since > options.stallMs)
        throw new Error(`nothing has happened for ${Math.round(options.stallMs / 1000)} s`);
    }
  }

  async function lookAtAll(isEnd: boolean): Promise<void> {
    await rest(scene);
    await auditWaits(scene);
    await settle(scene);
    await becomes(scene, 'what was unpublished is deleted', async () => {
      await caughtUp(scene);
      return audit.ledger.unpublished.size === 0 ? undefined : `${[...audit.ledger.unpublished.keys()]} are not`;
    });
    await becomes(scene, 'hooks owe nothing', async () => {
      const { body } = await client.ask('GET', '/v1/hooks');
      const owing = body.rows.filter(
        ({ lag }: { lag: { events: number; exact: boolean } }) => lag.events > 0 || !lag.exact,
      );
      return owing.length === 0 ? undefined : JSON.stringify(owing);
    });
    await caughtUp(scene);
    client.audit();
    receivers.audit(farm.feed.events.slice(0, seen));
    audit.ledger.endWants();
    fetched += await auditCache(house, audit);
    await becomes(scene, 'nothing is left over', () => {
      const left = [...leftovers(house), ...strayFiles(farm, audit)];
      return left.length === 0 ? undefined : left.join('\n');
    });
    auditBuilders(house, audit, scene.graph.recipes);
    await auditStatus(house, audit);
    if (isEnd) await auditLog(house);
  }

  async function rounds(): Promise<void> {
    await receivers.add(farm);
    const plan = planOf(seed, options.rounds, engine, agentNames(options.agents));
    let workers: Promise<unknown> | undefined;
    let resting = false;
    const begin = (at: number): void => {
      resting = false;
      workers = Promise.all(
        ['one', 'two'].map((name) => work(scene, random.fork(`${name} from round ${at}`), () => resting || ended)),
      );
      workers.catch((error: unknown) => failed.reject(error));
    };
    begin(0);
    for (const [at, what] of plan.entries()) {
      round = at + 1;
      say(`round ${round} of ${plan.length}: ${describeRound(what)}`);
      await farm.feed.reached(farm.feed.events.length + what.moment.events);
      await delay(what.moment.ms);
      await Promise.all(
        what.faults.map((fault) => {
          const key = `${fault.victim} ${fault.how.signal}`;
          kills.set(key, (kills.get(key) ?? 0) + 1);
          if (fault.how.signal === 'SIGKILL') audit.killed(fault.victim);
          return house.strike(fault, what);
        }),
      );
      const isEnd = round === plan.length;
      if (!isEnd && round % options.restEvery !== 0) continue;
      resting = true;
      await workers;
      await lookAtAll(isEnd);
      say(
        `  at rest after ${round} rounds: ${seen} events, ${audit.ledger.builds.size} builds, ${audit.ledger.items.size} items, all as it should be`,
      );
      if (!isEnd) begin(round);
    }
    for (const { name, process } of house.agents)
      insist(process.running, 'bug', `${name} has ended by itself: ${process.said().slice(-2000)}`);
    ended = true;
    await house.close(true);
    await becomes(scene, 'all processes are gone, with what is temporary', () => {
      const left = remains(house);
      return left.length === 0 ? undefined : left.join('\n');
    });
    const unhandled = takeUnhandled();
    insist(unhandled.length === 0, 'bug', `a process ended by an error that nobody handled: ${unhandled.join('\n')}`);
  }

  try {
    await Promise.race([
      rounds(),
      readLog().then(() => failed.promise),
      failed.promise,
      watch().then(() => failed.promise),
    ]);
  } catch (error) {
    const waits = [...scene.waits].map(([what, lacking]) => `${what}: ${lacking}`);
    const position = `seed ${seed}, ${engine}, after ${seen} events`;
    throw new Error(`${position}: ${(error as Error).stack}\n--- waits for\n${waits.join('\n')}\n${farm.report()}`, {
      cause: error,
    });
  } finally {
    ended = true;
    client.stop();
  }
  const builds = Map.groupBy(audit.ledger.builds.values(), ({ standing }) => standing);
  return {
    rounds: options.rounds,
    kills: Object.fromEntries(kills),
    events: seen,
    builds: Object.fromEntries([...builds].map(([standing, all]) => [standing, all.length])),
    attempts: audit.ledger.attempts,
    ...client.figures,
    hookEvents: receivers.received,
    items: audit.ledger.everPresent.size,
    fetched,
    wishes: Object.fromEntries(scene.done),
    ownEnds: house.ownEnds,
  };
}
