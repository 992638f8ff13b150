import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it, type TestContext } from 'node:test';
import { logIdentity } from '../../adapters/data-dir/log-identity.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { commitOf, stored } from '../contract/commits.ts';
import { run } from './support/run-cli.ts';

/** A data folder whose pool and views remember the second of two commits, and logs that end with each. */
async function folder(context: TestContext) {
  const place = mkdtempSync(join(tmpdir(), 'drover-log-accept-'));
  context.after(() => rmSync(place, { recursive: true }));
  const data = join(place, 'data');
  const [whole, cut] = [join(place, 'whole'), join(place, 'cut')];
  mkdirSync(join(data, 'pool'), { recursive: true });
  for (const dir of [cut, whole]) {
    await using store = await openSqliteEventStore({ dir });
    stored(await store.append(commitOf('build-1', 'any', ['first'], 'first')));
    if (dir === cut) continue;
    stored(await store.append(commitOf('build-1', 'any', ['second'])));
    await logIdentity(join(data, 'log-id')).remember(store);
    let last = '';
    for await (const { stream, revision, commit, position } of store.read('build-1'))
      last = JSON.stringify({ stream, revision, commit, position });
    for (const dir of [data, join(data, 'pool')]) writeFileSync(join(dir, 'writer.head'), last);
    using views = new DatabaseSync(join(data, 'views.db'));
    views.exec('CREATE TABLE meta (one INTEGER, last TEXT)');
    views.prepare('INSERT INTO meta VALUES (1, ?)').run(last);
  }
  return {
    accept: (...more: string[]) => run(['log', 'accept', '--data', data, ...more]),
    whole: `sqlite:${whole}`,
    cut: `sqlite:${cut}`,
    left: () => ['writer.head', 'pool/writer.head', 'views.db'].filter((file) => existsSync(join(data, file))),
  };
}

it('drover log accept changes nothing where the log has all, is another one or cannot be read', async (context) => {
  const { accept, whole, left } = await folder(context);
  const all = left();
  assert.equal(all.length, 3);
  const needless = await accept('--store', whole);
  assert.equal(needless.code, 0, needless.err);
  assert.match(needless.out, /there is nothing to accept, and nothing was changed\n$/);
  assert.deepEqual(left(), all);
  const elsewhere = await accept();
  assert.equal(elsewhere.code, 2);
  assert.match(
    elsewhere.err,
    /expected the log in \S+, and there is no events\.db \(not-found\)\nhint: say with --store/,
  );
  assert.deepEqual(left(), all);
  const wrong = await accept('--store', 'x');
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^drover: --store: Expected sqlite, sqlite:DIR, nats/);
});

it('drover log accept forgets what the log does not have, and says up to where', async (context) => {
  const { accept, cut, left } = await folder(context);
  const accepted = await accept('--store', cut);
  assert.equal(accepted.code, 0, accepted.err);
  assert.match(accepted.out, /has forgotten that its log went on to 0*2; its views are made anew at the next start\n$/);
  assert.deepEqual(left(), []);
  assert.match((await accept('--store', cut)).out, /there is nothing to accept/);
});

it('drover log copy looks for the log before it makes anything of the copy', async (context) => {
  const place = mkdtempSync(join(tmpdir(), 'drover-log-copy-'));
  context.after(() => rmSync(place, { recursive: true }));
  const to = join(place, 'copy');
  const { code, err } = await run(['log', 'copy', '--from', 'sqlite:/nonexistent', '--to', `sqlite:${to}`]);
  assert.deepEqual([code, err], [2, 'drover: expected a folder with an events.db, got /nonexistent (not-found)\n']);
  assert.ok(!existsSync(to));
});
