import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { serializeDerivation } from '../../domain/store/derivation.ts';
import { temporaryFolder } from '../support/nix-tools.ts';
import { fakeBase } from '../support/paths.ts';
import { fakeCoordinator } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

const names = [1, 2, 3, 4].map((n) => fakeBase('d', n, '.drv')) as [string, string, string, string];

/** A double of the database: its tables are from memory. */
function makeDatabase(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(`
    CREATE TABLE derivations (id INTEGER PRIMARY KEY, name TEXT, system_id INTEGER);
    CREATE TABLE builds (id INTEGER PRIMARY KEY, uuid TEXT, derivation_id INTEGER, priority INTEGER, processed BOOLEAN, canceled BOOLEAN);
    CREATE TABLE tags (id INTEGER PRIMARY KEY, key TEXT, value TEXT);
    CREATE TABLE build_tags (build_id INTEGER, tag_id INTEGER);
    INSERT INTO tags VALUES (1, 'branch', 'master'), (2, 'a key', 'x');
    INSERT INTO build_tags VALUES (2, 1), (2, 2);
  `);
  for (const [index, name] of names.entries())
    database.prepare('INSERT INTO derivations VALUES (?, ?, 1)').run(index + 1, `/gnu/store/${name}`);
  const insert = database.prepare('INSERT INTO builds VALUES (?, ?, ?, ?, ?, ?)');
  // Done; two of one derivation; another priority; canceled; of a derivation that is nowhere.
  insert.run(1, 'uuid-1', 1, 0, 1, 0);
  insert.run(2, 'uuid-2', 1, 0, 0, 0);
  insert.run(3, 'uuid-3', 1, 0, 0, 0);
  insert.run(4, 'uuid-4', 2, 5000, 0, 0);
  insert.run(5, 'uuid-5', 3, 0, 0, 1);
  insert.run(6, 'uuid-6', 4, 0, 0, 0);
  database.close();
}

it('import guix-build-coordinator submits what is queued there, with priorities and tags, once', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'gbc.db');
  makeDatabase(file);
  for (const [index, name] of names.slice(0, 2).entries()) {
    const path = `/gnu/store/${fakeBase('o', index)}`;
    const made = { outputs: [{ name: 'out', path, hashAlgo: '', hash: '' }], inputDerivations: [], inputSources: [] };
    const text = serializeDerivation({ ...made, system: 's', builder: 'b', args: [], env: [['out', path]] });
    await writeFile(join(folder.path, name), text);
  }
  const plans: { roots: string[]; rootTags: Record<string, Record<string, string>>; options: { priority: number } }[] =
    [];
  await using coordinator = await fakeCoordinator({
    'GET /v1/builds': ({ query }) => {
      assert.equal(query.get('tag'), 'imported-from=guix-build-coordinator');
      const rows = plans.flatMap(({ roots, rootTags }) => roots.map((root) => ({ id: root, tags: rootTags[root] })));
      return { json: { rows } };
    },
    'POST /v1/derivations/missing': ({ json }) => ({ json: { missing: json<{ paths: string[] }>().paths } }),
    'POST /v1/derivations': () => ({ json: {} }),
    'POST /v1/sources/missing': () => ({ json: { missing: [] } }),
    'POST /v1/submissions': ({ json }) => {
      plans.push(json());
      return {
        status: 201,
        json: { submission: `s${plans.length}`, derivations: 1, builds: 1, available: 0, joined: [] },
      };
    },
  });
  const take = (database: string) =>
    run([
      'import',
      'guix-build-coordinator',
      database,
      '--derivations',
      folder.path,
      '--json',
      '--url',
      coordinator.url,
    ]);

  const first = await take(file);
  assert.equal(first.code, 1, first.err);
  const { submissions, imported, present, ended, refused, tagsLeft } = JSON.parse(first.out);
  assert.deepEqual([submissions, imported, present, ended, tagsLeft], [['s1', 's2'], 2, 0, 2, ['a key=x']]);
  assert.deepEqual(
    refused.map(({ item, code }: { item: string; code: string }) => [item, code]),
    [['uuid-6', 'not-found']],
  );
  const from = { 'imported-from': 'guix-build-coordinator' };
  assert.deepEqual(
    plans.map(({ roots, rootTags, options }) => [roots, rootTags, options]),
    [
      [[names[1]], { [names[1]]: { ...from, 'imported-build': 'uuid-4' } }, { priority: 1000 }],
      [[names[0]], { [names[0]]: { branch: 'master', ...from, 'imported-build': 'uuid-2' } }, { priority: 0 }],
    ],
  );
  const again = await take(file);
  assert.deepEqual([JSON.parse(again.out).present, JSON.parse(again.out).submissions], [2, []]);

  await writeFile(join(folder.path, 'other.db'), '');
  const other = await take(join(folder.path, 'other.db'));
  assert.equal(other.code, 2);
  assert.match(other.err, /other\.db: expected the database of a Guix Build Coordinator: no such table/);
});
