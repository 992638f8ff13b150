import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { earlierBuild } from '../../domain/history/events.ts';
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
    CREATE TABLE systems (id INTEGER PRIMARY KEY, system TEXT);
    CREATE TABLE derivations (id INTEGER PRIMARY KEY, name TEXT, system_id INTEGER, fixed_output BOOLEAN);
    CREATE TABLE builds (id INTEGER PRIMARY KEY, uuid TEXT, derivation_id INTEGER, priority INTEGER, processed BOOLEAN, canceled BOOLEAN, created_at TEXT, end_time TEXT);
    CREATE TABLE build_results (build_id INTEGER, agent_id TEXT, result TEXT, failure_reason TEXT);
    CREATE TABLE build_starts (id INTEGER PRIMARY KEY, build_id INTEGER, agent_id TEXT, start_time TEXT);
    CREATE TABLE agents (id TEXT PRIMARY KEY, name TEXT, description TEXT);
    INSERT INTO systems VALUES (1, 'x86_64-linux');
    INSERT INTO agents VALUES ('agent-1', 'hatysa', 'a machine'), ('agent-2', NULL, NULL);
    CREATE TABLE tags (id INTEGER PRIMARY KEY, key TEXT, value TEXT);
    CREATE TABLE build_tags (build_id INTEGER, tag_id INTEGER);
    INSERT INTO tags VALUES (1, 'branch', 'master'), (2, 'a key', 'x');
    INSERT INTO build_tags VALUES (2, 1), (2, 2);
  `);
  for (const [index, name] of names.entries())
    database.prepare('INSERT INTO derivations VALUES (?, ?, 1, 0)').run(index + 1, `/gnu/store/${name}`);
  const insert = database.prepare(
    "INSERT INTO builds VALUES (?, ?, ?, ?, ?, ?, '2024-05-01 10:00:00', iif(?5, '2024-05-01 12:00:30', NULL))",
  );
  // Started twice, the second time by who did it.
  database.exec(`
    INSERT INTO build_results VALUES (1, 'agent-1', 'success', NULL);
    INSERT INTO build_starts VALUES (1, 1, 'agent-2', '2024-05-01 11:00:00'), (2, 1, 'agent-1', '2024-05-01 12:00:00');
  `);
  // Done; two of one derivation; another priority; canceled; of a derivation that is nowhere.
  insert.run(1, 'uuid-1', 1, 0, 1, 0);
  insert.run(2, 'uuid-2', 1, 0, 0, 0);
  insert.run(3, 'uuid-3', 1, 0, 0, 0);
  insert.run(4, 'uuid-4', 2, 5000, 0, 0);
  insert.run(5, 'uuid-5', 3, 0, 0, 1);
  insert.run(6, 'uuid-6', 4, 0, 0, 0);
  database.close();
}

interface Plan {
  roots: string[];
  rootTags: Record<string, Record<string, string>>;
  options: { priority: number };
}

/** A coordinator that keeps what it is told; of each submission it has the outputs of so many roots, and then all derivations as well. */
async function toldCoordinator(available = 0) {
  const plans: Plan[] = [];
  const earlier = new Map<string, Record<string, unknown>>();
  const server = await fakeCoordinator({
    'GET /v1/builds': ({ query }) => {
      assert.equal(query.get('tag'), 'imported-from=guix-build-coordinator');
      const rows = plans.flatMap(({ roots, rootTags }) => roots.map((root) => ({ id: root, tags: rootTags[root] })));
      return { json: { rows } };
    },
    'POST /v1/derivations/missing': ({ json }) => ({
      json: { missing: available === 0 ? json<{ paths: string[] }>().paths : [] },
    }),
    'POST /v1/derivations': () => ({ json: {} }),
    'POST /v1/sources/missing': () => ({ json: { missing: [] } }),
    'POST /v1/submissions': ({ json }) => {
      plans.push(json());
      return {
        status: 201,
        json: { submission: `s${plans.length}`, derivations: 1, builds: 1 - available, available, joined: [] },
      };
    },
    'POST /v1/earlier-builds/missing': ({ json }) => {
      const { source, ids } = json<{ source: string; ids: string[] }>();
      return { json: { missing: ids.filter((id) => !earlier.has(`${source} ${id}`)) } };
    },
    'POST /v1/earlier-builds': ({ json }) => {
      const { source, builds } = json<{ source: string; builds: { id: string }[] }>();
      for (const build of builds) earlier.set(`${source} ${build.id}`, earlierBuild.parse(build));
      return { json: { recorded: builds.length, known: 0 } };
    },
  });
  return { plans, earlier, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const take = (database: string, url: string, ...flags: string[]) =>
  run(['import', 'guix-build-coordinator', database, '--json', '--url', url, ...flags]);

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
  await using told = await toldCoordinator();
  const { plans, earlier } = told;
  const { url } = told.server;
  const flags = ['--derivations', folder.path];

  const dry = await take(file, url, ...flags, '--dry-run');
  assert.equal(dry.code, 1, dry.err);
  const { submissions: none, imported: would, history: wouldBe } = JSON.parse(dry.out);
  assert.deepEqual([none, would, wouldBe.recorded, plans.length, earlier.size], [[], 2, 2, 0, 0]);

  const first = await take(file, url, ...flags);
  assert.equal(first.code, 1, first.err);
  const { submissions, imported, present, ended, refused, tagsLeft, history } = JSON.parse(first.out);
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
  assert.deepEqual([history.recorded, history.present], [2, 0]);
  const common = { system: 'x86_64-linux', fixed: false, submittedAt: Date.UTC(2024, 4, 1, 10) };
  assert.deepEqual(
    [...earlier],
    [
      [
        'guix-build-coordinator uuid-1',
        {
          ...common,
          id: 'uuid-1',
          derivation: names[0],
          outcome: 'succeeded',
          agent: 'hatysa',
          startedAt: Date.UTC(2024, 4, 1, 12),
          endedAt: Date.UTC(2024, 4, 1, 12, 0, 30),
        },
      ],
      ['guix-build-coordinator uuid-5', { ...common, id: 'uuid-5', derivation: names[2], outcome: 'canceled' }],
    ],
  );
  const again = JSON.parse((await take(file, url, ...flags)).out);
  assert.deepEqual([again.present, again.submissions, again.history], [2, [], { recorded: 0, present: 2, odd: {} }]);

  await writeFile(join(folder.path, 'other.db'), '');
  const other = await take(join(folder.path, 'other.db'), url);
  assert.equal(other.code, 2);
  assert.match(other.err, /other\.db: expected the database of a Guix Build Coordinator: no such table/);
});

it('import guix-build-coordinator says what of the queue is available already, of which no build is made', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'gbc.db');
  makeDatabase(file);
  await using told = await toldCoordinator(1);
  const flags = ['--no-history', '--url', told.server.url];
  const { out } = await run(['import', 'guix-build-coordinator', file, ...flags]);
  assert.equal(out, '1 build taken over, 2 available already, 0 before\n');
});

it('import guix-build-coordinator counts rows that are odd, reads a database in use, and refuses one of another schema', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'gbc.db');
  makeDatabase(file);
  await using told = await toldCoordinator();
  const { plans, earlier } = told;
  const { url } = told.server;
  // In use: what comes now is in the write-ahead log beside it, in a transaction that goes on as well.
  using database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL');
  const insert = database.prepare('INSERT INTO builds VALUES (?, ?, ?, 0, 1, 0, ?, ?)');
  const result = database.prepare('INSERT INTO build_results VALUES (?, ?, ?, ?)');
  insert.run(10, 'uuid-10', 1, 'yesterday', 1_714_564_800);
  result.run(10, 'agent-2', 'failure', 'x'.repeat(3_000_000));
  insert.run(11, 'uuid-11', 1, null, new Uint8Array([0xff, 0xfe]));
  result.run(11, null, 'success', null);
  insert.run(12, null, 1, null, null);
  result.run(12, null, 'success', null);
  insert.run(13, 'uuid-13', 99, null, null);
  result.run(13, null, 'success', null);
  insert.run(14, 'uuid-14', 1, null, null);
  result.run(14, null, 'exploded\u0007', null);
  insert.run(15, 'uuid-15', 1, null, null);
  insert.run(9_007_199_254_740_993n, 'u'.repeat(65), 1, null, null);
  database.exec('BEGIN IMMEDIATE');
  insert.run(16, 'uuid-16', 1, null, null);
  const { code, out, err } = await take(file, url, '--no-queue', '--as', 'bordeaux');
  assert.equal(code, 0, err);
  const { history, submissions } = JSON.parse(out);
  assert.equal(submissions, undefined);
  assert.equal(plans.length, 0);
  assert.deepEqual(history, {
    recorded: 4,
    present: 0,
    odd: {
      'taken over without a time that is none (submitted)': 1,
      'taken over without a time that is none (ended)': 1,
      'its uuid is empty, or longer than 64 characters': 2,
      'its derivation is no .drv of /gnu/store': 1,
      'its result is neither success nor failure: exploded\\x07': 1,
      'its result is neither success nor failure: no row': 1,
    },
  });
  assert.match(err, /1 row: its result is neither success nor failure: no row/);
  const told10 = earlier.get('bordeaux uuid-10');
  assert.deepEqual(
    [told10?.outcome, told10?.agent, told10?.endedAt, String(told10?.message).length],
    ['failed', 'agent-2', 1_714_564_800_000, 1000],
  );
  assert.deepEqual(earlier.get('bordeaux uuid-11'), {
    id: 'uuid-11',
    derivation: names[0],
    outcome: 'succeeded',
    system: 'x86_64-linux',
    fixed: false,
  });
  database.exec('COMMIT');

  // As it was named earlier: by uuid, and with the derivation in the build.
  const older = join(folder.path, 'older.db');
  using old = new DatabaseSync(older);
  old.exec(`
    CREATE TABLE derivations (name TEXT PRIMARY KEY, system TEXT);
    CREATE TABLE builds (id INTEGER PRIMARY KEY, uuid TEXT, derivation_name TEXT, priority INTEGER, processed BOOLEAN, canceled BOOLEAN);
    CREATE TABLE tags (id INTEGER PRIMARY KEY, key TEXT, value TEXT);
    CREATE TABLE build_tags (build_id INTEGER, tag_id INTEGER);
    CREATE TABLE build_results (build_id TEXT, agent_id TEXT, result TEXT);
    CREATE TABLE build_starts (build_id TEXT, agent_id TEXT, start_time TEXT);
    CREATE TABLE agents (id TEXT);
    INSERT INTO derivations VALUES ('/gnu/store/${names[0]}', 'aarch64-linux');
    INSERT INTO builds VALUES (1, 'uuid-1', '/gnu/store/${names[0]}', 0, 1, 0);
    INSERT INTO build_results VALUES ('uuid-1', 'agent-7', 'failure');
    INSERT INTO build_starts VALUES ('uuid-1', 'agent-7', '2024-05-01T12:00:00Z');
  `);
  assert.equal((await take(older, url, '--no-queue', '--as', 'older')).code, 0);
  assert.deepEqual(earlier.get('older uuid-1'), {
    id: 'uuid-1',
    derivation: names[0],
    outcome: 'failed',
    system: 'aarch64-linux',
    agent: 'agent-7',
    startedAt: Date.UTC(2024, 4, 1, 12),
  });

  // Nothing of it is taken where the history is told in another way, unless that is left out.
  old.exec('ALTER TABLE build_results RENAME TO results');
  const newer = await take(older, url);
  assert.deepEqual([newer.code, plans.length], [2, 0]);
  assert.match(newer.err, /older\.db: expected the database of a Guix Build Coordinator: no such table: build_results/);
  assert.equal((await take(older, url, '--no-history')).code, 0);

  const whole = await readFile(file);
  const cut = join(folder.path, 'cut.db');
  await writeFile(cut, whole.subarray(0, whole.length - 4096 * 3));
  const broken = await take(cut, url, '--no-queue', '--as', 'cut');
  assert.equal(broken.code, 2);
  assert.match(broken.err, /cut\.db: expected the database of a Guix Build Coordinator: /);
});
