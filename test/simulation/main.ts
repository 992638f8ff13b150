/**
 * `npm run simulate`: farms of many seeds.
 *
 *   npm run simulate -- --seeds 1000               seeds 1 to 1000
 *   npm run simulate -- --seeds 1000 --from 5000   from another one on
 *   npm run simulate -- --minutes 5                as many as there is time for
 *   npm run simulate -- --seed 17 --trace          one, with all that happened
 *
 * Ends with 1 where a seed breaks an invariant: the seed, what is broken, the shortest run that still breaks it, and its trace.
 */
import { parseArgs } from 'node:util';
import { eventTypes } from '../../domain/events.ts';
import { createCoverage } from './coverage.ts';
import { allFaults } from './faults.ts';
import { allOperators } from './operators.ts';
import { type Plan, planOf } from './plan.ts';
import { type Outcome, runPlan } from './run.ts';
import { shrink } from './shrink.ts';

const number = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    seed: number,
    seeds: number,
    from: number,
    minutes: number,
    'keep-going': { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) {
  console.log(`Runs simulated farms, one per seed, and checks all invariants.

  --seeds N      how many (300)
  --from S       the first seed (1)
  --minutes M    stop after so long; without --seeds, as many seeds as there is time for
  --seed S       this one alone
  --trace        print all that happened in it
  --keep-going   go on after a seed that breaks an invariant
  --no-shrink    do not look for a shorter run that breaks it, too
  --coverage     list the triples (command × fault × state) that occurred, the faults that a command never met, and the events that no log has`);
  process.exit(0);
}

function numberOf(name: 'seed' | 'seeds' | 'from' | 'minutes', least: number): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value >= least && (name === 'minutes' || Number.isSafeInteger(value))) return value;
  console.error(`--${name}: expected a number of at least ${least}, got ${text}`);
  process.exit(2);
}

const one = numberOf('seed', 0);
const minutes = numberOf('minutes', 0);
const from = one ?? numberOf('from', 0) ?? 1;
const count =
  one === undefined ? (numberOf('seeds', 1) ?? (minutes === undefined ? 300 : Number.POSITIVE_INFINITY)) : 1;
const begun = performance.now();
const seconds = (): number => (performance.now() - begun) / 1000;

const coverage = createCoverage();
const sums = { seeds: 0, events: 0, steps: 0, starts: 0, attempts: 0, succeeded: 0, ms: 0 };
const broken: number[] = [];

function describe({ size, acts }: Plan): string {
  const lines = acts.map(
    ({ at, kind, name, seed }) => `  ${(at / 1000).toFixed(3).padStart(8)} ${kind} ${name} (${seed})`,
  );
  return [`${size.derivations} derivations, ${size.agents} agents, ${acts.length} acts:`, ...lines].join('\n');
}

async function tell(plan: Plan, outcome: Outcome): Promise<void> {
  console.log(`seed ${plan.seed} breaks ${outcome.violation?.message}`);
  const shorter = values['no-shrink'] ? undefined : await shrink(plan, outcome);
  if (shorter) {
    console.log(`\nthe shortest run that still breaks it (after ${shorter.runs} runs): ${describe(shorter.plan)}\n`);
    console.log(shorter.outcome.lines.join('\n'));
    console.log(`\n${shorter.outcome.violation?.stack}`);
  } else console.log(outcome.lines.slice(-80).join('\n'));
  console.log(`\nagain: npm run simulate -- --seed ${plan.seed} --trace`);
}

for (let seed = from; sums.seeds < count && (minutes === undefined || seconds() < minutes * 60); seed++) {
  const plan = planOf(seed);
  const outcome = await runPlan(plan);
  sums.seeds++;
  for (const key of ['events', 'steps', 'starts', 'attempts', 'succeeded', 'ms'] as const) sums[key] += outcome[key];
  coverage.add(outcome.coverage);
  if (values.trace) console.log(`${describe(plan)}\n\n${outcome.lines.join('\n')}\n\ndigest ${outcome.digest}`);
  if (outcome.violation === undefined) continue;
  broken.push(seed);
  await tell(plan, outcome);
  if (!values['keep-going']) break;
}

const took = seconds();
console.log(
  `${sums.seeds} seeds from ${from} in ${took.toFixed(1)} s: ${(sums.seeds / took).toFixed(1)} seeds/s, ${Math.round(sums.events / took)} events/s; ` +
    `${sums.events} events, ${sums.steps} steps, ${(sums.ms / 3_600_000).toFixed(1)} simulated hours, ${sums.starts} starts of coordinators, ` +
    `${sums.attempts} attempts, ${sums.succeeded} builds`,
);
console.log(
  `coverage: ${coverage.size} triples (command × fault × state) of ${coverage.commands.size} commands, ${Object.keys(allOperators).length} kinds of operators and ${Object.keys(allFaults).length} faults`,
);
if (values.coverage) {
  console.log([...coverage.triples(), 'never met:', ...coverage.unmet(Object.keys(allFaults))].join('\n'));
  console.log(`never in a log: ${coverage.never('log', eventTypes.keys()).join(', ') || 'nothing'}`);
}
if (broken.length > 0) console.log(`broken: ${broken.join(', ')}`);
process.exit(broken.length === 0 ? 0 : 1);
