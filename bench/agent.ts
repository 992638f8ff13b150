import { pino } from 'pino';
import { openAgentLink } from '../adapters/agent-link/client.ts';
import { createSystemRuntime } from '../adapters/runtime/system-runtime.ts';

/**
 * An agent that is not there behind a link that is: it beats, takes what it is given, and builds nothing. Resolves once the link is up.
 *
 * @param url of the coordinator
 * @param slots builds that it has at a time, for good
 */
export async function connectAgent(url: string, token: string, slots: number): Promise<AsyncDisposable> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const options = {
    url: `${url.replace(/^http/, 'ws')}/v1/agent-link`,
    token: { from: 'bench', current: token, refresh: async () => false },
    session: `session-${Math.round(performance.now() * 1000)}`,
    hello: {
      version: '0.1.0',
      builder: 'bench',
      storeDir: '/nix/store',
      abilities: { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots },
    },
    runtime: createSystemRuntime(),
    logger: pino({ level: 'silent' }),
  };
  let running = 0;
  const link = openAgentLink(options, {
    running: () => [],
    welcome: () => resolve(),
    message: async (message) => {
      if (message.type !== 'allocate') return;
      running++;
      // Acknowledged before it is durable: nothing waits for it here.
      link.send({ type: 'started', build: message.build, attempt: message.attempt }).catch(() => undefined);
    },
    // Never twice the same, as of a machine that has nothing to do either.
    heartbeat: async () => ({
      type: 'heartbeat',
      load1: Math.random() / 5,
      freeBytes: 1e12 - Math.round(Math.random() * 1e8),
      running,
    }),
  });
  await promise;
  return link;
}
