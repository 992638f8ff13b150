import { createVerifier } from '../../../coordinator/audit/verifier.ts';
import { isEnded } from '../../../domain/build/state.ts';
import type { Farm } from '../../../projections/farm.ts';
import type { SimulatedFarm } from '../farm.ts';
import { storeDir } from '../graph.ts';
import { auditKey } from '../house.ts';
import { insist } from '../violation.ts';
import { type AgentEntry, type BuildEntry, type DerivationEntry, isOver } from './ledger.ts';
import { auditRules } from './rules.ts';

/**
 * I5, once nothing happens any more: what was received is queued, and every build has ended, or waits for what only a person can do, which `why` names. What it may wait for
 * is worked out from the log alone.
 */
export async function auditRest(farm: SimulatedFarm): Promise<void> {
  const { ledger, house } = farm;
  const open = [...ledger.builds.values()].filter((build) => !isOver(build));
  const application = house.served?.application;
  insist(application, 'bug', 'there is no coordinator');
  for (const [id, { canceled }] of ledger.submissions)
    insist(canceled || ledger.isQueued(id), 'I5', `the submission ${id} was received, and is never queued`);
  for (const build of open) {
    insist(build.standing === 'queued', 'I5', `${build.id} is ${build.standing} for ever`);
    const { person, time } = obstacleOf(farm, build);
    const why = await application.why(build.id);
    const standing = application.standing(build.id);
    const said = JSON.stringify(why);
    insist(person ?? time, 'I5', `${build.id} could be built, and is not: ${said}`);
    const isNamed = 'blockers' in why && why.blockers.length > 0;
    // Where it waits for both, it is one or the other.
    if (time === undefined) {
      insist(
        isNamed,
        'I5',
        `${build.id} waits for ${person}, which a person has to see to, and why says ${why.summary}`,
      );
      insist(standing === 'blocked', 'I5', `${build.id} waits for ${person}, and is called ${standing}`);
    } else if (person === undefined) {
      insist(!isNamed, 'I5', `${build.id} waits for ${time}, and why says that a person has to see to it: ${said}`);
      const isRight = standing === (build.deferred === undefined ? 'waiting' : 'deferred');
      insist(isRight || build.deferred !== undefined, 'I5', `${build.id} waits for ${time}, and is called ${standing}`);
    }
  }
}

/** What keeps a build from running in the end: something that a person has to see to, a time that has not come, or both. */
interface Obstacle {
  readonly person?: string;
  readonly time?: string;
}

/** Nothing where nothing keeps it. */
function obstacleOf(farm: SimulatedFarm, build: BuildEntry): Obstacle {
  const { derivations, makers, builds, lackingOf, agents, everPresent } = farm.ledger;
  const derivation = derivations.get(build.derivation) as DerivationEntry;
  const time = isDeferred(farm, build) ? { time: `the time that ${build.id} is deferred to` } : {};
  if (derivation.textLost) return { ...time, person: 'the text of its derivation' };
  const lacking = derivation.needs.flatMap((need) => lackingOf(need));
  if (lacking.length === 0) {
    const able = [...agents].find(([, agent]) => takes(agent, derivation));
    insist(
      !able || time.time,
      'I5',
      `${build.id} has all that it needs, and ${able?.[0]} would take it, and nobody deferred it`,
    );
    return able ? time : { ...time, person: 'an agent' };
  }
  const all: Obstacle[] = lacking.map((item) => {
    const of = new Set((makers.get(item) ?? []).map(({ path }) => path.slice(0, 32)));
    if (of.size === 0) return { person: `the source ${item}` };
    const made = [...builds.values()].filter((one) => of.has(one.derivation));
    const underWay = made.filter((one) => !isOver(one));
    if (underWay.length > 0) return merge(underWay.map((one) => obstacleOf(farm, one)));
    const last = made.at(-1);
    if (last?.standing === 'failed' || last?.standing === 'canceled')
      return { person: `${last.id}, which is ${last.standing}` };
    if (!last) return { person: `a build of ${item}` };
    // It was there, and went.
    insist(!everPresent.has(item), 'I5', `${build.id} needs ${item}, which is gone, and nobody builds it again`);
    return {};
  });
  return { ...merge(all), ...time };
}

function merge(all: readonly Obstacle[]): Obstacle {
  const person = all.find((one) => one.person !== undefined)?.person;
  const time = all.find((one) => one.time !== undefined)?.time;
  return { ...(person !== undefined && { person }), ...(time !== undefined && { time }) };
}

/** By the clock, or by the time that had to pass when a clock that has jumped since was another. */
function isDeferred({ time, house }: SimulatedFarm, { id, deferred }: BuildEntry): boolean {
  if (deferred === undefined) return false;
  if (deferred.until > time.runtime.clock.now()) return true;
  return deferred.decided <= time.lastJump && house.served?.application.standing(id) === 'deferred';
}

function takes(agent: AgentEntry, { system, features }: DerivationEntry): boolean {
  const { connected, retired, paused, draining, leaving, quarantined, unfit, limited } = agent;
  const isThere = connected && !retired && !paused && !draining && !leaving && !quarantined && !unfit && !limited;
  return isThere && agent.systems.includes(system) && features.every((one) => agent.features.includes(one));
}

/** What has to be so in the end: of the log, of what is derived from it, and of what is over. */
export async function auditEnd(farm: SimulatedFarm): Promise<void> {
  const { ledger, eventDisk, receivers, spans, house } = farm;
  ledger.endWants();
  ledger.keep.end(farm.time.runtime.clock.now());
  const outlived = ledger.outlived(farm.time.runtime.clock.now());
  insist(outlived.length === 0, 'I5', `the tokens ${outlived.join(', ')} are accepted for longer than they were to be`);
  auditRules(farm);
  auditAvailable(farm);
  await auditLog(farm);
  await receivers.audit(eventDisk.log);
  // What was decided and is not in the log yet is in the coordinator already.
  let replayed: Farm;
  let events: number;
  do {
    await house.served?.application.settled();
    events = ledger.events;
    replayed = await (farm.snapshots?.audit() ?? spans.audit(eventDisk.log, storeDir));
    // Upstreams may have been asked again meanwhile.
    await house.served?.application.settled();
  } while (ledger.events !== events);
  auditDerived(house.farm, replayed);
  await farm.views?.audit(ledger);
  // Memory of what is over is given back.
  const running = house.farm;
  const served = house.served;
  insist(running && served, 'bug', 'there is no coordinator');
  insist(served.links.stats.unacknowledged === 0, 'memory', 'messages to agents are kept that they have had');
  insist([...running.queue.resting()].length === 0, 'memory', 'builds that have ended wait for their next attempt');
  for (const { name } of farm.machines)
    insist(running.queue.live(name).size === 0, 'memory', `${name} has builds that are not live`);
  const open = [...ledger.builds.values()].filter((build) => !isOver(build)).length;
  const counted = [...running.queue.unfinishedBuilds()].length;
  insist(counted === open, 'memory', `${counted} builds count as unfinished, and ${open} are`);
  for (const drv of running.graph.derivations > 0 ? Array(running.graph.derivationRows).keys() : [])
    for (let build = running.queue.latest(drv); build; build = build.previous)
      if (isEnded(build.state.status))
        insist(build.heapIndex === -1, 'memory', 'a build that has ended is in the queue');
}

/** I2: what was written is there, unchanged, in one chain whose checkpoints are signed. */
async function auditLog({ eventDisk, ledger }: SimulatedFarm): Promise<void> {
  const verifier = createVerifier({ keys: [auditKey], held: [] });
  const least = ledger.events;
  let events = 0;
  for await (const batch of eventDisk.log.readAll({ json: 'beside' }))
    for (const event of batch.events) {
      events++;
      verifier.add(event);
    }
  const { fault, linkedFrom } = verifier.end();
  insist(fault === undefined, 'I2', `the chain of commits is broken: ${JSON.stringify(fault)}`);
  insist(linkedFrom !== undefined, 'I2', 'commits carry no hashes');
  const isAll = events >= least && events <= ledger.events;
  insist(isAll, 'I2', `${ledger.events} events were written, and ${events} are there`);
}

const options = /(?<="options":)\{(?:[^{}]|\{[^{}]*\})*\}/;
/** The same object, whatever order its fields were given in. */
function sorted(text: string): string {
  const inOrder = (_: string, value: unknown): unknown =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value;
  return JSON.stringify(JSON.parse(text), inOrder);
}

/** I3: the running farm is the one that the log gives. */
function auditDerived(running: Farm | undefined, replayed: Farm): void {
  // That a back-off is over is in no event: who waits for it is ready from then on.
  const told = (farm: Farm): string[] =>
    [...farm.describe()].map((line) => line.replace(/ - ready /, ' -  ').replace(options, sorted));
  const has = running ? told(running) : [];
  const given = told(replayed);
  for (const [at, line] of given.entries())
    insist(has[at] === line, 'I3', `the log gives ${line}, and the coordinator has ${has[at]}`);
  insist(
    has.length === given.length,
    'I3',
    `the coordinator has ${has.length} lines of state, the log ${given.length}`,
  );
}

/** I7 and I8: what the cache serves is what is there with all that it refers to, and nothing else. */
function auditAvailable({ ledger, house }: SimulatedFarm): void {
  for (const path of ledger.everPresent) {
    const isServed = house.served?.application.servable(path.slice(0, 32)) !== undefined;
    const isThere = ledger.items.has(path) && ledger.isAvailable(path);
    const isFound = house.served?.application.upstreamItem(path.slice(0, 32)) !== undefined;
    const isElsewhere = ledger.elsewhere.has(path) && ledger.isAvailable(path);
    insist(
      isFound === isElsewhere,
      'I8',
      `${path} is ${isElsewhere ? '' : 'not '}upstream, and ${isFound ? '' : 'not '}served`,
    );
    insist(
      isServed === isThere,
      isServed ? 'I7' : 'I8',
      `${path} is ${isThere ? '' : 'not '}available, and ${isServed ? 'served' : 'not served'}`,
    );
  }
}
