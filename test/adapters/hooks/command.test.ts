import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { deliveryOf, type HookReceiver, hookTransportContract } from '../../contract/hook-transport.ts';
import { hookTransport } from '../../support/hook-transport.ts';

const quiet = () => hookTransport();
const never = new AbortController().signal;

/** A command that sends what it gets to this process, and does then as it is told. */
async function openCommand(): Promise<HookReceiver> {
  const dir = await mkdtemp(join(tmpdir(), 'drover-hook-'));
  const connections = new Set<Socket>();
  const closed: (() => void)[] = [];
  const arrived: ((event: unknown) => void)[] = [];
  let how = 'accept';
  const server = createServer((socket) => {
    connections.add(socket);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (!text.endsWith('\n')) return;
      arrived.shift()?.(JSON.parse(text));
      if (how !== 'hang') socket.end(how === 'accept' ? '0' : '3');
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        connections.delete(socket);
        if (connections.size === 0) for (const tell of closed.splice(0)) tell();
      });
  });
  const path = join(dir, 'socket');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  // A child of the command holds the connection: that it goes shows that the whole group is gone.
  const program = `
    const net = require('node:net');
    const socket = net.connect(${JSON.stringify(path)});
    let code = '';
    process.stdin.pipe(socket, { end: false });
    socket.on('data', (text) => { code += text; }).on('end', () => { if (code === '3') console.error('refused'); process.exit(Number(code)); });`;
  const script = join(dir, 'receive.cjs');
  await writeFile(script, program);
  return {
    target: { kind: 'command', run: `"${process.execPath}" "${script}"; exit $?` },
    nobody: { kind: 'command', run: [join(dir, 'not-there')] },
    behave: (wanted) => {
      how = wanted;
    },
    next: () => new Promise((resolve) => arrived.push(resolve)),
    gone: () => (connections.size === 0 ? Promise.resolve() : new Promise((resolve) => closed.push(resolve))),
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(dir, { recursive: true });
    },
  };
}

hookTransportContract('command', quiet, openCommand);

describe('a command hook', () => {
  async function outputOf(run: string, more?: Parameters<typeof deliveryOf>[1]): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'drover-hook-'));
    try {
      const file = join(dir, 'out');
      const target = { kind: 'command', run: `{ ${run} ; } > '${file}'` } as const;
      assert.deepEqual(await quiet().deliver(deliveryOf(target, more), never), { ok: true });
      return await readFile(file, 'utf8');
    } finally {
      await rm(dir, { recursive: true });
    }
  }

  it('has what is known of the event in its environment, and no secret of the coordinator', async () => {
    process.env.DROVER_TEST_HOOK_SECRET = 'secret';
    process.env.SOME_TOKEN = 'secret';
    try {
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      const environment = await outputOf('env', { traceparent });
      const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(environment)?.[1];
      assert.equal(value('DROVER_HOOK'), 'h');
      assert.equal(value('DROVER_EVENT_ID'), 'build-s1-3@4');
      assert.equal(value('DROVER_EVENT_TYPE'), 'BuildAttemptFailed');
      assert.equal(value('DROVER_BUILD'), 's1-3');
      assert.equal(value('DROVER_SUBMISSION'), 's1');
      assert.equal(value('DROVER_NAME'), 'hello-2.12');
      assert.equal(value('DROVER_FAILURE_CLASS'), 'builder-failed');
      assert.equal(value('DROVER_TAGS'), '{"branch":"main"}');
      assert.equal(value('DROVER_AGENT'), undefined);
      assert.equal(value('TRACEPARENT'), traceparent);
      assert.doesNotMatch(environment, /secret/);
    } finally {
      delete process.env.DROVER_TEST_HOOK_SECRET;
      delete process.env.SOME_TOKEN;
    }
  });

  it('is no shell where it is a list', async () => {
    const target = {
      kind: 'command',
      run: ['/bin/sh', '-c', 'test "$1" = "a b; c" -a -n "$DROVER_HOOK"', 'x', 'a b; c'],
    } as const;
    assert.deepEqual(await quiet().deliver(deliveryOf({ ...target, run: [...target.run] }), never), { ok: true });
  });

  it('fails with its exit code and the last line that it said; what it says is in the log with the event', async () => {
    const lines: { msg: string; event: string; hook: string }[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const transport = hookTransport({ logger });
    const run = 'echo first; seq 200 >&2; echo "cannot reach it" >&2; exit 4';
    const outcome = await transport.deliver(deliveryOf({ kind: 'command', run }), never);
    assert.deepEqual(outcome, { ok: false, error: 'exit code 4: cannot reach it' });
    assert.ok(lines.some(({ msg }) => msg === 'h: first'));
    assert.ok(lines.every(({ event, hook }) => event === 'build-s1-3@4' && hook === 'h'));
    assert.equal(lines.length, 101);
    assert.match(lines.at(-1)?.msg ?? '', /… and 102 lines more/);
    const killed = await quiet().deliver(deliveryOf({ kind: 'command', run: 'kill -9 $$' }), never);
    assert.deepEqual(killed, { ok: false, error: 'killed by SIGKILL (9)' });
  });

  it('that leaves a child behind which holds its output is over all the same', async () => {
    const outcome = await quiet().deliver(deliveryOf({ kind: 'command', run: 'sleep 3 & echo done' }), never);
    assert.deepEqual(outcome, { ok: true });
  });

  it('that does not read the event, or ignores that it is told to end, is no matter', async () => {
    const { event } = deliveryOf({ kind: 'command', run: 'x' });
    const large = { ...event, data: { text: 'x'.repeat(500_000) } };
    const deaf = await quiet().deliver(
      deliveryOf({ kind: 'command', run: 'exec <&-; exit 0' }, { event: large }),
      never,
    );
    assert.deepEqual(deaf, { ok: true });
    const abort = new AbortController();
    const heard = Promise.withResolvers<void>();
    const logger = pino({ level: 'info' }, { write: () => heard.resolve() });
    const stubborn = hookTransport({ logger }).deliver(
      deliveryOf({ kind: 'command', run: "trap '' TERM; echo here; sleep 1000 & wait; sleep 1000" }),
      abort.signal,
    );
    await heard.promise;
    abort.abort();
    assert.equal((await stubborn).ok, false);
  });
});
