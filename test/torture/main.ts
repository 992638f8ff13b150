/**
 * `npm run torture`: a farm of real processes that are killed at random moments.
 *
 *   npm run torture -- --rounds 200                  200 rounds, the log in a file
 *   npm run torture -- --rounds 200 --engine nats    the log on a nats-server, which is killed as well
 *   npm run torture -- --seed 17 --plan              what would be done with that seed
 */
import { parseArgs } from 'node:util';
import { noNatsServer } from '../support/nats-server.ts';
import { noNix } from '../support/nix-store.ts';
import { agentNames } from './house.ts';
import { describeRound, planOf } from './plan.ts';
import { torture } from './torture.ts';

const number = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    rounds: number,
    seed: number,
    engine: { type: 'string', default: 'sqlite' },
    agents: number,
    'rest-every': number,
    'stall-seconds': number,
    'writer-lease': number,
    plan: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) {
  console.log(`Kills processes of a farm at random moments, while it works, and checks all invariants.

A real coordinator, real agents with Nix stores of their own, and with --engine nats a real nats-server. Each round kills one or two of
them (SIGKILL), some once more in the middle of their start, or has them stand still (SIGSTOP). Needs root and Nix.

  --rounds N         how many (20)
  --seed S           has the same done to whom, after as many events (by the clock)
  --engine NAME      sqlite or nats (sqlite)
  --agents N         2 or 3 (3); one alone could not build everything
  --rest-every N     rounds between two looks at everything, for which the farm comes to rest (25)
  --stall-seconds N  give up where nothing happens for so long, and say who waits for what (300)
  --writer-lease N   seconds for which a coordinator on NATS may stand still and keep its place, and the next waits after a kill (5)
  --plan             only print what would be done

Ends with 1 where an invariant is broken: which, by what, the events and what every process said.`);
  process.exit(0);
}

function numberOf(
  name: 'rounds' | 'seed' | 'agents' | 'rest-every' | 'stall-seconds' | 'writer-lease',
  otherwise: number,
  least = 1,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = Number(values[name] ?? otherwise);
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range = most < 10 ? `from ${least} to ${most}` : `of at least ${least}`;
  console.error(`--${name}: expected a whole number ${range}, got ${values[name]}`);
  process.exit(2);
}

const { engine } = values;
if (engine !== 'sqlite' && engine !== 'nats') {
  console.error(`--engine: expected sqlite or nats, got ${engine}`);
  process.exit(2);
}
const [rounds, seed, agents] = [
  numberOf('rounds', 20),
  numberOf('seed', Date.now() % 1_000_000, 0),
  numberOf('agents', 3, 2, 3),
];
if (values.plan) {
  for (const [at, round] of planOf(seed, rounds, engine, agentNames(agents)).entries())
    console.log(`round ${at + 1}: ${describeRound(round)}`);
  process.exit(0);
}
const lacking = noNix || (engine === 'nats' && noNatsServer);
if (lacking) {
  console.error(`this needs a real farm: ${lacking}`);
  process.exit(2);
}

const begun = performance.now();
const seconds = (): string => `${((performance.now() - begun) / 1000).toFixed(0)} s`;
console.log(
  `${rounds} rounds on ${engine}, seed ${seed}: again with --seed ${seed} --rounds ${rounds} --engine ${engine} --agents ${agents}`,
);
try {
  const figures = await torture({
    seed,
    rounds,
    engine,
    agents,
    writerLease: numberOf('writer-lease', 5),
    restEvery: numberOf('rest-every', 25),
    blobBytes: 2 * 1024 * 1024,
    stallMs: numberOf('stall-seconds', 300) * 1000,
    say: (line) => console.log(`${seconds().padStart(7)}  ${line}`),
  });
  const list = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  console.log(`
All invariants held over ${figures.rounds} rounds in ${seconds()}.
  done to:    ${list(figures.kills)}
  log:        ${figures.events} events, verified; told to a subscriber as they are there
  builds:     ${list(figures.builds)}; ${figures.attempts} attempts
  items:      ${figures.items}, ${figures.fetched} times fetched whole
  clients:    ${figures.answers} answers, ${figures.unanswered} times none; ${figures.promises} promises, all kept
  hooks:      ${figures.hookEvents} deliveries
  wishes:     ${list(figures.wishes)}
  ended by themselves, and started again: ${figures.ownEnds.length === 0 ? 'nobody' : `\n    ${figures.ownEnds.join('\n    ')}`}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
