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

/** Receives webhooks, remembers their ids, and answers at once or when it is told to. */
async function startReceiver() {
  const received: { path: string; id: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const held: ServerResponse[] = [];
  let holds = false;
  let changed = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const path = request.url ?? '';
    received.push({ path, id: String(request.headers['webhook-id']), headers: request.headers, body });
    if (path === '/hangs') held.push(response);
    else if (holds) held.push(response);
    else response.writeHead(204).end();
    changed.resolve();
    changed = Promise.withResolvers();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    received,
    url: (path: string) => `http://127.0.0.1:${port}${path}`,
    hold: (wanted: boolean) => {
      holds = wanted;
    },
    ids: (path: string) => received.filter((one) => one.path === path).map(({ id }) => id),
    async until(what: () => boolean): Promise<void> {
      while (!what()) await changed.promise;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('hooks get every event in order over kill -9 at any moment of a delivery, beside one that hangs and one that fails', {
  timeout: 180_000 + rounds * 20_000,
}, async (context) => {
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
[[hook]]
name = "hangs"
on = ${on}
url = "${receiver.url('/hangs')}"
allow-private = true
concurrency = 1
timeout-seconds = 3600
[[hook]]
name = "fails"
on = ${on}
run = "exit 1"
retry = { base-seconds = 1, max-seconds = 1, max-attempts = 1000 }
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
  async function post(path: string, body: object = {}): Promise<void> {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.ok(answer.ok, await answer.text());
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
  for (const name of ['a', 'b']) await post('/v1/agents', { name });

  let steps = 0;
  /** An event on the stream of each agent. */
  async function poke(): Promise<void> {
    const wish = steps++ % 2 === 0 ? 'pause' : 'resume';
    for (const name of ['a', 'b']) await post(`/v1/agents/${name}/${wish}`);
  }
  const webCount = () => receiver.ids('/web').length;
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

  await poke();
  const wanted = await readEvents(['AgentPaused', 'AgentResumed']);
  assert.equal(wanted.length, 2 * steps);
  const lacks = (ids: readonly string[]) => wanted.filter(({ id }) => !ids.includes(id)).map(({ id }) => id);
  await receiver.until(() => lacks(receiver.ids('/web')).length === 0);
  const gotByCommand = async () => (await readFile(commandGot, 'utf8')).split('\n').filter((line) => line !== '');
  while (lacks(await gotByCommand()).length > 0) await fetch(`${url}/healthz`);

  const place = new Map(wanted.map(({ id }, index) => [id, index]));
  for (const ids of [receiver.ids('/web'), await gotByCommand()]) {
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
  assert.deepEqual(new Set(receiver.ids('/hangs')), new Set([wanted[0]?.id]), 'the first, again after each start');

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
  assert.deepEqual(takeUnhandled(), []);
});
