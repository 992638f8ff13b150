import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { accessScopes } from '../../adapters/http/access.ts';
import { harness } from '../adapters/http/harness.ts';

const page = () => readFile(new URL('../../docs/http.md', import.meta.url), 'utf8');

test('docs/http.md lists exactly the routes, each with its access', async () => {
  await using server = await harness();
  const listed = Array.from(
    (await page()).matchAll(/^\| ([A-Z]+ \/\S*) \| (\w+) \|/gm),
    ([, route, access]) => `${route} ${access}`,
  );
  const expected = server.app.routeTable.map(({ method, url, access }) => `${method} ${url} ${access}`);
  assert.deepEqual(listed.toSorted(), expected.toSorted());
});

test('docs/http.md says which scopes each access needs', async () => {
  const rows = new Map(
    Array.from((await page()).matchAll(/^\| (\w+) \| ([^|]+) \|$/gm), ([, access = '', scopes = '']) => [
      access,
      scopes,
    ]),
  );
  for (const [access, scopes] of Object.entries(accessScopes)) {
    const named = Array.from(rows.get(access)?.matchAll(/`(\w+)`/g) ?? [], ([, scope]) => scope);
    assert.deepEqual(named, [...scopes], access);
  }
});
