import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { openAgentLink } from '../../../adapters/agent-link/client.ts';
import type { AgentToken } from '../../../agent/ports/agent-token.ts';
import type { LinkHandlers } from '../../../agent/ports/coordinator-link.ts';
import type { Runtime } from '../../../coordinator/ports/runtime.ts';
import type { CoordinatorMessage, FromAgent, Welcome } from '../../../domain/agent/messages.ts';
import { maxCoordinatorFrameBytes } from '../../../domain/limits.ts';
import { fixedToken } from '../../support/agent-token.ts';
import { type FakeCoordinator, startFakeCoordinator, token } from '../../support/fake-coordinator.ts';
import { fastRuntime, manualRuntime } from '../../support/fast-runtime.ts';

function linkTo(
  coordinator: FakeCoordinator,
  change: Partial<LinkHandlers> & { runtime?: Runtime; token?: AgentToken } = {},
) {
  const { runtime = fastRuntime(), token: secret = fixedToken(token), ...handlers } = change;
  const messages: CoordinatorMessage[] = [];
  const welcomes: Welcome[] = [];
  const link = openAgentLink(
    {
      url: coordinator.linkUrl,
      token: secret,
      session: 'agent-session-1',
      hello: {
        version: '0.1.0',
        builder: 'test 1',
        storeDir: '/nix/store',
        abilities: { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 1 },
      },
      runtime,
      logger: pino({ level: 'silent' }),
    },
    {
      running: () => [],
      welcome: (welcome) => {
        welcomes.push(welcome);
      },
      message: async (message) => {
        messages.push(message);
      },
      heartbeat: async () => ({ type: 'heartbeat', running: 0 }),
      ...handlers,
    },
  );
  return { ...link, messages, welcomes };
}

const started = (build: string) => ({ type: 'started', build, attempt: 1 }) as const;
const cancel = (build: string) => ({ type: 'cancel', build, attempt: 1, reason: '' }) as const;
const numbers = (frames: readonly FromAgent[]) =>
  frames.flatMap((frame) => (frame.kind === 'message' ? [frame.n] : []));

describe('the link of an agent', () => {
  test('says hello, and what it sends resolves when it is acknowledged', async () => {
    await using coordinator = await startFakeCoordinator();
    await using link = linkTo(coordinator);
    await link.send(started('b1'));
    await link.send(started('b2'));
    const hello = await coordinator.hello();
    assert.equal(hello.session, 'agent-session-1');
    assert.equal(hello.received, undefined);
    assert.deepEqual(numbers(coordinator.frames), [1, 2]);
  });

  test('sends again what was not acknowledged, in order, and nothing else', async () => {
    await using coordinator = await startFakeCoordinator();
    await using link = linkTo(coordinator);
    await link.send(started('b1'));
    coordinator.faults.acknowledge = false;
    const open = [link.send(started('b2')), link.send(started('b3'))];
    await coordinator.message('started', 'b3');
    const mark = coordinator.frames.length;
    coordinator.faults.acknowledge = true;
    coordinator.cut();
    // The welcome says that they had come: that is acknowledgement enough.
    await Promise.all(open);
    assert.deepEqual(numbers(coordinator.frames.slice(mark)), []);

    coordinator.faults.acknowledge = false;
    const lost = [link.send(started('b4')), link.send(started('b5'))];
    await coordinator.message('started', 'b5');
    const restarted = coordinator.frames.length;
    coordinator.faults.acknowledge = true;
    coordinator.restart('coordinator-2');
    await Promise.all(lost);
    assert.deepEqual(numbers(coordinator.frames.slice(restarted)), [1, 2], 'a new coordinator counts from 1');
    assert.equal((await coordinator.hello(mark)).received?.n, 0);
  });

  test('awaits what has to go before a message, each time it is sent', async () => {
    await using coordinator = await startFakeCoordinator();
    let before = 0;
    await using link = linkTo(coordinator);
    coordinator.faults.acknowledge = false;
    const sent = link.send(started('b1'), async () => {
      before++;
    });
    await coordinator.message('started', 'b1');
    assert.equal(before, 1);
    coordinator.faults.acknowledge = true;
    coordinator.restart('coordinator-2');
    await sent;
    assert.equal(before, 2);
  });

  test('takes each message once and acknowledges it when it is kept', async () => {
    await using coordinator = await startFakeCoordinator();
    const kept = Promise.withResolvers<void>();
    const seen: string[] = [];
    await using _link = linkTo(coordinator, {
      message: async (message) => {
        if (message.type === 'drain' || message.type === 'self-test') return;
        seen.push(message.build);
        if (message.build === 'b2') await kept.promise;
      },
    });
    await coordinator.hello();
    coordinator.send(cancel('b1'));
    coordinator.send(cancel('b2'));
    coordinator.send(cancel('b3'));
    const ack = await coordinator.frame((frame): frame is Extract<FromAgent, { kind: 'ack' }> => frame.kind === 'ack');
    assert.equal(ack.n, 1, 'b2 is not kept yet, and so b3 neither');
    kept.resolve();
    await coordinator.frame(
      (frame): frame is Extract<FromAgent, { kind: 'ack' }> => frame.kind === 'ack' && frame.n === 3,
    );
    const mark = coordinator.frames.length;
    coordinator.cut();
    const hello = await coordinator.hello(mark);
    assert.deepEqual(hello.received, { session: 'coordinator-1', n: 3 });
    assert.deepEqual(seen, ['b1', 'b2', 'b3']);
  });

  test('leaves a message that could not be kept to the next connection', async () => {
    await using coordinator = await startFakeCoordinator();
    let tries = 0;
    await using _link = linkTo(coordinator, {
      message: async () => {
        tries++;
        if (tries === 1) throw new Error('disk full');
      },
    });
    await coordinator.hello();
    coordinator.send(cancel('b1'));
    await coordinator.frame(
      (frame): frame is Extract<FromAgent, { kind: 'ack' }> => frame.kind === 'ack' && frame.n === 1,
    );
    assert.equal(tries, 2);
  });

  for (const [what, send] of [
    [
      'a frame that is no msgpack',
      (coordinator: FakeCoordinator) => coordinator.sendRaw(Buffer.from([0xc1, 0xff, 0x00])),
    ],
    ['a frame that is not of the protocol', (coordinator: FakeCoordinator) => coordinator.sendRaw(Buffer.from([0x80]))],
    ['a text', (coordinator: FakeCoordinator) => coordinator.sendRaw('hello')],
    [
      'a frame that is too large',
      (coordinator: FakeCoordinator) => coordinator.sendRaw(Buffer.alloc(maxCoordinatorFrameBytes + 1)),
    ],
  ] as const) {
    test(`survives ${what}, by a new connection`, async () => {
      await using coordinator = await startFakeCoordinator();
      await using link = linkTo(coordinator);
      await link.send(started('b1'));
      const mark = coordinator.frames.length;
      send(coordinator);
      await coordinator.hello(mark);
      await link.send(started('b2'));
      assert.deepEqual(numbers(coordinator.frames), [1, 2]);
    });
  }

  test('closes where a message is missing', async () => {
    await using coordinator = await startFakeCoordinator();
    await using link = linkTo(coordinator);
    await link.send(started('b1'));
    const mark = coordinator.frames.length;
    // {kind: 'message', n: 5, body: {type: 'drain'}}
    const frame = Buffer.concat([
      Buffer.from([0x83, 0xa4]),
      Buffer.from('kind'),
      Buffer.from([0xa7]),
      Buffer.from('message'),
      Buffer.from([0xa1]),
      Buffer.from('n'),
      Buffer.from([5]),
      Buffer.from([0xa4]),
      Buffer.from('body'),
      Buffer.from([0x81, 0xa4]),
      Buffer.from('type'),
      Buffer.from([0xa5]),
      Buffer.from('drain'),
    ]);
    coordinator.sendRaw(frame);
    await coordinator.hello(mark);
    assert.deepEqual(link.messages, []);
  });

  test('comes back after a refusal that is not for good', async () => {
    await using coordinator = await startFakeCoordinator();
    coordinator.faults.refuseLink = { code: 'not-ready', message: 'starting', fatal: false };
    await using link = linkTo(coordinator);
    await coordinator.hello();
    coordinator.faults.refuseLink = undefined;
    await link.send(started('b1'));
  });

  test('ends after one that is, and with it what waits for an acknowledgement', async () => {
    await using coordinator = await startFakeCoordinator();
    coordinator.faults.refuseLink = { code: 'agent-retired', message: 'you were removed', fatal: true };
    await using link = linkTo(coordinator);
    await assert.rejects(link.send(started('b1')), /you were removed/);
    assert.deepEqual(await link.ended, { reason: 'refused', code: 'agent-retired', message: 'you were removed' });
    await assert.rejects(link.send(started('b2')), /closed/);
  });

  test('ends when its token is not accepted', async () => {
    await using coordinator = await startFakeCoordinator();
    await using link = linkTo(coordinator, { token: fixedToken('wrong') });
    const end = await link.ended;
    assert.equal(end.reason === 'refused' && end.code, 'token-unknown');
    assert.match(
      end.reason === 'refused' ? end.message : '',
      /HTTP 401 \(token-unknown\): the token in \/run\/agent.token is not known, .*rotate-token/,
    );
  });

  test('comes back with the token that was put in the place of one that is not accepted', async () => {
    await using coordinator = await startFakeCoordinator();
    let current = 'old';
    // Asked before it dials, and again once it was refused.
    const found = ['old', token];
    const renewed: AgentToken = {
      from: '/run/agent.token',
      get current() {
        return current;
      },
      async refresh() {
        const before = current;
        current = found.shift() ?? current;
        return current !== before;
      },
    };
    await using link = linkTo(coordinator, { token: renewed });
    await link.send(started('b1'));
  });

  test('comes back with a new token where the one that opened the link was revoked', async () => {
    await using coordinator = await startFakeCoordinator();
    coordinator.faults.refuseLink = { code: 'token-unknown', message: 'it was revoked', fatal: true };
    let asked = 0;
    const refresh = async () => {
      if (++asked < 2) return false;
      coordinator.faults.refuseLink = undefined;
      return true;
    };
    await using link = linkTo(coordinator, { token: { ...fixedToken(token), refresh } });
    await link.send(started('b1'));
  });

  test('sends heartbeats, and gives up a connection that does not answer', async () => {
    await using coordinator = await startFakeCoordinator();
    coordinator.welcome.heartbeatSeconds = 10;
    const runtime = manualRuntime();
    await using link = linkTo(coordinator, { runtime });
    await link.send(started('b1'));
    const heartbeat = (after: number) =>
      coordinator.frame((frame): frame is Extract<FromAgent, { kind: 'oob' }> => frame.kind === 'oob', after);
    runtime.advance(9_999);
    assert.ok(coordinator.frames.every((frame) => frame.kind !== 'oob'));
    runtime.advance(1);
    await heartbeat(0);
    const mark = coordinator.frames.length;
    coordinator.freeze();
    // Asked at the next heartbeat, given up at the one after it.
    runtime.advance(10_000);
    runtime.advance(10_000);
    await coordinator.change();
    runtime.advance(1_000);
    await coordinator.hello(mark);
    await link.send(started('b2'));
  });

  test('answers a coordinator that asks, says how it is where that is news, and gives up one that stops asking', async () => {
    await using coordinator = await startFakeCoordinator();
    Object.assign(coordinator.welcome, { heartbeatSeconds: 10, asks: true });
    const runtime = manualRuntime();
    let load1 = 0.25;
    let running = 0;
    await using link = linkTo(coordinator, {
      runtime,
      heartbeat: async () => ({ type: 'heartbeat', running, load1, freeBytes: 1e9 }),
    });
    await link.send(started('b1'));
    assert.ok((await coordinator.hello(0)).answers);
    const told = async () => {
      runtime.advance(10_000);
      await coordinator.ask();
      // What the question led to was sent before this.
      await link.send(started('b2'));
      return coordinator.frames.filter((frame) => frame.kind === 'oob').length;
    };
    assert.deepEqual([await told(), await told()], [1, 1]);
    load1 = 0.5;
    assert.equal(await told(), 1);
    load1 = 0.75;
    assert.equal(await told(), 2);
    running = 1;
    assert.equal(await told(), 3);
    // Nothing new for a minute: told all the same.
    assert.deepEqual([await told(), await told(), await told(), await told(), await told()], [3, 3, 3, 3, 3]);
    assert.equal(await told(), 4);

    const mark = coordinator.frames.length;
    const asked = coordinator.asked();
    runtime.advance(15_000);
    await asked;
    // It answers: it is there, though it does not ask.
    await link.send(started('b3'));
    assert.equal(coordinator.frames.filter(({ kind }) => kind === 'hello').length, 1);
    coordinator.freeze();
    runtime.advance(10_000);
    let back = false;
    const hello = coordinator.hello(mark).then(() => {
      back = true;
    });
    // The pause before it dials begins once it has seen the end of the old connection.
    while (!back) {
      runtime.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await hello;
    await link.send(started('b4'));
  });

  test('asks whether the coordinator is there also where a heartbeat hangs', async () => {
    await using coordinator = await startFakeCoordinator();
    coordinator.welcome.heartbeatSeconds = 10;
    const runtime = manualRuntime();
    await using link = linkTo(coordinator, { runtime, heartbeat: () => new Promise(() => undefined) });
    await link.send(started('b1'));
    runtime.advance(10_000);
    for (let beat = 0; beat < 3; beat++) {
      const asked = coordinator.asked();
      runtime.advance(10_000);
      await asked;
      // The answer comes before what is acknowledged after it.
      await link.send(started(`b${beat}`));
    }
  });
});
