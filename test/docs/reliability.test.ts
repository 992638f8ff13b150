import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('every test that docs/reliability.md names is there', () => {
  const files = globSync('test/**/*.test.ts', { cwd: root });
  const rows = readFileSync(`${root}/docs/reliability.md`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('`'));
  assert.ok(rows.length > 40);
  for (const row of rows) {
    const guards = row.split(' | ').at(-1) as string;
    const names = [...guards.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    assert.ok(names.length > 0, row);
    for (const name of names.filter((one) => !one.startsWith('npm ')))
      assert.ok(
        files.some((file) => file.includes(name)),
        `${name} in: ${row}`,
      );
  }
});
