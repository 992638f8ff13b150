import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connect } from 'nats';
import { openNatsEventStore } from '../../../../adapters/event-store/nats/store.ts';
import { collect, commitOf, stored } from '../../../contract/commits.ts';
import { freePort } from '../../../support/free-port.ts';
import { type NatsServer, noNatsServer, startNatsServer } from '../../../support/nats-server.ts';

it('three servers, three copies: the leader is killed in the middle, two writers race', {
  skip: noNatsServer,
}, async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  await using cluster = new AsyncDisposableStack();
  const servers: NatsServer[] = [];
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  for (const server of await Promise.all(
    ports.map((port, n) =>
      startNatsServer(`server_name: n${n}\ncluster { name: farm, listen: "127.0.0.1:${port}", routes: [${routes}] }`),
    ),
  ))
    servers.push(cluster.use(server));
  await Promise.any(servers.map((server) => server.logged(/new metadata leader/)));

  const options = { servers: servers.map(({ port }) => `127.0.0.1:${port}`), stream: 'FARM', replicas: 3 };
  const results: [string, number, string][] = [];
  {
    await using store = await openNatsEventStore({ ...options, writer: { holder: 'the cluster test' } });
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
