import { createVerifier } from '../../../coordinator/audit/verifier.ts';
import { isEnded } from '../../../domain/build/state.ts';
import type { Farm } from '../../../projections/farm.ts';
import type { SimulatedFarm } from '../farm.ts';
import { auditKey, policy } from '../house.ts';
import { insist } from '../violation.ts';
import { type AgentEntry, type BuildEntry, type DerivationEntry, isOver } from './ledger.ts';

/**
 * I5, once nothing happens any more: every build has ended, or waits for what only a person can do, which `why` names. What it may wait for
 * is worked out from the log alone.
 */
export async function auditRest(farm: SimulatedFarm): Promise<void> {
  const { ledger, house } = farm;
  const open = [...ledger.builds.values()].filter((build) => !isOver(build));
  const application = house.served?.application;
  insist(application, 'bug', 'there is no coordinator');
  for (const build of open) {
    insist(build.standing === 'queued', 'I5', `${build.id} is ${build.standing} for ever`);
    const obstacle = obstacleOf(farm, build);
    const why = await application.why(build.id);
    insist(obstacle !== undefined, 'I5', `${build.id} could be built, and is not: ${JSON.stringify(why)}`);
    const isNamed = 'blockers' in why && why.blockers.length > 0;
    insist(
      isNamed,
      'I5',
      `${build.id} waits for ${obstacle}, which a person has to see to, and why says ${why.summary}`,
    );
    insist(
      application.standing(build.id) === 'blocked',
      'I5',
      `${build.id} waits for ${obstacle}, and is not called blocked`,
    );
  }
}

/** What keeps the build from running that nothing under way changes; `undefined` where there is nothing. */
function obstacleOf({ ledger }: SimulatedFarm, build: BuildEntry): string | undefined {
  const { derivations, makers, builds, lackingOf, agents, everPresent } = ledger;
  const derivation = derivations.get(build.derivation) as DerivationEntry;
  if (derivation.textLost) return 'the text of its derivation';
  const lacking = derivation.needs.flatMap((need) => lackingOf(need));
  if (lacking.length === 0) {
    const able = [...agents].find(([, agent]) => takes(agent, derivation));
    insist(!able, 'I5', `${build.id} has all that it needs, and ${able?.[0]} would take it`);
    return 'an agent';
  }
  for (const item of lacking) {
    const of = new Set((makers.get(item) ?? []).map(({ path }) => path.slice(0, 32)));
    if (of.size === 0) return `the source ${item}`;
    const made = [...builds.values()].filter((one) => of.has(one.derivation));
    const underWay = made.find((one) => !isOver(one));
    if (underWay) return `the build ${underWay.id}`;
    const last = made.at(-1);
    if (last?.standing === 'failed' || last?.standing === 'canceled') return `${last.id}, which is ${last.standing}`;
    if (!last) return `a build of ${item}`;
    // It was there, and went.
    insist(!everPresent.has(item), 'I5', `${build.id} needs ${item}, which is gone, and nobody builds it again`);
  }
  return undefined;
}

function takes(agent: AgentEntry, { system, features }: DerivationEntry): boolean {
  const { connected, retired, paused, draining, leaving, quarantined, unfit } = agent;
  const isThere = connected && !retired && !paused && !draining && !leaving && !quarantined && !unfit;
  return isThere && agent.systems.includes(system) && features.every((one) => agent.features.includes(one));
}

/** What has to be so in the end: of the log, of what is derived from it, and of what is over. */
export async function auditEnd(farm: SimulatedFarm): Promise<void> {
  const { ledger, eventDisk, receivers, spans, house } = farm;
  ledger.endWants();
  await auditLog(farm);
  await receivers.audit(eventDisk.log);
  // What was decided and is not in the log yet is in the coordinator already.
  await house.served?.application.settled();
  auditDerived(house.farm, await spans.audit(eventDisk.log, policy.storeDir));
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
  for (const drv of running.graph.derivations > 0 ? Array(running.graph.derivations).keys() : [])
    for (let build = running.queue.latest(drv); build; build = build.previous)
      if (isEnded(build.state.status))
        insist(build.heapIndex === -1, 'memory', 'a build that has ended is in the queue');
}

/** I2: what was written is there, unchanged, in one chain whose checkpoints are signed. */
async function auditLog({ eventDisk, ledger }: SimulatedFarm): Promise<void> {
  const verifier = createVerifier({ keys: [auditKey], held: [] });
  let events = 0;
  for await (const batch of eventDisk.log.readAll({ json: 'beside' }))
    for (const event of batch.events) {
      events++;
      verifier.add(event);
    }
  const { fault, linkedFrom } = verifier.end();
  insist(fault === undefined, 'I2', `the chain of commits is broken: ${JSON.stringify(fault)}`);
  insist(linkedFrom !== undefined, 'I2', 'commits carry no hashes');
  insist(events === ledger.events, 'I2', `${ledger.events} events were written, and ${events} are there`);
}

/** I3: the running farm is the one that the log gives. */
function auditDerived(running: Farm | undefined, replayed: Farm): void {
  // That a back-off is over is in no event: who waits for it is ready from then on.
  const told = (farm: Farm): string[] => [...farm.describe()].map((line) => line.replace(/ - ready /, ' -  '));
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
