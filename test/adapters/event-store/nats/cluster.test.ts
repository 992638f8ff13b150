import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connect } from 'nats';
import { openNatsEventStore } from '../../../../adapters/event-store/nats/store.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { freePort } from '../../../support/free-port.ts';
import { type NatsServer, noNatsServer, startNatsServer } from '../../../support/nats-server.ts';

/** Many times what it takes, on a machine that is slow and busy. */
const seconds = 300;
const waiting = { seconds, tell: () => {} };

/** The first `count` of three servers that are to know each other; `add` starts another. Copies of a log are on all three. */
async function startCluster(count: number) {
  const ports = [await freePort(), await freePort(), await freePort()];
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  const servers: NatsServer[] = [];
  async function add(n: number): Promise<void> {
    const listen = `"127.0.0.1:${ports[n]}"`;
    servers[n] = await startNatsServer(
      `server_name: n${n}\ncluster { name: farm, listen: ${listen}, routes: [${routes}] }`,
    );
  }
  await Promise.all(ports.slice(0, count).map((_, n) => add(n)));
  return {
    servers,
    options: { servers: servers.map(({ port }) => `127.0.0.1:${port}`), stream: 'FARM', replicas: 3 },
    add,
    [Symbol.asyncDispose]: async () => void (await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))),
  };
}

it('a log of three copies is made once the third server is there, and what is waited for is said', {
  skip: noNatsServer,
}, async () => {
  await using cluster = await startCluster(2);
  const told: string[] = [];
  const first = Promise.withResolvers<void>();
  const tell = (what: string) => {
    told.push(what);
    first.resolve();
  };
  const opening = openNatsEventStore({ ...cluster.options, writer: { holder: 'a test' }, waiting: { seconds, tell } });
  await Promise.race([first.promise, opening]);
  await cluster.add(2);
  await using store = await opening;
  stored(await store.append(commitOf('build-1', 'none')));
  const expected =
    /^NATS at 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+, (looking for|making) the stream FARM: .*; (JetStream answers once|3 copies)/;
  for (const what of told) assert.match(what, expected);
  assert.ok(told.length > 0);
});

it('three servers, three copies: the leader is killed in the middle, two writers race', {
  skip: noNatsServer,
}, async () => {
  await using cluster = await startCluster(3);
  const { servers, options } = cluster;
  const results: [string, number, string][] = [];
  {
    await using store = await openNatsEventStore({ ...options, writer: { holder: 'the cluster test' }, waiting });
    const nc = await connect({ servers: options.servers });
    const { cluster: state } = await (await nc.jetstreamManager()).streams.info('FARM');
    await nc.close();
    const leader = servers[Number(state?.leader?.slice(1))];
    assert.ok(leader);
    let answered = 0;
    let killed: Promise<void> | undefined;
    await Promise.all(
      Array.from({ length: 50 }, async (_, writer) => {
        for (let n = 0; n < 40; n++) {
          const commit = commitOf(`writer-${writer}`, n === 0 ? 'none' : n - 1, [n]);
          const { revision, position } = stored(await store.append(commit));
          results.push([commit.id, revision, position]);
          if (++answered === 700) killed = leader.kill();
        }
      }),
    );
    await killed;
    await leader.restart();
    const events = (await collect(store.readAll())).flatMap((batch) => batch.events);
    assert.equal(events.length, 2000);
    assert.deepEqual(
      events.map(({ commit, revision, position }) => [commit, revision, position]),
      results.toSorted(([, , a], [, , b]) => (a < b ? -1 : 1)),
    );
  }
  await using left = await openNatsEventStore({ ...options, writer: 'shared' });
  await using right = await openNatsEventStore({ ...options, writer: 'shared' });
  for (let race = 0; race < 50; race++) {
    const expected = race === 0 ? 'none' : race - 1;
    const outcome = await Promise.all([
      left.append(commitOf('race-1', expected)),
      right.append(commitOf('race-1', expected)),
    ]);
    assert.deepEqual(outcome.map(({ ok }) => ok).sort(), [false, true], `race ${race}`);
  }
  assert.equal((await collect(left.read('race-1'))).length, 50);
});
