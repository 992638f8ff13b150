import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { longest, planTests } from '../../scripts/test-groups.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('tests that take longest are begun first, and each file is in one place', () => {
  const files = globSync('test/**/*.test.ts', { cwd: root }).sort();
  for (const beginning of longest)
    assert.ok(
      files.some((file) => file.startsWith(beginning)),
      `no file is called ${beginning}…`,
    );
  const planned = planTests(files, root);
  assert.ok(planned[0]?.startsWith(longest[0] as string), planned[0]);
  const alone = planned.filter((file) => files.includes(file));
  assert.equal(new Set(alone).size, alone.length);
  const groups = planned.slice(alone.length);
  assert.ok(groups.length > 0 && groups.every((file) => file.endsWith('.test.mjs')), 'groups come last');
});
