import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import type { HookStatus } from '../../coordinator/hooks/status.ts';
import { type Process, startDrover, takeUnhandled } from '../support/e2e/process.ts';

/** More rounds: `HOOK_KILL_ROUNDS=50 npm test -- e2e/hooks`. */
const rounds = Number(process.env.HOOK_KILL_ROUNDS ?? 3);
/** How often the latency of the quick hook is measured, alone and beside the others; `HOOK_LATENCIES=500` for figures. */
const measured = Number(process.env.HOOK_LATENCIES ?? 15);

/**
 * Receives webhooks and remembers their ids. What comes to `/web` is answered at once or when it is told to, what comes to `/slow` once two
 * more have come to `/web`, and what comes to `/hangs` never.
 */
async function startReceiver(host = '127.0.0.1', wantedPort = 0) {
  const received: { path: string; id: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const held: ServerResponse[] = [];
  const slow: { readonly response: ServerResponse; readonly at: number }[] = [];
  let holds = false;
  let isSlow = true;
  const count = (path: string) => received.filter((one) => one.path === path).length;
  const answerSlow = (): void => {
    while (slow[0] !== undefined && (!isSlow || count('/web') >= slow[0].at + 2))
      slow.shift()?.response.writeHead(204).end();
  };
  let changed = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const path = request.url ?? '';
    received.push({ path, id: String(request.headers['webhook-id']), headers: request.headers, body });
    if (path === '/hangs' || (holds && path === '/web')) held.push(response);
    else if (path === '/slow') slow.push({ response, at: count('/web') });
    else response.writeHead(204).end();
    answerSlow();
    changed.resolve();
    changed = Promise.withResolvers();
  });
  await new Promise<void>((resolve) => server.listen(wantedPort, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    received,
    port,
    url: (path: string) => `http://${host}:${port}${path}`,
    quicken: () => {
      isSlow = false;
      answerSlow();
    },
    hold: (wanted: boolean) => {
      holds = wanted;
    },
    ids: (path: string) => received.filter((one) => one.path === path).map(({ id }) => id),
    async until(what: () => boolean): Promise<void> {
      while (!what()) await changed.promise;
    },
    async [Symbol.asyncDispose]() {
      // In this order: a coordinator that still runs would come back for the one that hangs, and a failure would look like a test without end.
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

test('hooks get every event in order over kill -9 at any moment of a delivery, beside one that hangs, one that fails, one that is slow and one whose receiver is away', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-e2e-'));
  await using receiver = await startReceiver();
  const processes: Process[] = [];
  context.after(async () => {
    await Promise.all(processes.map((one) => one.killGroup()));
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  await writeFile(join(folder, 'secret'), `${secret}\n`, { mode: 0o600 });
  const commandGot = join(folder, 'got');
  await writeFile(commandGot, '');
  const on = '["AgentPaused", "AgentResumed"]';
  const config = join(folder, 'coordinator.toml');
  await writeFile(
    config,
    `
data = "${join(folder, 'data')}"
listen = "127.0.0.1:0"
log-format = "json"
hooks.trust-api = true
[[hook]]
name = "web"
on = ${on}
url = "${receiver.url('/web')}"
secret-file = "${join(folder, 'secret')}"
allow-private = true
retry = { base-seconds = 1, max-seconds = 1 }
[[hook]]
name = "command"
on = ${on}
where = { agents = ["a", "b"] }
run = 'printf "%s\\n" "$DROVER_EVENT_ID" >> "${commandGot}"'
`,
  );
  let url = '';
  async function start(): Promise<Process> {
    const coordinator = startDrover(['coordinator', '--config', config]);
    processes.push(coordinator);
    const up = (await coordinator.says(/coordinator at (\S+),/)) ?? assert.fail(coordinator.said());
    url = up[1] as string;
    return coordinator;
  }
  let coordinator = await start();
  const token = (await readFile(join(folder, 'data', 'admin.token'), 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  async function post(path: string, body: object = {}): Promise<string> {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, text);
    return text;
  }
  async function readEvents(types: readonly string[]): Promise<{ id: string; stream: string }[]> {
    const query = types.map((type) => `type=${type}`).join('&');
    const answer = await fetch(`${url}/v1/events?${query}`, {
      headers: { ...headers, accept: 'application/x-ndjson' },
    });
    const lines = (await answer.text()).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line));
  }
  async function kill9(): Promise<void> {
    coordinator.kill('SIGKILL');
    await coordinator.exited;
  }
  const secrets = [token, secret];
  for (const name of ['a', 'b']) secrets.push(JSON.parse(await post('/v1/agents', { name })).secret);
  secrets.push(JSON.parse(await post('/v1/tokens', { name: 'ci', scope: 'submit' })).secret);
  for (const key of ['cache-key.sec', 'audit-key.sec'])
    secrets.push((await readFile(join(folder, 'data', key), 'utf8')).trim());

  let steps = 0;
  /** An event on the stream of each agent. */
  async function poke(): Promise<void> {
    const wish = steps++ % 2 === 0 ? 'pause' : 'resume';
    for (const name of ['a', 'b']) await post(`/v1/agents/${name}/${wish}`);
  }
  const webCount = () => receiver.ids('/web').length;
  /** From the wish for an event until it is at the quick hook, in milliseconds, shortest first. */
  async function latencies(): Promise<number[]> {
    const times: number[] = [];
    for (let turn = 0; turn < measured; turn++) {
      const before = webCount();
      const start = performance.now();
      const asked = post(`/v1/agents/a/${steps % 2 === 0 ? 'pause' : 'resume'}`);
      await receiver.until(() => webCount() > before);
      times.push(performance.now() - start);
      await asked;
      await post(`/v1/agents/b/${steps++ % 2 === 0 ? 'pause' : 'resume'}`);
      await receiver.until(() => webCount() > before + 1);
    }
    return times.toSorted((a, b) => a - b);
  }
  const alone = await latencies();

  // An address of its own: nobody else takes the port while the receiver is away.
  const awayHost = '127.83.7.2';
  const away = await startReceiver(awayHost);
  const awayUrl = away.url('/away');
  await away[Symbol.asyncDispose]();
  const forEver = { maxAttempts: 1000, baseSeconds: 1, maxSeconds: 1 };
  const types = ['AgentPaused', 'AgentResumed'];
  for (const other of [
    { name: 'hangs', url: receiver.url('/hangs'), concurrency: 1, timeoutSeconds: 3600 },
    { name: 'fails', run: 'exit 1', retry: forEver },
    { name: 'slow', url: receiver.url('/slow'), concurrency: 1, retry: forEver },
    { name: 'away', url: awayUrl, retry: forEver },
  ])
    await post('/v1/hooks', { on: types, ...other, ...('url' in other && { allowPrivate: true }) });
  const alreadyDone = 2 * steps;
  for (let round = 0; round < rounds; round++) {
    const before = webCount();
    switch (round % 4) {
      case 0: // While deliveries are under way.
        receiver.hold(true);
        await poke();
        await receiver.until(() => webCount() >= before + 1);
        break;
      case 1: // When they have been answered, and before that is written down.
        await poke();
        await poke();
        await receiver.until(() => webCount() >= before + 2);
        break;
      case 2: // As soon as the events are durable.
        await poke();
        break;
      default: // When it is written down.
        await poke();
        await receiver.until(() => webCount() >= before + 2);
        for (const written = await checkpoints(); (await checkpoints()) === written; );
    }
    await kill9();
    receiver.hold(false);
    coordinator = await start();
  }
  async function checkpoints(): Promise<number> {
    return (await readEvents(['HookCheckpointed'])).filter(({ stream }) => stream === 'hook-web').length;
  }
  async function hooks(): Promise<HookStatus[]> {
    return ((await (await fetch(`${url}/v1/hooks`, { headers })).json()) as { rows: HookStatus[] }).rows;
  }

  const beside = await latencies();
  const figures = [alone, beside].map((times) =>
    [0.5, 0.99].map((part) => (times[Math.floor(part * times.length)] ?? 0).toFixed(1)).join(' and '),
  );
  context.diagnostic(
    `the quick hook gets an event after (p50 and p99 of ${measured}) ${figures[0]} ms alone, ${figures[1]} ms beside the others`,
  );
  const wanted = await readEvents(['AgentPaused', 'AgentResumed']);
  assert.equal(wanted.length, 2 * steps);
  const later = wanted.slice(alreadyDone);
  const lacks = (ids: readonly string[]) => wanted.filter(({ id }) => !ids.includes(id)).map(({ id }) => id);
  await receiver.until(() => lacks(receiver.ids('/web')).length === 0);
  const gotByCommand = async () => (await readFile(commandGot, 'utf8')).split('\n').filter((line) => line !== '');
  while (lacks(await gotByCommand()).length > 0) await fetch(`${url}/healthz`);

  // The quick ones have it all. The others wait as they should: none has come further than its own receiver let it.
  const behind = new Map((await hooks()).map((hook) => [hook.name, hook]));
  assert.ok(new Set(receiver.ids('/slow')).size < later.length, 'the slow one is not done');
  assert.ok((behind.get('slow')?.lag.events ?? 0) > 0);
  assert.deepEqual([behind.get('away')?.delivered, behind.get('fails')?.delivered], [0, 0]);
  assert.match(JSON.stringify(behind.get('away')?.failing), /ECONNREFUSED/);

  await using back = await startReceiver(awayHost, away.port);
  receiver.quicken();
  const lacksLater = (ids: readonly string[]) => later.some(({ id }) => !ids.includes(id));
  await Promise.all([
    receiver.until(() => !lacksLater(receiver.ids('/slow'))),
    back.until(() => !lacksLater(back.ids('/away'))),
  ]);

  const place = new Map(wanted.map(({ id }, index) => [id, index]));
  for (const ids of [receiver.ids('/web'), await gotByCommand(), receiver.ids('/slow'), back.ids('/away')]) {
    const last = new Map<string, number>();
    for (const id of new Set(ids)) {
      const stream = id.replace(/@.*/, '');
      const at = place.get(id) ?? assert.fail(`${id} was not asked for`);
      assert.ok(at > (last.get(stream) ?? -1), `${id} came for the first time after what followed it`);
      last.set(stream, at);
    }
  }
  for (const one of receiver.received.filter(({ path }) => path === '/web')) {
    const event = new Webhook(secret).verify(one.body, one.headers as Record<string, string>);
    assert.equal((event as { id: string }).id, one.id);
  }
  const byName = new Map((await hooks()).map((hook) => [hook.name, hook]));
  assert.equal(byName.get('hangs')?.inFlight.length, 1);
  assert.equal(byName.get('hangs')?.delivered, 0);
  assert.ok((byName.get('hangs')?.lag.events ?? 0) >= 2);
  assert.equal(byName.get('fails')?.delivered, 0);
  assert.deepEqual(new Set(receiver.ids('/hangs')), new Set([later[0]?.id]), 'the first, again after each start');

  // A stop that is meant ends what hangs, and writes down how far each is: nothing comes twice.
  const before = webCount();
  const commandBefore = (await gotByCommand()).length;
  coordinator.kill('SIGTERM');
  assert.equal((await coordinator.exited).code, 0);
  coordinator = await start();
  await poke();
  await receiver.until(() => webCount() >= before + 2);
  while ((await gotByCommand()).length < commandBefore + 2) await fetch(`${url}/healthz`);
  assert.equal(webCount(), before + 2);
  assert.equal((await gotByCommand()).length, commandBefore + 2);

  // Nothing secret is in an event, whoever asks, nor in the file of the log.
  const all = await fetch(`${url}/v1/events`, { headers: { ...headers, accept: 'application/x-ndjson' } });
  const texts = [await all.text()];
  for (const file of ['events.db', 'events.db-wal']) texts.push(await readFile(join(folder, 'data', file), 'latin1'));
  assert.ok(texts[0]?.includes('drover.TokenIssued') && texts.slice(1).some((text) => text.includes('TokenIssued')));
  for (const [index, one] of secrets.entries()) {
    assert.ok(one.length >= 20, `secret ${index} is one`);
    // Of a key also what comes after its name, which is no secret.
    const rest = one.replace(/^PRIVATE\+KEY\+[^+]+\+[^+]+\+|^.*[:_]/, '');
    for (const part of [one, rest].filter(({ length }) => length >= 16))
      assert.ok(!texts.some((text) => text.includes(part)), `secret ${index} is in the log`);
  }
  assert.deepEqual(takeUnhandled(), []);
});
