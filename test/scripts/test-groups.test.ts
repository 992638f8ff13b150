import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isLongRun, long, longest, longRuns, planTests } from '../../scripts/test-groups.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('tests that take longest are begun first, and each file is in one place', () => {
  const files = globSync('test/**/*.test.ts', { cwd: root }).sort();
  for (const beginning of [...longest, ...long, ...longRuns])
    assert.ok(
      files.some((file) => file.startsWith(beginning)),
      `no file is called ${beginning}…`,
    );
  const planned = planTests(files, root);
  const members = planned.map((file) =>
    files.includes(file) ? [file] : files.filter((each) => readFileSync(file, 'utf8').includes(`"${each}"`)),
  );
  assert.deepEqual(members.flat().sort(), files);
  assert.ok(members.filter(({ length }) => length > 1).length > 10, 'most share a process');
  const isLong = ([file = '']: readonly string[]) => longest.some((beginning) => file.startsWith(beginning));
  assert.deepEqual(members.map(isLong).lastIndexOf(true), members.filter(isLong).length - 1, 'the longest are first');
  assert.ok(
    members.filter(isLong).every(({ length }) => length === 1),
    'and alone',
  );
  for (const [first = '', ...more] of members)
    if (more.length > 0)
      for (const file of [first, ...more])
        assert.doesNotMatch(
          readFileSync(join(root, file), 'utf8'),
          /registerHooks|^delete process\.env|\bmock\./m,
          file,
        );
});

test('of both parts of the tests, nothing lands without the long one', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const part = (name: string) => String(scripts[name]).split(' && ').at(-1);
  assert.equal(part('test:long'), `${part('test')} --long`);
  const commands = readFileSync(join(root, '.ci/run'), 'utf8').split('\n');
  for (const command of ['npm run check', 'npm test', 'npm run test:long'])
    assert.ok(commands.includes(command), `.ci/run has no ${command}`);
  assert.ok(isLongRun('test/torture/torture.test.ts') && !isLongRun('test/torture/audit/builders.test.ts'));
});
