import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { run as runCli } from '../cli/support/run-cli.ts';
import { limited, noRealFarm } from '../support/e2e/e2e-test.ts';
import { expectOneAttempt, isBuild } from '../support/e2e/events-of.ts';
import { type Farm, startFarm } from '../support/e2e/farm.ts';
import { startDrover } from '../support/e2e/process.ts';
import { type NatsServer, noNatsServer, startNatsServer } from '../support/nats-server.ts';

/** One farm for all, as most of the time of a test is the start of its processes. */
test('on NATS, whose server is killed, builds go on, and one coordinator writes, whoever stands still', {
  skip: noRealFarm || noNatsServer,
}, async (context) => {
  await using nats = await startNatsServer();
  await using farm = await startFarm({ flags: ['--store', `${nats.url}?lease=5`] });
  await limited(
    context.name,
    farm,
    (async () => {
      await farm.agent('a');
      await theServerIsKilled(farm, nats);
      await aSecondIsRefusedAndOneStoodStill(farm, nats);
    })(),
  );
});

/** In the middle of builds: it says what it cannot do. */
async function theServerIsKilled(farm: Farm, nats: NatsServer): Promise<void> {
  const gate = farm.gate('slow');
  const { submission } = await farm.submit(['after']);
  await gate.arrived();
  await farm.next('BuildStarted', isBuild(await farm.buildOf('slow')));
  await nats.kill();
  await farm.coordinator.says(/no writes are taken: the connection to NATS/);
  const ready = await farm.request('GET', '/readyz');
  assert.equal(ready.status, 503);
  assert.match(JSON.stringify(ready.body), /nats/i);
  const refused = await farm.request('POST', '/v1/agents', { body: { name: 'meanwhile' } });
  assert.deepEqual([refused.status, refused.body.code], [503, 'store-unavailable']);
  // The build ends while the log is away; its agent keeps the result until the log has it.
  gate.open();
  const why = `/v1/builds/${await farm.buildOf('slow')}/why`;
  let told = await farm.request('GET', why);
  while (told.status === 200 && told.body.state !== 'succeeded') told = await farm.request('GET', why);
  // On a machine so slow that the lease has ended before the build has, nothing is told.
  if (told.status === 503) assert.equal(told.body.code, 'store-unavailable');
  else assert.match(told.headers.get('drover-ahead') ?? 'absent', /^[1-9][0-9]*$/);
  await nats.restart();
  await farm.coordinator.says(/takes appends again/);
  await expectOneAttempt(farm, 'slow');
  await expectOneAttempt(farm, 'after');
  const { body } = await farm.request('GET', `/v1/builds?submission=${submission}`);
  assert.deepEqual(
    body.rows.map((build: { state: string; attempt: number }) => [build.state, build.attempt]),
    [
      ['succeeded', 1],
      ['succeeded', 1],
    ],
  );
  assert.equal((await farm.request('GET', '/readyz')).status, 200);
  await looksBack(farm);
}

/** A moment before the last event is found by its time, and is as it was. */
async function looksBack(farm: Farm): Promise<void> {
  const get = async (path: string) => (await farm.request('GET', path)).body;
  const { last } = await get('/v1/moments');
  const { position } = await get(`/v1/moments/find?time=${last.at}`);
  assert.ok(position < last.position, position);
  while (!(await get(`/v1/moments/${position}?wait=10`)).ready);
  assert.equal((await get(`/v1/moments/${position}/v1/status`)).position, position);
}

/**
 * A second coordinator on the same store is refused, and may start once the first is gone, whatever its own lease. Stopped past that, it
 * stops for good when it wakes up, without having written.
 */
async function aSecondIsRefusedAndOneStoodStill(farm: Farm, nats: NatsServer): Promise<void> {
  const data = join(farm.folder, 'data-of-another');
  const args = ['coordinator', '--data', data, '--listen', '127.0.0.1:0', '--store', `${nats.url}?lease=1`];
  const second = startDrover(args);
  assert.equal(await second.says(/coordinator at/), undefined);
  assert.equal((await second.exited).code, 1);
  assert.match(second.said(), new RegExp(`process ${farm.coordinator.pid}\\b.*\\(in-use\\)`, 's'));
  await farm.kill9();
  const third = startDrover(args);
  try {
    assert.notEqual(await third.says(/coordinator at/), undefined, third.said());
    third.kill('SIGSTOP');
    await farm.start();
    third.kill('SIGCONT');
    const { code } = await third.exited;
    assert.equal(code, 1, third.said());
    assert.match(third.said(), /lease-lost/);
  } finally {
    await third.killGroup();
  }
}

test('a log is moved from SQLite to NATS and back, and the farm is the same (I3)', {
  skip: noRealFarm || noNatsServer,
}, async () => {
  await using nats = await startNatsServer();
  await using farm = await startFarm();
  await limited('moving', farm, move(farm, nats));
});

async function move(farm: Farm, nats: NatsServer): Promise<void> {
  await farm.agent('a');
  await farm.submit(['base']);
  await expectOneAttempt(farm, 'base');
  await farm.kill9();
  const before = await farm.replay();
  const copy = async (from: string, to: string) => {
    const { code, stdout, said } = await farm.drover(['log', 'copy', '--json', '--from', from, '--to', to]);
    assert.equal(code, 0, said);
    return JSON.parse(stdout);
  };
  const there = await copy(`sqlite:${farm.data}`, `${nats.url}?lease=20`);
  assert.ok(there.events > 10 && there.found === 0);
  // Again: everything is found, nothing is written twice.
  assert.deepEqual(await copy(`sqlite:${farm.data}`, `${nats.url}?lease=20`), { ...there, found: there.events });
  const moved = join(farm.folder, 'moved');
  assert.equal((await copy(nats.url, `sqlite:${moved}`)).hash, there.hash);
  assert.deepEqual(await farm.replay(moved), before);
  // The coordinator goes on where it was, on the other engine, with the same data folder for everything else.
  await farm.start(['--store', `${nats.url}?lease=20`]);
  const { body } = await farm.request('GET', '/v1/builds');
  assert.ok(body.rows.length > 0 && body.rows.every((build: { state: string }) => build.state === 'succeeded'));
  // The chain of hashes went on over the move, a kill and another start, and the stop signs a checkpoint of it all.
  farm.coordinator.kill('SIGTERM');
  await farm.coordinator.exited;
  const key = join(farm.data, 'audit-key.pub');
  const verify = ['events', 'verify', '--json', '--store', nats.url, '--key', key];
  const { out, err } = await runCli(verify);
  const { fault, linkedFrom, checkpoints, signed, commits } = JSON.parse(out || err);
  assert.deepEqual([fault, linkedFrom, signed.commits], [undefined, '00000000000000020000', commits - 1]);
  assert.ok(checkpoints > 0);
}
