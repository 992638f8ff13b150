import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Packr } from 'msgpackr';
import { pino } from 'pino';
import { createAgentLinkServer } from '../../../adapters/agent-link/server.ts';
import type { AgentRefusal, Application } from '../../../coordinator/application.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import type { AgentLinks } from '../../../coordinator/ports/agent-links.ts';
import type { AgentMessage, CoordinatorMessage } from '../../../domain/agent/messages.ts';
import { maxFrameBytes, maxOutputs } from '../../../domain/limits.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { createMailbox } from '../../support/mailbox.ts';
import { createManualRuntime, type ManualRuntime } from '../../support/manual-runtime.ts';
import { type Harness, harness } from '../http/harness.ts';
import { dial, hello } from './raw-agent.ts';

const cancel = (build: string): CoordinatorMessage => ({ type: 'cancel', build, attempt: 1, reason: 'test' });
const started = (build: string): AgentMessage => ({ type: 'started', build, attempt: 1 });

interface Setup extends AsyncDisposable {
  readonly url: string;
  readonly links: AgentLinks;
  readonly runtime: ManualRuntime;
  readonly harness: Harness;
  /** What the application was told of links: `connected`, or why one ended. */
  readonly events: ReturnType<typeof createMailbox<string>>;
}

async function listening(application: Partial<Application> = {}): Promise<Setup> {
  const events = createMailbox<string>();
  const runtime = createManualRuntime();
  const agentLink = createAgentLinkServer({ runtime, logger: pino({ level: 'silent' }), session: 'c-1' });
  const built = await harness({
    agentLink,
    runtime,
    application: {
      agentConnected: async (agent) => {
        events.put(`connected ${agent}`);
        return { heartbeatSeconds: 10, leaseSeconds: 60, logs: [], drop: [], publicKeys: [] };
      },
      agentDisconnected: async (agent, reason) => events.put(`disconnected ${agent}: ${reason}`),
      authenticate: (secret) => {
        const agent = /^agent-(.+)$/.exec(secret)?.[1] ?? (secret === secretOfScope('agent') ? 'alpha' : undefined);
        if (agent !== undefined) return { id: `t-${agent}`, scope: 'agent', agent };
        return secret === secretOfScope('admin') ? { id: 't-admin', scope: 'admin' } : undefined;
      },
      ...application,
    },
  });
  agentLink.serve(built.application);
  const url = await built.app.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    links: agentLink.links,
    runtime,
    harness: built,
    events,
    [Symbol.asyncDispose]: () => built[Symbol.asyncDispose](),
  };
}

describe('opening a link', () => {
  test('hello is answered with welcome, and the application knows the agent by its token', async () => {
    await using setup = await listening();
    const agent = await dial(setup.url, { token: 'agent-beta' });
    agent.send(hello);
    assert.deepEqual(await agent.expect('welcome'), {
      kind: 'welcome',
      protocol: 1,
      agent: 'beta',
      session: 'c-1',
      received: { session: 'a-1', n: 0 },
      heartbeatSeconds: 10,
      leaseSeconds: 60,
      logs: [],
      drop: [],
      publicKeys: [],
    });
    assert.equal(await setup.events.take(), 'connected beta');
  });

  test('without the token of an agent the upgrade is refused', async () => {
    await using setup = await listening();
    await assert.rejects(dial(setup.url, { token: 'nobody' }), /401/);
    await assert.rejects(dial(setup.url, { token: secretOfScope('admin') }), /403/);
  });

  test('a link that says nothing is closed, and the application hears nothing of it', async () => {
    await using setup = await listening();
    const agent = await dial(setup.url);
    setup.runtime.advance(10_000);
    assert.equal((await agent.expect('refused')).code, 'malformed-frame');
    assert.equal(await agent.closed, 1002);
    assert.equal(setup.events.size, 0);
  });

  test('another protocol is refused for good', async () => {
    await using setup = await listening();
    const agent = await dial(setup.url);
    agent.send({ ...hello, protocol: 2 });
    assert.deepEqual(await agent.expect('refused'), {
      kind: 'refused',
      code: 'protocol-unsupported',
      message: 'expected protocol 1, got 2',
      fatal: true,
    });
  });

  test('a refusal of the application is told; one that passes is not fatal', async () => {
    const errors = [
      new DroverError('wrong-store-dir', 'no'),
      new DroverError('not-ready', 'wait'),
      new Error('secret inside'),
    ];
    await using setup = await listening({
      agentConnected: async () => {
        throw errors.shift();
      },
    });
    const told: unknown[] = [];
    for (let index = 0; index < 3; index++) {
      const agent = await dial(setup.url);
      agent.send(hello);
      const { code, fatal, message } = await agent.expect('refused');
      told.push([code, fatal]);
      assert.doesNotMatch(message, /secret inside/);
      await agent.closed;
    }
    assert.deepEqual(told, [
      ['wrong-store-dir', true],
      ['not-ready', false],
      ['internal-error', false],
    ]);
    assert.equal(setup.events.size, 0, 'an agent that was not taken does not disconnect');
  });
});

describe('messages of the agent', () => {
  test('are acknowledged once what they caused is durable', async () => {
    const gate = Promise.withResolvers<void>();
    const arrived = createMailbox<AgentMessage>();
    await using setup = await listening({
      agentMessage: async (_agent, message) => {
        arrived.put(message);
        await gate.promise;
      },
    });
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    agent.send({ kind: 'message', n: 1, body: started('b-1') });
    assert.deepEqual(await arrived.take(), started('b-1'));
    setup.links.send('alpha', cancel('marker'));
    assert.equal((await agent.next()).kind, 'message', 'the ack would have come first');
    gate.resolve();
    assert.deepEqual(await agent.expect('ack'), { kind: 'ack', n: 1 });
  });

  test('of one build are handled in order, of others meanwhile; acks never run ahead', async () => {
    const gate = Promise.withResolvers<void>();
    const arrived = createMailbox<string>();
    await using setup = await listening({
      agentMessage: async (_agent, { build, type }) => {
        arrived.put(`${build} ${type}`);
        if (build === 'b-1' && type === 'started') await gate.promise;
      },
    });
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    agent.send({ kind: 'message', n: 1, body: started('b-1') });
    agent.send({ kind: 'message', n: 2, body: { type: 'released', build: 'b-1', attempt: 1, reason: 'handed-back' } });
    agent.send({ kind: 'message', n: 3, body: started('b-2') });
    assert.equal(await arrived.take(), 'b-1 started');
    assert.equal(await arrived.take(), 'b-2 started');
    assert.equal(arrived.size, 0);
    gate.resolve();
    assert.equal(await arrived.take(), 'b-1 released');
    let acked = 0;
    while (acked < 3) {
      const { n } = await agent.expect('ack');
      assert.ok(n > acked);
      acked = n;
    }
  });

  test('that are refused are acknowledged all the same; they change nothing', async () => {
    await using setup = await listening({
      agentMessage: async () => {
        throw new DroverError('not-your-attempt', 'no');
      },
    });
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    agent.send({ kind: 'message', n: 1, body: started('b-1') });
    assert.equal((await agent.expect('ack')).n, 1);
  });

  test('that could not be handled are not acknowledged, and taken again on the next link', async () => {
    const arrived = createMailbox<string>();
    let broken = true;
    await using setup = await listening({
      agentMessage: async (_agent, { build }) => {
        arrived.put(build);
        if (broken) throw new Error('the disk is on fire');
      },
    });
    const first = await dial(setup.url);
    first.send(hello);
    await first.expect('welcome');
    first.send({ kind: 'message', n: 1, body: started('b-1') });
    const refused = await first.expect('refused');
    assert.equal(refused.fatal, false);
    assert.doesNotMatch(refused.message, /fire/);
    broken = false;
    const second = await dial(setup.url);
    second.send({ ...hello, received: { session: 'c-1', n: 0 } });
    assert.deepEqual((await second.expect('welcome')).received, { session: 'a-1', n: 0 });
    second.send({ kind: 'message', n: 1, body: started('b-1') });
    assert.equal((await second.expect('ack')).n, 1);
    assert.deepEqual([await arrived.take(), await arrived.take()], ['b-1', 'b-1']);
  });

  test('that come again and again are not acknowledged one by one: acks do not heap up for an agent that does not read', async () => {
    await using setup = await listening({ agentMessage: async () => undefined });
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    agent.send({ kind: 'message', n: 1, body: started('b-1') });
    await agent.expect('ack');
    const repeats = 5000;
    for (let again = 0; again < repeats; again++) agent.send({ kind: 'message', n: 1, body: started('b-1') });
    agent.send({ kind: 'message', n: 2, body: started('b-2') });
    let acks = 1;
    while ((await agent.expect('ack')).n < 2) acks++;
    assert.ok(acks < repeats / 2, `${acks} acks of ${repeats} repeats`);
  });

  test('out of band go to the application in the order of their build, and their failure harms nothing', async () => {
    const arrived = createMailbox<string>();
    await using setup = await listening({
      agentOob: async (_agent, oob) => {
        arrived.put(oob.type === 'log' ? `log ${oob.offset} ${Buffer.from(oob.data).toString()}` : oob.type);
        throw new DroverError('stale-attempt', 'no');
      },
      agentMessage: async (_agent, { type }) => arrived.put(type),
    });
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    agent.send({ kind: 'oob', body: { type: 'heartbeat', running: 1 } });
    agent.send({ kind: 'oob', body: { type: 'log', build: 'b-1', attempt: 1, offset: 5, data: Buffer.from('abc') } });
    agent.send({
      kind: 'message',
      n: 1,
      body: { type: 'failed', build: 'b-1', attempt: 1, class: 'builder-failed', message: '' },
    });
    assert.deepEqual(
      [await arrived.take(), await arrived.take(), await arrived.take()],
      ['heartbeat', 'log 5 abc', 'failed'],
    );
    assert.equal((await agent.expect('ack')).n, 1);
  });

  test('beyond what may be under way at once wait in the connection, and none is lost', async () => {
    const gate = Promise.withResolvers<void>();
    let handled = 0;
    await using setup = await listening({
      agentMessage: async () => {
        await gate.promise;
        handled++;
      },
    });
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    const count = 500;
    for (let n = 1; n <= count; n++) agent.send({ kind: 'message', n, body: started(`b-${n}`) });
    gate.resolve();
    let last = 0;
    while (last < count) last = (await agent.expect('ack')).n;
    assert.equal(handled, count);
  });
});

describe('messages to the agent', () => {
  test('are numbered, kept until acknowledged, and resent to the same session', async () => {
    await using setup = await listening();
    setup.links.send('alpha', cancel('before-any-session'));
    const first = await dial(setup.url);
    first.send(hello);
    await first.expect('welcome');
    for (const build of ['b-1', 'b-2', 'b-3']) setup.links.send('alpha', cancel(build));
    assert.deepEqual(await first.expect('message'), { kind: 'message', n: 1, body: cancel('b-1') });
    first.send({ kind: 'ack', n: 1 });
    first.socket.close();
    await setup.events.take();
    assert.match(await setup.events.take(), /^disconnected alpha/);
    setup.links.send('alpha', cancel('b-4'));

    const second = await dial(setup.url);
    // It had received number 2 as well, but its ack was lost.
    second.send({ ...hello, received: { session: 'c-1', n: 2 } });
    await second.expect('welcome');
    assert.deepEqual(await second.expect('message'), { kind: 'message', n: 3, body: cancel('b-3') });
    assert.deepEqual(await second.expect('message'), { kind: 'message', n: 4, body: cancel('b-4') });
    assert.equal(setup.harness.app.websocketServer.clients.size, 1);
  });

  test('are not resent to a new session: its hello says by itself what it runs', async () => {
    await using setup = await listening();
    const first = await dial(setup.url);
    first.send(hello);
    await first.expect('welcome');
    setup.links.send('alpha', cancel('b-1'));
    await first.expect('message');
    first.socket.terminate();
    const second = await dial(setup.url);
    second.send({ ...hello, session: 'a-2', received: { session: 'c-1', n: 0 } });
    assert.deepEqual((await second.expect('welcome')).received, { session: 'a-2', n: 0 });
    setup.links.send('alpha', cancel('b-2'));
    assert.deepEqual(await second.expect('message'), { kind: 'message', n: 1, body: cancel('b-2') });
  });

  test('sent while the application takes the link come after the welcome', async () => {
    let links: AgentLinks | undefined;
    await using setup = await listening({
      agentConnected: async (agent) => {
        links?.send(agent, cancel('b-1'));
        return { heartbeatSeconds: 10, leaseSeconds: 60, logs: [], drop: [], publicKeys: [] };
      },
    });
    links = setup.links;
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    assert.equal((await agent.expect('message')).n, 1);
  });

  test('an ack or a received number that was never sent is refused', async () => {
    await using setup = await listening();
    const first = await dial(setup.url);
    first.send(hello);
    await first.expect('welcome');
    first.send({ kind: 'ack', n: 1 });
    assert.equal((await first.expect('refused')).code, 'malformed-frame');
    const second = await dial(setup.url);
    second.send({ ...hello, received: { session: 'c-1', n: 9 } });
    assert.match((await second.expect('refused')).message, /received\.n/);
  });

  test('close for a reason that passes lets the agent come back; what was not acknowledged is settled anew, and numbers go on', async () => {
    await using setup = await listening();
    const first = await dial(setup.url);
    first.send(hello);
    await first.expect('welcome');
    first.send({ kind: 'message', n: 1, body: started('b-1') });
    await first.expect('ack');
    for (const build of ['b-1', 'b-2', 'b-3']) setup.links.send('alpha', cancel(build));
    for (let n = 1; n <= 3; n++) await first.expect('message');
    setup.links.close('alpha', 'not-ready', 'starting again');
    assert.equal((await first.expect('refused')).fatal, false);
    setup.links.send('alpha', cancel('nobody-to-send-to'));
    const second = await dial(setup.url);
    second.send({ ...hello, received: { session: 'c-1', n: 2 } });
    assert.deepEqual((await second.expect('welcome')).received, { session: 'a-1', n: 1 });
    setup.links.send('alpha', cancel('b-4'));
    assert.deepEqual(await second.expect('message'), { kind: 'message', n: 3, body: cancel('b-4') });
  });

  test('close says why, for good, and forgets the session', async () => {
    await using setup = await listening();
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    setup.links.close('alpha', 'agent-retired', 'removed');
    assert.deepEqual(await agent.expect('refused'), {
      kind: 'refused',
      code: 'agent-retired',
      message: 'removed',
      fatal: true,
    });
    assert.equal(await agent.closed, 1008);
    setup.links.close('nobody', 'agent-retired', 'no effect');
  });
});

describe('more than one link', () => {
  test('of the same process: the newer one supersedes, without a disconnect between', async () => {
    await using setup = await listening();
    const older = await dial(setup.url);
    older.send(hello);
    await older.expect('welcome');
    const newer = await dial(setup.url);
    newer.send(hello);
    const refused = await older.expect('refused');
    assert.deepEqual([refused.code, refused.fatal], ['superseded', false]);
    await newer.expect('welcome');
    assert.deepEqual([await setup.events.take(), await setup.events.take()], ['connected alpha', 'connected alpha']);
    setup.links.send('alpha', cancel('b-1'));
    await newer.expect('message');
    assert.equal(setup.events.size, 0);
  });

  test('of two processes with one token: the second is refused as long as the first answers, and told where that is', async () => {
    const refusals = createMailbox<AgentRefusal>();
    await using setup = await listening({ agentRefused: (_agent, refusal) => refusals.put(refusal) });
    const first = await dial(setup.url);
    first.send({ ...hello, place: { host: 'box', pid: 7 } });
    await first.expect('welcome');
    const second = await dial(setup.url);
    second.send({ ...hello, session: 'a-2', place: { host: 'other', pid: 8 } });
    const { code, message, fatal } = await second.expect('refused');
    assert.deepEqual([code, fatal], ['agent-in-use', false]);
    assert.match(message, /runs already on box \(process 7, from 127\.0\.0\.1\), since 2023-/);
    assert.deepEqual(await refusals.take(), { code, message, place: { host: 'other', pid: 8, address: '127.0.0.1' } });
    setup.links.send('alpha', cancel('b-1'));
    await first.expect('message');
  });

  test('of two processes with one token: the second is let in once the first says nothing for a heartbeat', async () => {
    await using setup = await listening();
    const first = await dial(setup.url, { autoPong: false });
    first.send(hello);
    await first.expect('welcome');
    const asked = once(first.socket, 'ping');
    const second = await dial(setup.url);
    second.send({ ...hello, session: 'a-2' });
    await asked;
    setup.runtime.advance(10_000);
    const refused = await first.expect('refused');
    assert.deepEqual([refused.code, refused.fatal], ['superseded', false]);
    await second.expect('welcome');
  });

  test('a newer link that goes before it is taken leaves the agent disconnected, not forgotten', async () => {
    const gates = createMailbox<() => void>();
    const events = createMailbox<string>();
    await using setup = await listening({
      agentConnected: async () => {
        events.put('connected');
        await new Promise<void>((resolve) => gates.put(resolve));
        return { heartbeatSeconds: 10, leaseSeconds: 60, logs: [], drop: [], publicKeys: [] };
      },
      agentDisconnected: async () => events.put('disconnected'),
    });
    const older = await dial(setup.url);
    older.send(hello);
    assert.equal(await events.take(), 'connected');
    const open = await gates.take();
    const newer = await dial(setup.url);
    newer.send(hello);
    await older.expect('refused');
    const serverSide = Array.from(setup.harness.app.websocketServer.clients, (client) => once(client, 'close'));
    newer.socket.terminate();
    await Promise.all(serverSide);
    open();
    assert.equal(await events.take(), 'disconnected');
  });

  test('the faults of one agent do not touch another', async () => {
    await using setup = await listening();
    const good = await dial(setup.url, { token: 'agent-good' });
    good.send(hello);
    await good.expect('welcome');
    const bad = await dial(setup.url, { token: 'agent-bad' });
    bad.send(hello);
    await bad.expect('welcome');
    bad.socket.send(Buffer.from([0xc1]));
    await bad.closed;
    good.send({ kind: 'message', n: 1, body: started('b-1') });
    assert.equal((await good.expect('ack')).n, 1);
  });
});

describe('bad frames', () => {
  const packr = new Packr({ useRecords: false });
  const cases: [name: string, frame: Uint8Array | string, close: number, message: RegExp, fatal: boolean][] = [
    ['text', '{"kind":"ack","n":1}', 1002, /binary/, true],
    ['bytes that are not msgpack', Buffer.from([0xc1, 0xc1]), 1002, /type of the protocol/, true],
    ['deep nesting', Buffer.concat([Buffer.alloc(100_000, 0x91), Buffer.from([0xc0])]), 1002, /nesting/, true],
    ['an unknown kind', packr.pack({ kind: 'nonsense' }), 1002, /kind/, true],
    ['a frame of the coordinator', packr.pack({ kind: 'welcome' }), 1002, /kind/, true],
    ['a second hello', packr.pack(hello), 1002, /hello once/, false],
    [
      'a gap in the numbers',
      packr.pack({ kind: 'message', n: 5, body: started('b-1') }),
      1002,
      /at most, got 5/,
      false,
    ],
    ['a frame that is too large', new Uint8Array(maxFrameBytes + 1), 1009, /at most/, true],
  ];
  for (const [name, frame, close, message, fatal] of cases) {
    test(`${name}: refused, the link closed, the agent disconnected`, async () => {
      await using setup = await listening();
      const agent = await dial(setup.url);
      agent.send(hello);
      await agent.expect('welcome');
      agent.socket.send(frame);
      const refused = await agent.expect('refused');
      assert.equal(refused.code, close === 1009 ? 'frame-too-large' : 'malformed-frame');
      assert.match(refused.message, message);
      assert.equal(refused.fatal, fatal);
      assert.equal(await agent.closed, close);
      assert.equal(await setup.events.take(), 'connected alpha');
      assert.match(await setup.events.take(), /^disconnected alpha/);
    });
  }

  test('a message that cannot be read is acknowledged, as it would come again for ever, and fails its attempt', async () => {
    const reports = createMailbox<AgentMessage>();
    await using setup = await listening({ agentMessage: async (_agent, message) => reports.put(message) });
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    const outputs = Array.from({ length: maxOutputs + 1 }, () => ({ name: 'out' }));
    const bodies = [
      { type: 'succeeded', build: 'b-1', attempt: 2, outputs, durationMs: 1, logBytes: 1 },
      { type: 'nonsense', build: 'b-1', attempt: 2 },
      { type: 'nonsense' },
      null,
    ];
    for (const [index, body] of bodies.entries()) {
      agent.socket.send(packr.pack({ kind: 'message', n: index + 1, body }));
      assert.equal((await agent.expect('ack')).n, index + 1);
    }
    for (const words of [/body\.outputs/, /body\.type/]) {
      const report = await reports.take();
      assert.ok(report.type === 'failed' && report.build === 'b-1' && report.attempt === 2);
      assert.equal(report.class, 'agent-error');
      assert.match(report.message, words);
    }
    assert.equal(reports.size, 0);
  });

  test('before hello: refused, and the application hears nothing', async () => {
    await using setup = await listening();
    const agent = await dial(setup.url);
    agent.send({ kind: 'ack', n: 1 });
    assert.match((await agent.expect('refused')).message, /expected hello, got ack/);
    assert.equal(setup.events.size, 0);
  });

  test('a frame far too large is not even read', async () => {
    await using setup = await listening();
    const agent = await dial(setup.url);
    agent.send(hello);
    await agent.expect('welcome');
    agent.socket.send(new Uint8Array(2 * maxFrameBytes + 1));
    assert.equal(await agent.closed, 1009);
  });
});

describe('silence', () => {
  test('three heartbeat intervals without a sign of life: the link is cut and the agent disconnected', async () => {
    await using setup = await listening();
    const agent = await dial(setup.url, { autoPong: false });
    agent.send(hello);
    await agent.expect('welcome');
    assert.equal(await setup.events.take(), 'connected alpha');
    setup.runtime.advance(20_000);
    assert.equal(setup.events.size, 0);
    setup.runtime.advance(10_000);
    assert.equal(await setup.events.take(), 'disconnected alpha: silent for 30000 ms');
    assert.equal(await agent.closed, 1006);
  });

  test('a heartbeat in between starts the count anew', async () => {
    const heard = createMailbox<string>();
    await using setup = await listening({ agentOob: async (_agent, { type }) => heard.put(type) });
    const agent = await dial(setup.url, { autoPong: false });
    agent.send(hello);
    await agent.expect('welcome');
    await setup.events.take();
    for (let round = 0; round < 5; round++) {
      setup.runtime.advance(20_000);
      agent.send({ kind: 'oob', body: { type: 'heartbeat', running: 0 } });
      await heard.take();
    }
    assert.equal(setup.events.size, 0);
    assert.equal(agent.socket.readyState, agent.socket.OPEN);
  });

  test('only an agent that was not heard for an interval is asked', async () => {
    const heard = createMailbox<string>();
    await using setup = await listening({ agentOob: async (_agent, { type }) => heard.put(type) });
    const agent = await dial(setup.url);
    const pings = createMailbox<number>();
    agent.socket.on('ping', () => pings.put(setup.runtime.clock.now()));
    agent.send(hello);
    await agent.expect('welcome');
    await setup.events.take();
    const from = setup.runtime.clock.now();
    for (let round = 0; round < 3; round++) {
      setup.runtime.advance(9_000);
      agent.send({ kind: 'oob', body: { type: 'heartbeat', running: 0 } });
      await heard.take();
    }
    setup.runtime.advance(13_000);
    assert.equal((await pings.take()) - from, 40_000);
    assert.equal(pings.size, 0);
  });
});

describe('asking', () => {
  test('an agent that answers is asked each interval, and its answers are told', async () => {
    const answered = createMailbox<string>();
    await using setup = await listening({ agentAnswered: (agent) => answered.put(agent) });
    const alpha = await dial(setup.url);
    alpha.send({ ...hello, answers: true });
    assert.equal((await alpha.expect('welcome')).asks, true);
    await setup.events.take();
    for (let round = 0; round < 4; round++) {
      setup.runtime.advance(10_000);
      assert.equal(await answered.take(), 'alpha');
    }
    assert.equal(answered.size, 0);
    assert.equal(setup.events.size, 0);
  });

  test('links of a group ask in one turn, and once an interval although timers are early', async () => {
    const pings: string[] = [];
    const answered = createMailbox<string>();
    await using setup = await listening({ agentAnswered: (agent) => answered.put(agent) });
    const { after } = setup.runtime.timers;
    Object.assign(setup.runtime.timers, {
      after: (ms: number, run: () => void) => after(ms > 5000 ? ms - 0.4 : ms, run),
    });
    setup.runtime.advance(1_234);
    for (const name of ['alpha', 'beta']) {
      const agent = await dial(setup.url, { token: `agent-${name}` });
      agent.socket.on('ping', () => pings.push(name));
      agent.send({ ...hello, answers: true });
      await agent.expect('welcome');
      await setup.events.take();
      setup.runtime.advance(1_000);
    }
    setup.runtime.advance(10_000);
    assert.deepEqual([await answered.take(), await answered.take()].sort(), ['alpha', 'beta']);
    assert.deepEqual(pings.sort(), ['alpha', 'beta']);
  });
});

test('closing the server says going away, and the application hears of each agent', async () => {
  const setup = await listening();
  const agent = await dial(setup.url);
  agent.send(hello);
  await agent.expect('welcome');
  await setup.events.take();
  await setup[Symbol.asyncDispose]();
  assert.equal(await agent.closed, 1001);
  assert.match(await setup.events.take(), /the coordinator stops/);
  assert.equal(setup.runtime.armed, 0, 'no timer is left');
});
