import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { noNix } from '../support/nix-store.ts';
import { runNix, temporaryFolder } from '../support/nix-tools.ts';

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
const script = fileURLToPath(new URL('../../scripts/fixtures/make.ts', import.meta.url));

/** Everything in a folder by its path, but what people wrote. */
function filesOf(folder: string): Map<string, string> {
  const paths = globSync('**/*', { cwd: folder, withFileTypes: true, exclude: ['README.md'] }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    paths.map(({ parentPath, name }) => {
      const path = `${parentPath}/${name}`;
      return [path.slice(folder.length + 1), readFileSync(path).toString('base64')];
    }),
  );
}

test('the fixtures are what the script makes', { skip: noNix }, async (context) => {
  const made = readFileSync(`${fixtures}/made-with.txt`, 'utf8');
  const here = runNix('nix-store', ['--version']).toString();
  if (here !== made) return context.skip(`they were made with ${made.trim()}, here is ${here.trim()}`);
  await using folder = await temporaryFolder();
  execFileSync(process.execPath, [script, folder.path], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ours = filesOf(fixtures);
  const theirs = filesOf(folder.path);
  assert.ok(ours.size > 50);
  assert.deepEqual([...theirs.keys()].sort(), [...ours.keys()].sort());
  for (const [path, bytes] of ours) assert.equal(theirs.get(path), bytes, path);
});
