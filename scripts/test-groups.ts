import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * What a file has in its text where it needs a process of its own: it starts processes, or changes what all files of a process share.
 * By the text, as who writes such a test need not know that there is a list.
 */
const needsOwnProcess =
  /node:child_process|node:worker_threads|registerHooks|process\.(?:exit|kill|on|once|chdir|umask|env\.\w+ = )|delete process\.env|\bmock\.|support\/(?:e2e|nix|nats|nginx|eventstoredb)/;

/** For fewer it is not worth it. */
const leastFiles = 8;

const filesPerGroup = 20;

/** Beginnings of the names of those that take longest, in this order: one that is begun late runs on alone when all others are done. */
export const longest: readonly string[] = [
  'test/e2e/coordinator-killed',
  'test/simulation/',
  'test/demo/',
  'test/client/package',
  'test/e2e/network',
  'test/torture/torture',
  'test/e2e/mirror',
  'test/contract/',
  'test/coordinator/submissions/nixpkgs-graph',
  'test/adapters/event-store/nats/lease',
  'test/docs/readme',
  'test/e2e/',
  'test/adapters/event-store/',
  'test/adapters/builder/',
  'test/cli/',
];

/**
 * Test files, put together so that those which may share a process do: the start of Node, and of all that they import, is most of the time of
 * a short one. A group is a generated file in which each file is a suite of its name, one after another. Those that take longest come first, the
 * groups, which are short, last.
 */
export function planTests(files: readonly string[], root: string): readonly string[] {
  const alone = files.filter((file) => needsOwnProcess.test(readFileSync(resolve(root, file), 'utf8')));
  const shared = files.filter((file) => !alone.includes(file));
  if (shared.length < leastFiles) return files;

  const folder = mkdtempSync(join(tmpdir(), 'drover-test-groups-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const count = Math.ceil(shared.length / filesPerGroup);
  const groups = Array.from({ length: count }, (_, group) => {
    const path = join(folder, `group-${group + 1}-of-${count}.test.mjs`);
    // Neighbours are alike: one slow folder is spread over all groups.
    const members = shared
      .filter((_, at) => at % count === group)
      .map((file) => [file, pathToFileURL(resolve(root, file))]);
    const runner = new URL('test-guard/group.mjs', import.meta.url);
    writeFileSync(
      path,
      `import { runGroup } from '${runner}';\nawait runGroup(${JSON.stringify(members, null, 2)});\n`,
    );
    return path;
  });
  return [...alone.toSorted((one, other) => rank(one) - rank(other)), ...groups];
}

function rank(file: string): number {
  const at = longest.findIndex((beginning) => file.startsWith(beginning));
  return at < 0 ? longest.length : at;
}
