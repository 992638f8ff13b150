import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { connect } from 'nats';
import { openNatsEventStore } from '../../adapters/event-store/nats/store.ts';
import { packLog } from '../../adapters/event-store/sqlite/pack.ts';
import { reindex } from '../../adapters/event-store/sqlite/reindex.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import { commitOfStored } from '../../coordinator/audit/commit-text.ts';
import { copyLog } from '../../coordinator/log/log-copy.ts';
import type { EventStore, StoredEvent } from '../../coordinator/ports/event-store.ts';
import { generateNoteKey, parseNoteSecret } from '../../domain/audit/signed-note.ts';
import { harness } from '../adapters/http/harness.ts';
import { derivation, openTestCoordinator } from '../support/coordinator.ts';
import { secretOfScope } from '../support/fake-application.ts';
import { noNatsServer, startNatsServer } from '../support/nats-server.ts';
import { fakeCoordinator } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

const folder = await mkdtemp(join(tmpdir(), 'drover-verify-'));
after(() => rm(folder, { recursive: true }));
const pair = generateNoteKey('farm.example/drover', new Uint8Array(32).fill(7));
const data = join(folder, 'data');
const checkpoint = join(folder, 'checkpoint.txt');

/** A farm that has built something, stopped in between, its log in `data`, and a checkpoint of its end kept elsewhere. */
async function openFarm(): Promise<EventStore> {
  let store: EventStore | undefined;
  for (const seed of [1, 2]) {
    const auditKey = parseNoteSecret(pair.secret);
    const farm = await openTestCoordinator([derivation(1)], { auditKey, seed, ...(store && { store }) });
    await farm.connect('a');
    await farm.submit(1);
    for (const given of farm.allocations()) await farm.succeed('a', given, 1);
    await farm.finish();
    farm.dispose();
    store = farm.store;
    await writeFile(checkpoint, farm.application.checkpoint() as string);
  }
  await mkdir(data);
  await writeFile(join(data, 'audit-key.pub'), `${pair.public}\n`);
  await using log = await openSqliteEventStore({ dir: data });
  await copyLog(store as EventStore, log);
  return store as EventStore;
}
const store = await openFarm();
const verify = (...args: string[]) => run(['events', 'verify', ...args]);

async function eventsOf(log: EventStore): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const { events } of log.readAll()) all.push(...events);
  return all;
}

describe('drover events verify', () => {
  it('finds nothing wrong with a log that is as it was written, and says what vouches for it', async () => {
    const found = await verify('--data', data, '--checkpoint', checkpoint);
    assert.equal(found.code, 0, found.err + found.out);
    assert.match(found.out, /linked from: +0000000000000001\n/);
    assert.match(found.out, /checkpoints that fit: +2\nsignatures: +farm\.example\/drover\n/);
    assert.match(found.out, /nothing is wrong\n$/);
    const { fault, checkpoints, signed, keys } = JSON.parse((await verify('--data', data, '--json')).out);
    assert.deepEqual(
      [fault, checkpoints, signed.by, keys],
      [undefined, 2, 'farm.example/drover', ['farm.example/drover']],
    );
    const unsigned = await verify('--store', `sqlite:${data}`);
    assert.match(unsigned.out, /signatures: +not checked: --key says which key/);
  });

  it('agrees with a program that has nothing of Drover', async () => {
    const args = ['examples/verify-log.ts', join(data, 'events.db'), join(data, 'audit-key.pub')];
    const theirs = JSON.parse(
      execFileSync(process.execPath, args, { encoding: 'utf8', cwd: new URL('../..', import.meta.url) }),
    );
    const ours = JSON.parse((await verify('--data', data, '--json')).out);
    assert.deepEqual([theirs.commits, theirs.checkpoints], [ours.commits, ours.checkpoints]);
    const packed = await mkdtemp(join(folder, 'packed-'));
    for (const file of ['events.db', 'audit-key.pub']) copyFileSync(join(data, file), join(packed, file));
    const made = await packLog(packed, { packing: { keep: 2, events: 4, length: 4096, most: 16, freePages: 4 } });
    assert.ok(made.packed > made.events - 8, JSON.stringify(made));
    assert.equal((await verify('--data', packed, '--checkpoint', checkpoint)).code, 0);
    args[1] = join(packed, 'events.db');
    const again = execFileSync(process.execPath, args, { encoding: 'utf8', cwd: new URL('../..', import.meta.url) });
    assert.deepEqual(JSON.parse(again), theirs);
    const exported = [packed, data].map((dir) => run(['log', 'export', '--data', dir]));
    const [theirLines, ourLines] = await Promise.all(exported);
    assert.deepEqual([theirLines?.code, theirLines?.out], [0, ourLines?.out], theirLines?.err);
    assert.equal(ourLines?.out.split('\n').length, made.events + 1);
    const some = await run([
      'log',
      'export',
      '--store',
      `sqlite:${packed}`,
      '--type',
      'BuildSucceeded',
      '--stream',
      'build-',
    ]);
    const lines = some.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ type, data: { attempt } }) => [type, attempt]),
      [['BuildSucceeded', 1]],
    );
    const nowhere = await run(['log', 'export']);
    assert.deepEqual([nowhere.code, /expected one of --data and --store, got none/.test(nowhere.err)], [2, true]);
    args[1] = join(data, 'nothing.db');
    const absent = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: new URL('../..', import.meta.url) });
    assert.equal(absent.status, 1);
    assert.match(absent.stderr, /^\S+nothing\.db with \S+audit-key\.pub: unable to open database file\n$/);
  });

  it('names the first event of a file that somebody has changed, removed, inserted, moved or cut off', async () => {
    const ways: [what: string, sql: string, kind: string, position: number | undefined][] = [
      ['data', `UPDATE events SET data = json_set(data, '$.by', 'me') WHERE position = 5`, 'changed', 5],
      [
        'the same data in other words',
        `UPDATE events SET data = replace(data, '{', '{ ') WHERE position = 5`,
        'changed',
        5,
      ],
      ['data that is no JSON any more', `UPDATE events SET data = '{' WHERE position = 5`, 'changed', 5],
      ['who did it', `UPDATE events SET actor = 'nobody' WHERE position = 5`, 'changed', 5],
      ['when', `UPDATE events SET at = at + 1 WHERE position = 5`, 'changed', 5],
      ['its hash', `UPDATE events SET previous_hash = NULL WHERE position = 5`, 'unlinked', 5],
      ['removed', `DELETE FROM events WHERE position = 5`, 'removed', 6],
      [
        'removed, and the gap closed',
        'DELETE FROM events WHERE position = 5; UPDATE events SET position = -position WHERE position > 5; UPDATE events SET position = -position - 1 WHERE position < 0',
        'removed',
        5,
      ],
      [
        'inserted',
        `UPDATE events SET position = -position WHERE position > 5; UPDATE events SET position = 1 - position WHERE position < 0; INSERT INTO events SELECT 6, 'build-x', 0, type, version, at, 'x.1', actor, correlation, causation, trace, data, (SELECT previous_hash FROM events WHERE position = 7) FROM events WHERE position = 5`,
        'inserted',
        6,
      ],
      [
        'moved',
        `UPDATE events SET position = -5 WHERE position = 5; UPDATE events SET position = 5 WHERE position = 6; UPDATE events SET position = 6 WHERE position = -5`,
        'reordered',
        5,
      ],
      ['cut off', `DELETE FROM events WHERE position > 8`, 'truncated', undefined],
    ];
    for (const [what, sql, kind, position] of ways) {
      const dir = await mkdtemp(join(folder, 'tampered-'));
      for (const file of ['events.db', 'audit-key.pub']) copyFileSync(join(data, file), join(dir, file));
      const db = new DatabaseSync(join(dir, 'events.db'));
      db.exec(sql);
      db.close();
      const found = await verify('--data', dir, '--checkpoint', checkpoint, '--json');
      assert.equal(found.code, 1, `${what}: ${found.out}${found.err}`);
      const { fault } = JSON.parse(found.out);
      const expected = position === undefined ? undefined : `${position}`.padStart(16, '0');
      assert.deepEqual([fault.kind, fault.position], [kind, expected], `${what}: ${fault.message}`);
      const text = await verify('--data', dir, '--checkpoint', checkpoint);
      assert.match(text.out, new RegExp(`first bad position: +${expected ?? 'beyond the end'}\\n`));
      assert.match(text.out, /the log is not what was written\n$/);
    }
  });

  it('names the first commit that the index of a SQLite log is wrong about, and that index is made anew', async () => {
    const dir = await mkdtemp(join(folder, 'index-'));
    const file = join(dir, 'events.db');
    copyFileSync(join(data, 'events.db'), file);
    // Small generations: what the table gets after a hundred thousand commits, it has after two.
    const { events, rows } = reindex(dir, 2);
    assert.ok(rows > 5 && rows < events, `${rows} of ${events}`);
    const whole = await verify('--data', dir);
    assert.equal(whole.code, 0, whole.out);
    const db = new DatabaseSync(file, { readOnly: true });
    const [, second, third] = db.prepare('SELECT position FROM stream_index ORDER BY position').all() as {
      position: number;
    }[];
    const { indexed } = db.prepare('SELECT indexed FROM index_state').get() as { indexed: number };
    db.close();
    const at = `WHERE position = ${third?.position}`;
    const start = (second?.position as number) + 1;
    const ways: [what: string, sql: string, position: number | undefined, words: RegExp][] = [
      ['a commit hidden', `DELETE FROM stream_index ${at}`, start, /has no row for the commit /],
      ['another revision', `UPDATE stream_index SET revision = revision + 1 ${at}`, start, /says revision /],
      ['fewer events', `UPDATE stream_index SET events = events + 1 ${at}`, start, /says revision .* events/],
      ['another commit', `UPDATE stream_index SET commit_key = 1 ${at}`, start, /commit key 1, expected /],
      ['another stream', `UPDATE stream_index SET stream_key = stream_key + 1 ${at}`, start, /has no row/],
      [
        'a row more',
        `INSERT INTO stream_index SELECT stream_key + 1, position, 0, 1, 1 FROM stream_index ${at}`,
        undefined,
        new RegExp(`a row for position ${third?.position} that is of no commit`),
      ],
      ['no table', 'DROP TABLE stream_index', undefined, /its table stream_index is not there/],
      ['nothing of how far it is', 'DELETE FROM index_state', undefined, /its table index_state is empty/],
      ['said to have more', 'UPDATE index_state SET indexed = 10000', indexed + 1, /has no row/],
    ];
    for (const [what, sql, position, words] of ways) {
      const copy = await mkdtemp(join(folder, 'index-'));
      copyFileSync(file, join(copy, 'events.db'));
      const tampered = new DatabaseSync(join(copy, 'events.db'));
      tampered.exec(sql);
      tampered.close();
      const found = await verify('--data', copy, '--json');
      assert.equal(found.code, 1, `${what}: ${found.out}`);
      const { fault } = JSON.parse(found.out);
      const expected = position === undefined ? undefined : `${position}`.padStart(16, '0');
      assert.deepEqual([fault.kind, fault.position], ['index', expected], `${what}: ${fault.message}`);
      assert.match(fault.message, words, what);
      assert.match((await verify('--data', copy)).out, /the log is what was written, its index is not: .*log reindex/);
      if (sql.startsWith('D') && position === undefined)
        await assert.rejects(openSqliteEventStore({ dir: copy }), /`drover log reindex` makes it anew from the events/);
      const made = await run(['log', 'reindex', '--data', copy, '--json']);
      assert.deepEqual([made.code, JSON.parse(made.out).events], [0, events], made.err);
      assert.equal((await verify('--data', copy)).code, 0, what);
    }
    const none = await run(['log', 'reindex', '--data', join(folder, 'nowhere')]);
    assert.deepEqual([none.code, none.err.includes('expected a folder with an events.db')], [2, true]);
  });

  it('reads the log of a running coordinator, as an admin', async () => {
    await using server = await harness({ eventStore: store });
    const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
    const found = await verify('--url', url, '--token', secretOfScope('admin'), '--key', pair.public, '--json');
    assert.equal(found.code, 0, found.err + found.out);
    const { checkpoints, commits } = JSON.parse(found.out);
    assert.deepEqual(
      { checkpoints, commits },
      { checkpoints: 2, commits: JSON.parse((await verify('--data', data, '--json')).out).commits },
    );
    const refused = await verify('--url', url, '--token', secretOfScope('read'));
    assert.equal(refused.code, 1);
    assert.match(refused.err, /admin/);
    const note = await run(['events', 'checkpoint', '--url', url]);
    assert.equal(note.out, server.application.checkpoint());
    assert.equal((await run(['events', 'checkpoint', '--key', '--url', url])).out, `${server.application.auditKey}\n`);
  });

  it('finds what is wrong in a stream of NATS that was made anew', { skip: noNatsServer }, async () => {
    await using nats = await startNatsServer();
    const servers = [`127.0.0.1:${nats.port}`];
    const events = await eventsOf(store);
    const commits = [...Map.groupBy(events, ({ commit, stream }) => `${stream} ${commit}`).values()];
    const [first, ...more] = commits[4] as [StoredEvent, ...StoredEvent[]];
    const ways: [kind: string | undefined, commits: StoredEvent[][], bad: number | undefined][] = [
      [undefined, commits, undefined],
      ['changed', commits.with(4, [{ ...first, at: first.at + 1 }, ...more]), 4],
      ['removed', commits.toSpliced(4, 1), 4],
      ['inserted', commits.toSpliced(4, 0, [{ ...first, stream: 'build-x', revision: 0, commit: 'x.1' }]), 4],
      ['reordered', commits.toSpliced(4, 2, commits[5] as StoredEvent[], commits[4] as StoredEvent[]), 4],
      ['truncated', commits.slice(0, -2), undefined],
    ];
    for (const [n, [kind, tampered, bad]] of ways.entries()) {
      const stream = `TAMPERED_${n}`;
      const positions: string[] = [];
      {
        await using log = await openNatsEventStore({ servers, stream, writer: 'shared' });
        for (const stored of tampered) {
          const { commit: id, stream, at, meta, previousHash } = commitOfStored(stored);
          const result = await log.append({
            id,
            stream,
            at,
            meta,
            previousHash: previousHash as string,
            expected: 'any',
            events: stored,
          });
          assert.ok(result.ok && !result.replayed);
        }
        for (const { position } of await eventsOf(log)) positions.push(position);
      }
      const args = [
        '--store',
        `nats://127.0.0.1:${nats.port}/${stream}`,
        '--key',
        pair.public,
        '--checkpoint',
        checkpoint,
      ];
      const found = await verify(...args, '--json');
      assert.equal(found.code, kind === undefined ? 0 : 1, found.err + found.out);
      const { fault } = JSON.parse(found.out);
      const at = bad === undefined ? undefined : positions[tampered.slice(0, bad).flat().length];
      assert.deepEqual([fault?.kind, fault?.position], [kind, at], fault?.message);
    }
  });

  it('sees other words for the same data in a message of NATS', { skip: noNatsServer }, async () => {
    await using nats = await startNatsServer();
    const [from, to] = ['WRITTEN', 'REWRITTEN'];
    const open = (stream: string) =>
      openNatsEventStore({ servers: [`127.0.0.1:${nats.port}`], stream, writer: 'shared' });
    let position: string | undefined;
    {
      await using written = await open(from);
      await copyLog(store, written);
      // Makes the stream.
      await using _ = await open(to);
      position = (await eventsOf(written)).find(({ data }) => Object.keys(data as object).length > 0)?.position;
    }
    const connection = await connect({ servers: nats.url });
    const { streams } = await connection.jetstreamManager();
    const { last_seq: last } = (await streams.info(from)).state;
    for (let seq = 1; seq <= last; seq++) {
      const { subject, header, data } = await streams.getMessage(from, { seq });
      const body = Buffer.from(data).toString();
      // What counts for whoever parses it is the second one.
      const twice = position?.startsWith(`${seq}`.padStart(16, '0'))
        ? body.replace(/"data":\{("\w+":)/, '"data":{$1"other",$1')
        : body;
      const headers = { headers: header };
      header.delete('Nats-Expected-Last-Sequence');
      header.delete('Nats-Expected-Last-Subject-Sequence');
      header.delete('Nats-Expected-Last-Msg-Id');
      await connection.jetstream().publish(subject.replace(from, to), twice, headers);
    }
    await connection.close();
    const verifyStream = async (stream: string) =>
      JSON.parse((await verify('--store', `${nats.url}/${stream}`, '--json')).out).fault;
    assert.equal(await verifyStream(from), undefined);
    const fault = await verifyStream(to);
    assert.deepEqual([fault?.kind, fault?.position], ['changed', position], fault?.message);
  });

  it('says what it cannot read or take', async () => {
    const other = generateNoteKey('other', new Uint8Array(32)).public;
    const pipe = join(data, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const [args, code, words] of [
      [['--data', data, '--store', 'sqlite:/x'], 2, /one of --data and --store, got both/],
      // 1 would say that something is wrong with the log.
      [['--data', '/nonexistent'], 2, /expected a folder with an events\.db, got \/nonexistent/],
      [
        ['--data', data, '--key', '/nonexistent.pub'],
        2,
        /--key \/nonexistent\.pub: there is no such file, and a key is <name>/,
      ],
      [['--data', data, '--key', 'a+b'], 2, /--key a\+b: expected an Ed25519 key/],
      [['--data', data, '--checkpoint', '/nonexistent'], 2, /--checkpoint \/nonexistent: ENOENT/],
      [['--data', data, '--checkpoint', pipe], 2, /--checkpoint .*: expected a regular file/],
      [['--data', data, '--key', pipe], 2, /--key .*: expected a regular file/],
      [['--data', data, '--checkpoint', join(data, 'audit-key.pub')], 2, /--checkpoint .*expected a signed note/],
      [
        ['--data', data, '--checkpoint', checkpoint, '--key', other],
        2,
        /is signed by farm\.example\/drover\+.*expected other\+/,
      ],
    ] as const) {
      const refused = await verify(...args);
      assert.equal(refused.code, code, refused.err);
      assert.match(refused.err, words);
    }
    await using cut = await fakeCoordinator({ 'GET /v1/log': () => ({ text: '' }) });
    assert.match((await verify('--url', cut.url)).err, /ended its answer before the end of the log/);
    const distrusted = await verify('--data', data, '--key', other);
    assert.equal(distrusted.code, 1);
    assert.match(distrusted.out, /signature: the checkpoint .* is signed by farm\.example/);
  });
});
