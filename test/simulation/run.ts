import { auditEnd, auditRest } from './audit/end.ts';
import { createSimulatedFarm, type SimulatedFarm } from './farm.ts';
import { allFaults, heal } from './faults.ts';
import { renewTokens } from './operators/agents.ts';
import { resumeHooks } from './operators/hooks.ts';
import { createPerson } from './operators/person.ts';
import { allOperators } from './operators.ts';
import type { Plan } from './plan.ts';
import { createRandom } from './random.ts';
import { Violation } from './violation.ts';

export interface Outcome {
  readonly violation: Violation | undefined;
  readonly events: number;
  readonly steps: number;
  /** Virtual milliseconds. */
  readonly ms: number;
  readonly starts: number;
  readonly attempts: number;
  readonly succeeded: number;
  readonly coverage: ReadonlySet<string>;
  readonly lines: readonly string[];
  /** Of all that happened, in order. */
  readonly digest: string;
}

/** More than any run takes, and less than one that goes round. */
const mostSteps = 150_000;
/** Views are some way behind, and have more than one event to take in at a time. */
const stepsPerFollow = 64;
/** Longer than any wait of agents, hooks and retries. */
const quietMs = 65_000;
/** What is left after the last fault takes far less. */
const longestTailMs = 3600_000;

/** Runs a plan to its end, or to the first thing that is wrong. */
export async function runPlan(plan: Plan): Promise<Outcome> {
  const farm = createSimulatedFarm(plan.seed, plan.size);
  const begun = farm.time.now();
  try {
    await live(farm, plan);
  } catch (error) {
    farm.fail(error instanceof Violation ? error : new Violation('bug', String((error as Error).stack)));
  } finally {
    farm.views?.[Symbol.dispose]();
  }
  return {
    violation: farm.violation,
    events: farm.ledger.events,
    steps: farm.time.steps,
    ms: farm.time.now() - begun,
    starts: farm.house.starts,
    attempts: farm.ledger.attempts,
    succeeded: [...farm.ledger.builds.values()].filter(({ standing }) => standing === 'succeeded').length,
    coverage: farm.coverage,
    lines: farm.lines,
    digest: await farm.digest(),
  };
}

async function live(farm: SimulatedFarm, plan: Plan): Promise<void> {
  const { time, machines } = farm;
  await settle(farm, open(farm));
  const begun = time.now();
  for (const { at, kind, name, seed } of plan.acts)
    time.after(at, () => {
      const random = createRandom(seed);
      farm.trace(kind, name);
      if (kind === 'fault') {
        Object.assign(farm.weather, { last: name, at: time.now() });
        allFaults[name]?.strike(farm, random);
      } else
        void allOperators[name]
          ?.act(farm, random)
          .catch((error: Error) => farm.fail(new Violation('bug', String(error.stack))));
    });
  const last = plan.acts.at(-1)?.at ?? 0;
  await until(farm, () => time.now() - begun > last);
  farm.trace('plan', 'no more faults');
  heal(farm);
  const healed = time.now();
  await settle(farm, renewTokens(farm));
  await settle(farm, resumeHooks(farm));
  for (const machine of machines) machine.start();
  await until(farm, () => isQuiet(farm) || time.now() - healed > longestTailMs);
  if (!isQuiet(farm)) throw new Violation('I5', `it is never quiet: ${unrest(farm)}`);
  farm.trace('plan', 'it is quiet');
  await settle(farm, auditRest(farm));
  await seeTo(farm);
  await settle(farm, auditEnd(farm));
}

/** I5 to its end: somebody does all that `why` names, and each of these waits is over. */
async function seeTo(farm: SimulatedFarm): Promise<void> {
  const person = createPerson(farm);
  await settle(farm, person.act());
  if (person.done.size === 0) return;
  const begun = farm.time.now();
  await until(
    farm,
    () => (farm.time.now() - begun > quietMs && isQuiet(farm)) || farm.time.now() - begun > longestTailMs,
  );
  if (!isQuiet(farm)) throw new Violation('I5', `it is never quiet again: ${unrest(farm)}`);
  farm.trace('plan', 'it is quiet again');
  await settle(farm, person.audit());
  await settle(farm, auditRest(farm));
}

/** The first start, with nobody in the way. */
async function open(farm: SimulatedFarm): Promise<void> {
  const { house, machines, receivers, admin } = farm;
  house.start();
  for (const machine of machines) {
    while (machine.secret === '') {
      const added = await farm.ask(`add ${machine.name}`, (application) => application.addAgent(admin, machine.name));
      if (added.value) machine.secret = added.value.secret;
      else await new Promise<void>((resolve) => void farm.client.after(100, resolve));
    }
    machine.start();
  }
  await farm.ask('add hooks', (application) => receivers.add(application, admin));
}

async function until(farm: SimulatedFarm, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    if (farm.violation) throw farm.violation;
    if (farm.time.steps > mostSteps) throw new Violation('I5', `it has no end: ${unrest(farm)}`);
    if (farm.time.steps % stepsPerFollow === 0) await farm.views?.follow();
    if (!(await farm.time.step())) throw new Violation('bug', `nothing is due any more: ${unrest(farm)}`);
  }
  if (farm.violation) throw farm.violation;
}

/** Lets time pass until the work is done. */
async function settle(farm: SimulatedFarm, work: Promise<void>): Promise<void> {
  let isDone = false;
  let fault: unknown;
  work.then(
    () => (isDone = true),
    (error: unknown) => {
      fault = error;
      isDone = true;
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  await until(farm, () => isDone);
  if (fault !== undefined) throw fault;
}

/** Nothing is under way, and nothing has happened for longer than anybody waits. */
function isQuiet(farm: SimulatedFarm): boolean {
  return farm.time.now() - farm.lastEvent > quietMs && unrest(farm) === '';
}

function unrest({ house, machines, underWay, receivers, ledger, time, lastEvent }: SimulatedFarm): string {
  const found: string[] = [];
  if (!house.served) found.push('there is no coordinator');
  if (underWay > 0) found.push(`${underWay} wishes are under way`);
  for (const { name, attempts, isUp } of machines)
    if (attempts > 0) found.push(`${name} has ${attempts} attempts`);
    else if (!isUp) found.push(`${name} is down`);
    else if (ledger.agents.get(name)?.limited) found.push(`${name} takes nothing for now`);
    else if (!ledger.agents.get(name)?.connected && !ledger.agents.get(name)?.retired) found.push(`${name} is away`);
  try {
    if (house.served && !receivers.isQuiet(house.served.application)) found.push('hooks are owed events');
  } catch {
    found.push('the coordinator starts again');
  }
  // An agent that says nothing of what it has is given up after a while.
  const live = [...ledger.builds.values()].filter(({ standing }) => standing === 'allocated' || standing === 'running');
  if (live.length > 0) found.push(`${live.map(({ id }) => id).join(', ')} are at agents`);
  if (ledger.unpublished.size > 0) found.push(`${[...ledger.unpublished.keys()].join(', ')} are unpublished`);
  const overdue = ledger.overdue(time.runtime.clock.now());
  if (overdue.length > 0) found.push(`${overdue.join(', ')} are to be asked for upstream`);
  if (found.length > 0) found.push(`the last event was ${Math.round((time.now() - lastEvent) / 1000)} s ago`);
  return found.join(', ');
}
