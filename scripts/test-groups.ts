import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * What a file has in its text where it needs a process of its own: it changes what all files of a process share. By the text, as who writes such a
 * test need not know that there is a list.
 */
const needsOwnProcess =
  /registerHooks|(?<![.\w])process\.(?:exit|kill|on|once|chdir|umask)\b|process\.env\.\w+ = |delete process\.env|\bmock\./;

/** What one has that starts processes, or threads: it takes long. */
const startsProcesses = /node:child_process|node:worker_threads|support\/(?:e2e|nix|nats|nginx|eventstoredb)/;

/** For fewer it is not worth it. */
const leastFiles = 8;

/** The more, the less is loaded; but each runs on one core, and the last that is begun runs on alone. */
const filesPerGroup = { starting: 4, others: 20 };

/**
 * Beginnings of the names of those that take longest, in this order: one that is begun late runs on alone when all others are done. Each has a
 * process of its own.
 */
export const longest: readonly string[] = [
  'test/e2e/coordinator-killed',
  'test/simulation/',
  'test/demo/',
  'test/client/package',
  'test/e2e/network',
  'test/torture/torture',
  'test/e2e/mirror',
  'test/contract/eventstoredb',
  'test/contract/nats',
  'test/contract/sqlite',
  'test/coordinator/submissions/nixpkgs-graph',
  'test/domain/store/guix-graph',
  'test/adapters/event-store/nats/lease',
  'test/docs/readme',
];

/**
 * Beginnings of the names of those that `npm test` leaves to `npm run test:long`: whole farms that are killed, filled and cut, whole graphs, and what
 * users get from us, tried as they get it. See docs/decisions/0072.
 */
export const longRuns: readonly string[] = [
  'test/adapters/event-store/crash',
  'test/adapters/pool/resuming',
  'test/client/package',
  'test/coordinator/submissions/nixpkgs-graph',
  'test/demo/',
  'test/domain/store/guix-graph',
  'test/e2e/agent-killed',
  'test/e2e/coordinator-killed',
  'test/e2e/damaged-pool',
  'test/e2e/damaged-store',
  'test/e2e/disk-full',
  'test/e2e/eventstoredb',
  'test/e2e/hooks',
  'test/e2e/log-behind',
  'test/e2e/mirror',
  'test/e2e/missing-items',
  'test/e2e/network',
  'test/e2e/stalled',
  'test/e2e/start-refused',
  'test/simulation/planted/',
  'test/torture/torture',
];

/** Those that come next. */
export const long: readonly string[] = [
  'test/e2e/',
  'test/adapters/event-store/',
  'test/adapters/builder/',
  'test/adapters/',
  'test/cli/',
];

/**
 * Test files, put together so that those which may share a process do: the start of Node, and of all that they import, is most of the time of
 * a short one, and a second of processor time of one that runs commands. A group is a generated file in which each file is a suite of its name,
 * one after another. Those that take longest come first, the groups of those that start nothing, which are short, last.
 */
export function planTests(files: readonly string[], root: string): readonly string[] {
  if (files.length < leastFiles) return files;
  const alone: string[] = [];
  const starting: string[] = [];
  const others: string[] = [];
  for (const file of files) {
    const text = readFileSync(resolve(root, file), 'utf8');
    const starts = startsProcesses.test(text);
    const where = needsOwnProcess.test(text) || isLong(file) ? alone : starts ? starting : others;
    where.push(file);
  }

  const folder = mkdtempSync(join(tmpdir(), 'drover-test-groups-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  let groups = 0;
  function group(members: readonly string[]): string {
    const path = join(folder, `group-${++groups}.test.mjs`);
    const runner = new URL('test-guard/group.mjs', import.meta.url);
    const suites = members.map((file) => [file, pathToFileURL(resolve(root, file))]);
    writeFileSync(path, `import { runGroup } from '${runner}';\nawait runGroup(${JSON.stringify(suites, null, 2)});\n`);
    return path;
  }

  // Neighbours load the same.
  const companies = Array.from({ length: Math.ceil(starting.length / filesPerGroup.starting) }, (_, at) =>
    starting.slice(at * filesPerGroup.starting, (at + 1) * filesPerGroup.starting),
  );
  const first = [...alone.map((file) => [file]), ...companies].toSorted((one, other) => rank(one) - rank(other));
  // Neighbours are alike: one slow folder is spread over all groups.
  const count = Math.ceil(others.length / filesPerGroup.others);
  const last = Array.from({ length: count }, (_, at) => others.filter((_file, index) => index % count === at));
  return [...first, ...last].map((members) => (members.length === 1 ? (members[0] as string) : group(members)));
}

const isLong = (file: string): boolean => longest.some((beginning) => file.startsWith(beginning));

export const isLongRun = (file: string): boolean => longRuns.some((beginning) => file.startsWith(beginning));

/** Of the longest among them. */
function rank(files: readonly string[]): number {
  const order = [...longest, ...long];
  return Math.min(
    ...files.map((file) => {
      const at = order.findIndex((beginning) => file.startsWith(beginning));
      return at < 0 ? order.length : at;
    }),
  );
}
