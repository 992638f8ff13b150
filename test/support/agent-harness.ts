import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { openAgentLink } from '../../adapters/agent-link/client.ts';
import { openAttemptStore } from '../../adapters/agent-state/attempt-store.ts';
import { openCache } from '../../adapters/coordinator-client/cache.ts';
import { createHttpClient } from '../../adapters/coordinator-client/http-request.ts';
import { openUploads } from '../../adapters/coordinator-client/uploads.ts';
import { type AgentOptions, startAgent } from '../../agent/agent.ts';
import type { Builder } from '../../agent/ports/builder.ts';
import type { CoordinatorMessage } from '../../domain/agent/messages.ts';
import { serializeDerivation } from '../../domain/store/derivation.ts';
import { fixedToken } from './agent-token.ts';
import { type FakeCoordinator, token } from './fake-coordinator.ts';
import { fastRuntime } from './fast-runtime.ts';
import { shellDerivation } from './nix-store.ts';

/** A folder for an agent's state that outlives the agent. */
export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'drover-agent-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** An agent as `programs/agent.ts` composes it, on real sockets and files, without its pauses. */
export async function startTestAgent(
  coordinator: Pick<FakeCoordinator, 'url' | 'linkUrl'>,
  builder: Builder,
  state: string,
  change: Partial<AgentOptions> & { session?: string; stateCheck?: true; secret?: string } = {},
) {
  const { session = 'agent-session-1', stateCheck, secret = token, runtime = fastRuntime(), ...more } = change;
  const store = await openAttemptStore(state, 3);
  const http = createHttpClient(coordinator.url, fixedToken(secret));
  const logger = pino({ level: 'silent' });
  const agent = await startAgent({
    builder,
    store,
    runtime,
    logger,
    slots: 2,
    maxConcurrentFetches: 4,
    maxConcurrentUploads: 2,
    cache: openCache(http),
    uploads: openUploads(http),
    health: () => Promise.resolve({ load1: 0.5, freeBytes: 1000 }),
    farewellMs: 60_000,
    ...(stateCheck && { checks: [{ what: 'state folder', run: () => store.check() }] }),
    openLink: (handlers) =>
      openAgentLink(
        {
          url: coordinator.linkUrl,
          token: fixedToken(secret),
          session,
          hello: {
            version: '0.1.0',
            builder: 'test 1',
            storeDir: builder.storeDir,
            abilities: { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 2 },
          },
          runtime,
          logger,
        },
        handlers,
      ),
    ...more,
  });
  return {
    ...agent,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      http[Symbol.dispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** The message that allocates a build of `script` to the agent. */
export function allocationOf(
  build: string,
  script: string,
  change: Partial<Extract<CoordinatorMessage, { type: 'allocate' }>> & { outputNames?: string[] } = {},
) {
  const { outputNames, ...more } = change;
  const { derivation, derivationPath } = shellDerivation(
    build,
    script,
    outputNames === undefined ? {} : { outputNames },
  );
  const message: Extract<CoordinatorMessage, { type: 'allocate' }> = {
    type: 'allocate',
    build,
    attempt: 1,
    derivation: derivationPath.slice('/nix/store/'.length),
    text: serializeDerivation(derivation),
    inputs: [],
    timeoutSeconds: 60,
    maxSilentSeconds: 60,
    maxLogBytes: 10_000_000,
    ...more,
  };
  return { message, outputs: derivation.outputs, derivation };
}
