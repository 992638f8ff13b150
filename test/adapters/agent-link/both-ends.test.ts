import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { pino } from 'pino';
import { WebSocketServer } from 'ws';
import { openAgentLink } from '../../../adapters/agent-link/client.ts';
import { createAgentLinkServer, type LinkApplication } from '../../../adapters/agent-link/server.ts';
import { fixedToken } from '../../support/agent-token.ts';
import { fastRuntime } from '../../support/fast-runtime.ts';

const logger = pino({ level: 'silent' });

test('both ends of the link lose and repeat nothing over cuts and restarts of the coordinator', async () => {
  const runtime = fastRuntime();
  const heard: string[] = [];
  const taken: string[] = [];
  let arrived = Promise.withResolvers<void>();
  const application: LinkApplication = {
    agentConnected: async () => ({ heartbeatSeconds: 3600, leaseSeconds: 60, logs: [], drop: [], publicKeys: [] }),
    agentDisconnected: async () => {},
    agentRefused: () => {},
    agentOob: async () => {},
    agentAnswered: () => {},
    agentMessage: async (_agent, message) => {
      heard.push(message.build);
      arrived.resolve();
    },
  };
  const serve = (session: string) => {
    // Nobody says hello late here, and the runtime would not wait.
    const server = createAgentLinkServer({
      runtime: { ...runtime, timers: { after: () => ({ [Symbol.dispose]() {} }) } },
      logger,
      session,
    });
    server.serve(application);
    return server;
  };

  let server = serve('coordinator-1');
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  sockets.on('connection', (socket) => server.accept(socket, 'tester'));
  await once(sockets, 'listening');
  const { port } = sockets.address() as AddressInfo;

  const link = openAgentLink(
    {
      url: `ws://127.0.0.1:${port}/`,
      token: fixedToken('any'),
      session: 'agent-session-1',
      hello: {
        version: '0.1.0',
        builder: 'test 1',
        storeDir: '/nix/store',
        abilities: { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 1 },
      },
      runtime,
      logger,
    },
    {
      running: () => [],
      welcome: () => {},
      message: async (message) => {
        if (message.type === 'cancel') taken.push(message.build);
        arrived.resolve();
      },
      heartbeat: async () => ({ type: 'heartbeat', running: 0 }),
    },
  );

  const expected: string[] = [];
  const down: string[] = [];
  for (let round = 0; round < 12; round++) {
    const sent = [0, 1, 2].map((index) => {
      const build = `up-${round}-${index}`;
      expected.push(build);
      return link.send({ type: 'started', build, attempt: 1 });
    });
    if (round % 2 === 0) for (const socket of sockets.clients) socket.terminate();
    if (round % 4 === 3) {
      const old = server;
      server = serve(`coordinator-${round}`);
      for (const socket of sockets.clients) socket.terminate();
      await old[Symbol.asyncDispose]();
    }
    await Promise.all(sent);
    arrived = Promise.withResolvers();
    const build = `down-${round}`;
    down.push(build);
    server.links.send('tester', { type: 'cancel', build, attempt: 1, reason: '' });
    while (!taken.includes(build)) {
      await arrived.promise;
      arrived = Promise.withResolvers();
    }
  }
  // What was under way at a restart may come a second time, as the protocol says; nothing is missing or out of order.
  assert.deepEqual([...new Set(heard)], expected);
  assert.deepEqual(taken, down);

  await link[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
});
