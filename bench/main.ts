/**
 * `npm run bench`: measures Drover, and beside it, in the same minutes, what one would use instead. See docs/benchmarks.md.
 *
 *   npm run bench                                everything
 *   npm run bench -- life push                   benches whose names start with that
 *   npm run bench -- --sizes 10000,100000        other sizes of the made-up graphs
 *   npm run bench -- --json FILE --markdown FILE the figures in files
 *   npm run bench -- --quick                     in three minutes, small amounts of what is watched, beside what was committed last
 *   npm run bench -- --quick --commit            the same, and what it says is what is committed (bench/committed.json)
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { type Committed, compare, comparedTable, toCommitted } from './committed.ts';
import { type Figure, formatValue, median, medianOf, toFigures } from './figures.ts';
import { describeMachine } from './machine.ts';
import { probeProcessor } from './probe.ts';
import { type Bench, benches } from './registry.ts';
import type { Row } from './row.ts';
import { runBench } from './run.ts';
import { markdownPage, textTable } from './tables.ts';
import { watched, watchedBenches, watchedSize } from './watched.ts';

interface Flags {
  readonly sizes?: number[];
  readonly seconds?: number;
  readonly runs: number;
  readonly quick: boolean;
  readonly commit: boolean;
  readonly list: boolean;
  readonly json?: string;
  readonly markdown?: string;
}

const committedFile = new URL('committed.json', import.meta.url);

const program = new Command('npm run bench --')
  .description('measures Drover beside its peers; see docs/benchmarks.md')
  .argument('[names...]', 'benches whose names start with one of these; without any, all')
  .option('--sizes <n,…>', 'derivations in made-up graphs (default: 10000,100000,1000000)', (text) =>
    text.split(',').map(positive),
  )
  .option('--seconds <n>', 'how long to measure what could go on for ever (default: 2)', positive)
  .option('--runs <n>', 'run each bench that often and give medians', positive, 1)
  .option(
    '--quick',
    'small amounts, of the figures that are watched if no names are given; beside what was committed last',
    false,
  )
  .option('--commit', 'with --quick: write what it says of the figures that are watched to bench/committed.json', false)
  .option('--list', 'name the benches and end', false)
  .option('--json <file>', 'write all figures there')
  .option('--markdown <file>', 'write them as a page there')
  .parse();
await main(program.args, program.opts<Flags>());

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a number greater than 0.');
  return value;
}

async function main(names: readonly string[], flags: Flags): Promise<void> {
  const { quick, runs } = flags;
  const isWatched = quick && names.length === 0;
  const usual = isWatched ? [watchedSize] : quick ? [1000, 5000] : [10_000, 100_000, 1_000_000];
  const sizes = (flags.sizes ?? usual).map(Math.round);
  const all = benches(sizes);
  if (flags.list) {
    for (const { name, what } of all) console.log(`${name.padEnd(22)} ${what}`);
    return;
  }
  if (flags.commit && !isWatched)
    program.error('--commit writes what all of --quick says: it goes with that, and without names');
  const chosen = choose(all, isWatched ? watchedBenches : names);
  if (chosen.length === 0)
    program.error(`no bench has a name that starts with ${names.join(' or ')}; --list names them`);

  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  const machine = describeMachine();
  for (const [name, value] of machine) console.log(`${name.padEnd(12)}${value}`);
  const probes = isWatched ? [probeProcessor()] : [];
  const rows: Row[] = [];
  const notRun: { bench: string; why: string }[] = [];
  let failures = 0;
  const work = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  // A server that runs as another user has its folder in there.
  await chmod(work, 0o711);
  try {
    const options = { work, seconds: flags.seconds ?? (quick ? 0.5 : 2), quick };
    for (const [index, { name, what }] of chosen.entries()) {
      if (interrupted.signal.aborted) break;
      console.log(`\n[${index + 1}/${chosen.length}] ${name}: ${what}`);
      if (isWatched && index > 0) probes.push(probeProcessor());
      const runsOfRow = new Map<string, Row[]>();
      for (let run = 0; run < runs && !interrupted.signal.aborted; run++) {
        const begun = performance.now();
        const outcome = await runBench({ bench: name, sizes, options }, printRow, interrupted.signal);
        for (const row of outcome.rows) runsOfRow.set(row.key, [...(runsOfRow.get(row.key) ?? []), row]);
        const why = outcome.skipped ?? outcome.failed;
        if (why !== undefined) {
          console.log(`  ${outcome.failed === undefined ? 'skipped' : 'FAILED'}: ${why}`);
          notRun.push({ bench: name, why });
          if (outcome.failed !== undefined) failures++;
          break;
        }
        const seconds = ((performance.now() - begun) / 1000).toFixed(0);
        console.log(`  (${seconds} s, peak memory ${Math.round((outcome.peakMemory ?? 0) / 2 ** 20)} MiB)`);
      }
      for (const same of runsOfRow.values()) rows.push(median(same));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const figures = toFigures(rows);
  console.log(`\n${textTable(figures)}`);
  if (isWatched)
    besideCommitted(
      new Map(machine),
      medianOf(probes),
      figures,
      flags.commit && failures === 0 && !interrupted.signal.aborted,
    );
  for (const { bench, why } of notRun) console.log(`not measured: ${bench}: ${why.split('\n')[0]}`);
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
  if (flags.json !== undefined)
    writeFileSync(
      flags.json,
      `${JSON.stringify({ command, machine: Object.fromEntries(machine), figures, notRun }, null, 2)}\n`,
    );
  if (flags.markdown !== undefined) writeFileSync(flags.markdown, markdownPage(figures, machine, command));
  process.exitCode = interrupted.signal.aborted ? 130 : failures > 0 ? 1 : 0;
}

/** Prints the figures that are watched beside those that were committed, and puts them in their place if `commit`. */
function besideCommitted(
  machine: ReadonlyMap<string, string>,
  probe: number,
  figures: readonly Figure[],
  commit: boolean,
): void {
  const now = { machine: `${machine.get('processor')}, ${machine.get('memory')}`, probe };
  const then = existsSync(committedFile) ? (JSON.parse(readFileSync(committedFile, 'utf8')) as Committed) : undefined;
  console.log(`\n${comparedTable(now, then, compare(now, figures, then, watched))}`);
  if (!commit) return;
  const head = execFileSync('git', ['log', '-1', '--format=after %h, %cs'], { encoding: 'utf8' }).trim();
  const committed = toCommitted({ ...now, run: `${head}, load ${machine.get('load')}` }, figures, watched);
  writeFileSync(committedFile, `${JSON.stringify(committed, null, 2)}\n`);
}

/** Those that are named, and before them what they need. */
function choose(all: readonly Bench[], names: readonly string[]): Bench[] {
  if (names.length === 0) return [...all];
  const named = all.filter(({ name }) => names.some((start) => name.startsWith(start)));
  const needed = named.flatMap(({ needs }) =>
    needs && !named.some(({ name }) => needs.includes(name)) ? needs.slice(0, 2) : [],
  );
  return all.filter((bench) => named.includes(bench) || needed.includes(bench.name));
}

function printRow(row: Row): void {
  const { name, unit, note } = row;
  console.log(
    `  ${name.padEnd(60)} ${formatValue(row).padStart(10)} ${unit}${note === undefined ? '' : `  (${note})`}`,
  );
}
