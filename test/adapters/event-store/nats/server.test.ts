import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, headers, nkeys, StorageType } from 'nats';
import { openNatsEventStore } from '../../../../adapters/event-store/nats/store.ts';
import { parseNatsUrl } from '../../../../adapters/event-store/nats/url.ts';
import { boundsOf, lastBefore, placeOf } from '../../../../coordinator/log/places.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { type NatsServer, natsServerVersions, startNatsServer } from '../../../support/nats-server.ts';

const writer = { holder: 'a test' };

for (const { name, skip, program } of natsServerVersions)
  describe(`a NATS server: ${name}`, { skip }, () => {
    let server: NatsServer;
    before(async () => {
      server = await startNatsServer('', program);
    });
    after(() => server[Symbol.asyncDispose]());
    const open = (stream: string, more: object = {}) =>
      openNatsEventStore({ servers: [`127.0.0.1:${server.port}`], stream, writer, ...more });

    it('gets a stream from which nothing can be removed', async () => {
      await using store = await open('FRESH');
      stored(await store.append(commitOf('build-1', 'none')));
      const nc = await connect({ servers: server.url });
      const jsm = await nc.jetstreamManager();
      await assert.rejects(jsm.streams.purge('FRESH'), /not permitted/);
      await assert.rejects(jsm.streams.deleteMessage('FRESH', 2), /not permitted/);
      const { config } = await jsm.streams.info('FRESH');
      await assert.rejects(jsm.streams.update('FRESH', { ...config, deny_purge: false }));
      await nc.close();
    });

    it('is refused where its stream could lose events', async () => {
      const nc = await connect({ servers: server.url });
      const jsm = await nc.jetstreamManager();
      await jsm.streams.add({ name: 'UNSAFE', subjects: ['drover.UNSAFE.>'], max_age: 3_600_000_000_000 });
      await jsm.streams.add({
        name: 'MEMORY',
        subjects: ['drover.MEMORY.>'],
        storage: StorageType.Memory,
        deny_delete: true,
        deny_purge: true,
      });
      await nc.close();
      await assert.rejects(open('UNSAFE'), (error: Error & { code: string }) => {
        assert.equal(error.code, 'unavailable');
        for (const name of ['UNSAFE', 'deny_delete', 'deny_purge', 'max_age'])
          assert.ok(error.message.includes(name), error.message);
        return true;
      });
      await assert.rejects(open('MEMORY'), /expected storage to be "file", got "memory"/);
      await assert.rejects(open('FRESH', { replicas: 3 }), /expected num_replicas to be 3, got 1/);
      await assert.rejects(open('NOWHERE', { writer: 'none' }), /has no stream NOWHERE/);
      await assert.rejects(open('CLUSTER', { replicas: 3 }), { code: 'unavailable' });
    });

    it('finds events by when they happened, though their numbers have gaps', async () => {
      await using store = await open('TIMES');
      const positions: string[] = [];
      for (const [n, events] of [['a'], ['b', 'c', 'd'], ['e']].entries()) {
        const { position } = stored(await store.append({ ...commitOf('build-1', 'any', events), at: 1000 * (n + 1) }));
        positions.push(position);
      }
      const [one, , three] = positions as [string, string, string];
      // It counts the events itself.
      const views = { marks: () => assert.fail('no views are needed') };
      const ends = await boundsOf(store, views);
      assert.deepEqual([ends?.first.position, ends?.first.at, ends?.last], [one, 1000, { position: three, at: 3000 }]);
      assert.deepEqual(await placeOf(store, views, positions[1] as string, 'position'), {
        position: positions[1],
        at: 2000,
      });
      for (const [time, found] of [
        [1001, 0],
        [2000, 0],
        [2001, 1],
        [3000, 1],
        [9000, 2],
      ] as const)
        assert.equal((await lastBefore(store, views, time)).position, positions[found], String(time));
      await assert.rejects(
        lastBefore(store, views, 1000),
        /^DroverError: time: 1970-01-01T00:00:01.000Z lies before the first event/,
      );
    });

    it('is asked for few messages by who wants few events, and for more on every round', async () => {
      await using store = await open('FEW');
      for (let n = 0; n < 300; n++)
        await store.append({ ...commitOf('build-1', 'any', n === 299 ? [1, 2, 3] : [n]), at: 1000 + n });
      const nc = await connect({ servers: server.url });
      const asked: number[] = [];
      nc.subscribe('$JS.API.CONSUMER.MSG.NEXT.FEW.*', {
        callback: (_, { data }) => asked.push(JSON.parse(new TextDecoder().decode(data)).batch),
      });
      await nc.flush();
      const views = { marks: () => assert.fail('no views are needed') };
      const found = await lastBefore(store, views, 5000);
      assert.deepEqual([found.position, found.at], [await store.head(), 1299]);
      await nc.flush();
      assert.ok(asked.length > 0 && asked.every((batch) => batch <= 80), String(asked));
      // What a slow server has not given in time is asked for again.
      const rounds = () => asked.splice(0).filter((batch, n, all) => n === 0 || batch > (all[n - 1] as number));
      rounds();
      const [last] = (await collect(store.readAll({ filter: { streams: ['build-1'] }, limit: 301 }))).slice(-1);
      assert.equal(last?.events.at(-1)?.revision, 300);
      await nc.flush();
      assert.deepEqual(rounds(), [317]);
      const [none] = await collect(store.readAll({ filter: { types: ['Nothing'] }, limit: 1 }));
      assert.deepEqual(none?.events, []);
      await nc.flush();
      assert.deepEqual(rounds(), [17, 136, 1000]);
      await nc.close();
    });

    it('refuses a commit over its max_payload before anything is written, and takes one just below', async () => {
      await using store = await open('LARGE');
      const tooLarge = commitOf('build-1', 'none', ['ü'.repeat(524_288)]);
      await assert.rejects(store.append(tooLarge), { code: 'too-large', message: /max_payload/ });
      await assert.rejects(store.appendBatch([commitOf('build-1', 'none'), tooLarge]), { code: 'too-large' });
      await assert.rejects(store.append(commitOf('build-1', 'none', Array(10_001).fill(0))), { code: 'too-large' });
      assert.equal(await store.head(), undefined);
      const just = stored(await store.append(commitOf('build-1', 'none', ['x'.repeat(1024 * 1024 - 1000)])));
      assert.equal(await store.head(), just.position);
      // Larger than what is asked for at once.
      for (let n = 0; n < 24; n++) stored(await store.append(commitOf('build-2', 'any', ['x'.repeat(1_000_000)])));
      assert.equal((await collect(store.readAll())).flatMap(({ events }) => events).length, 25);
    });

    it('refuses a log that a newer Drover wrote to, with both versions', async () => {
      {
        await using store = await open('NEWER');
        stored(await store.append(commitOf('build-1', 'none')));
      }
      const nc = await connect({ servers: server.url });
      const newer = headers();
      newer.append('Drover-Format', '2');
      await nc.jetstream().publish('drover.NEWER.build.1', '{"format":2,"whatever":true}', { headers: newer });
      await nc.close();
      const refused = { code: 'newer-schema', message: /newer Drover \(format 2, this one knows 1\)/ };
      await assert.rejects(open('NEWER'), refused);
      await using reader = await open('NEWER', { writer: 'none' });
      await assert.rejects(collect(reader.readAll()), refused);
    });

    it('keeps streams apart whose names hold what a subject may not', async () => {
      await using store = await open('NAMES');
      const names = ['a.b', 'a=2Eb', 'a b', '*', '>', 'ü', ''];
      for (const name of names) stored(await store.append(commitOf(`root-${name}`, 'none', [name])));
      for (const name of names)
        assert.deepEqual(
          (await collect(store.read(`root-${name}`))).map(({ data }) => data),
          [{ value: name }],
        );
    });

    it('reads back long streams and finds retries in them after a restart', async () => {
      const commits = Array.from({ length: 500 }, (_, n) => commitOf('agent-1', n === 0 ? 'none' : n - 1, [n]));
      {
        await using store = await open('LONG');
        await store.appendBatch(commits);
      }
      {
        await using store = await open('LONG');
        const behind = store.append(commitOf('build-1', 'none'));
        const first = await store.append(commits[0] as (typeof commits)[number]);
        assert.deepEqual([first.ok && first.revision, first.ok && first.replayed], [0, true]);
        stored(await behind);
      }
      await using store = await open('LONG');
      const again = await store.append(commits[3] as (typeof commits)[number]);
      assert.deepEqual([again.ok && again.revision, again.ok && again.replayed], [3, true]);
      assert.equal((await collect(store.read('agent-1', { from: 250 }))).length, 250);
      const last = await collect(store.read('agent-1', { backward: true, limit: 2 }));
      assert.deepEqual(
        last.map(({ revision }) => revision),
        [499, 498],
      );
      assert.deepEqual(
        (await collect(store.read('agent-1'))).map(({ revision }) => revision),
        commits.map((_, n) => n),
      );
    });

    it('that is not there is named', async () => {
      await assert.rejects(
        openNatsEventStore({ ...parseNatsUrl('nats://me:secret@127.0.0.1:1'), writer }),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'unavailable');
          assert.match(error.message, /127\.0\.0\.1:1/);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    });

    it('is logged into with a password, a token, an nkey', async () => {
      const dir = await mkdtemp(join(tmpdir(), 'drover-login-'));
      try {
        const key = nkeys.createUser();
        await writeFile(join(dir, 'seed'), `${new TextDecoder().decode(key.getSeed())}\n`);
        await using secured = await startNatsServer(
          `authorization { users: [ { user: me, password: "p@ss" }, { nkey: ${key.getPublicKey()} } ] }`,
          program,
        );
        const at = `127.0.0.1:${secured.port}`;
        for (const url of [
          `nats://me:p%40ss@${at}/SECURE`,
          `nats://${at}/SECURE?nkey=${encodeURIComponent(join(dir, 'seed'))}`,
        ]) {
          await using store = await openNatsEventStore({ ...parseNatsUrl(url), writer });
          stored(await store.append(commitOf('build-1', 'any')));
        }
        await assert.rejects(openNatsEventStore({ ...parseNatsUrl(`nats://me:wrong@${at}/SECURE`), writer }), {
          code: 'unavailable',
          message: /uthorization/,
        });
        await using other = await startNatsServer('authorization { token: "t0ken" }', program);
        await using store = await openNatsEventStore({
          ...parseNatsUrl(`nats://t0ken@127.0.0.1:${other.port}`),
          writer,
        });
        stored(await store.append(commitOf('build-1', 'none')));
      } finally {
        await rm(dir, { recursive: true });
      }
    });

    it('is spoken to through TLS with a certificate of its own', async (t) => {
      const dir = await mkdtemp(join(tmpdir(), 'drover-tls-'));
      try {
        const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
        try {
          const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
          execFileSync(
            'openssl',
            [
              'req',
              '-x509',
              '-newkey',
              'ec',
              '-pkeyopt',
              'ec_paramgen_curve:prime256v1',
              '-nodes',
              '-days',
              '2',
              '-keyout',
              key,
              '-out',
              cert,
              ...subject,
            ],
            { stdio: 'ignore' },
          );
        } catch {
          return t.skip('openssl is not installed');
        }
        await using secured = await startNatsServer(
          `tls { cert_file: ${JSON.stringify(cert)}, key_file: ${JSON.stringify(key)} }`,
          program,
        );
        const url = `tls://localhost:${secured.port}`;
        await using store = await openNatsEventStore({
          ...parseNatsUrl(`${url}?ca=${encodeURIComponent(cert)}`),
          writer,
        });
        stored(await store.append(commitOf('build-1', 'none')));
        await assert.rejects(openNatsEventStore({ ...parseNatsUrl(url), writer }), {
          code: 'unavailable',
          message: /certificate/,
        });
      } finally {
        await rm(dir, { recursive: true });
      }
    });
  });
