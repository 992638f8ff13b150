import { after, before } from 'node:test';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { createAgentLinkServer } from '../../../adapters/agent-link/server.ts';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import type { DashboardOptions, HttpServerOptions } from '../../../adapters/http/context.ts';
import { encodedFile } from '../../../adapters/http/dashboard/encodings.ts';
import { createSealedSessions } from '../../../adapters/http/dashboard/sealed-sessions.ts';
import { createLogGrowth } from '../../../adapters/http/log-growth.ts';
import { createMetrics } from '../../../adapters/http/metrics/registry.ts';
import { createHttpServer } from '../../../adapters/http/server.ts';
import { createTokenUses, type TokenUseRegistry } from '../../../adapters/http/token-uses.ts';
import type { Application } from '../../../coordinator/application.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { BuildDetail, ItemRow, SubmissionRow, Views } from '../../../coordinator/ports/views.ts';
import type { Scope } from '../../../domain/token/events.ts';
import { createFakeApplication, type FakeApplication, secretOfScope } from '../../support/fake-application.ts';
import { createManualRuntime, type ManualRuntime } from '../../support/manual-runtime.ts';

export const hashA = '0c7kfrczv1idqh8bzqjgrdzjh3akz8ip';
export const drvA = `${hashA}-hello.drv`;
export const itemA: ItemRow = {
  path: `${hashA}-hello`,
  narHash: `sha256:${'1'.repeat(52)}`,
  narSize: 1000,
  references: [],
  file: { hash: `sha256:${'0'.repeat(52)}`, size: 26, compression: 'zstd' },
  signatures: ['test-1:c2lnbmF0dXJl'],
  addedAt: 5,
  addedBy: 'agent-alpha',
};
export const buildA: BuildDetail = {
  id: 'b-1',
  derivation: drvA,
  system: 'x86_64-linux',
  submission: 's-1',
  state: 'running',
  reason: 'requested',
  priority: 0,
  tags: {},
  attempt: 2,
  agent: 'alpha',
  submittedAt: 1,
  startedAt: 2,
  endedAt: null,
  failure: null,
  changedAt: 3,
  outputs: { out: `${hashA}-hello` },
  attempts: [],
  options: {},
};
export const submissionA: SubmissionRow = {
  id: 's-1',
  receivedAt: 1,
  queuedAt: 2,
  state: 'queued',
  setAside: null,
  canceled: null,
  roots: 1,
  derivation: drvA,
  reason: 'requested',
  counts: { queued: 1, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 },
};

/** Fixed views, for the doors alone. */
export function fakeViews(overrides: Partial<Views> = {}): Views {
  return {
    reached: async () => undefined,
    stored: () => undefined,
    lag: () => ({ events: 7, seconds: 0.25 }),
    trouble: () => undefined,
    builds: () => ({ rows: [buildA] }),
    joinedBuilds: () => ({ queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 }),
    build: (id) => (id === buildA.id ? buildA : undefined),
    results: () => [],
    logsOf: (derivation) =>
      derivation === drvA
        ? [
            { build: 'b-2', attempt: 1 },
            { build: 'b-1', attempt: 2 },
          ]
        : [],
    ids: () => [],
    earlierBuilds: () => ({ rows: [] }),
    knownEarlier: () => new Set(),
    itemsAt: () => [],
    items: () => ({ rows: [itemA] }),
    item: (hash) => (hash === hashA ? itemA : undefined),
    submissions: () => ({ rows: [submissionA] }),
    submission: (id) => (id === submissionA.id ? submissionA : undefined),
    marks: () => ({}),
    async *rebuild() {},
    [Symbol.asyncDispose]: async () => undefined,
    ...overrides,
  };
}

/** None: what is sent is gone. */
const noStagedNars: HttpServerOptions['stagedNars'] = {
  put: async (_owner, _name, body) => {
    for await (const _ of body);
  },
  size: async () => undefined,
  ready: async () => undefined,
  remove: async () => {},
  [Symbol.dispose]() {},
};

/** Has no room: what is compressed anew is sent as it is made. */
const noSpool: HttpServerOptions['spool'] = { open: async () => undefined };

/** A page that names one file. */
export function fakeDashboard(
  { clock }: Pick<ManualRuntime, 'clock'>,
  options: Partial<DashboardOptions> = {},
): DashboardOptions {
  const file = (type: string, text: string) => ({ type, tag: `"${text.length}"`, ...encodedFile(Buffer.from(text)) });
  const script = file('text/javascript; charset=utf-8', `// ${'drover '.repeat(200)}`);
  return {
    files: {
      page: file('text/html; charset=utf-8', '<!doctype html><title>Drover</title>'),
      asset: (name) => (name === 'main-1.js' ? script : undefined),
    },
    sessions: createSealedSessions({ key: Buffer.alloc(32, 7), seconds: 3600, clock }),
    public: false,
    ...options,
  };
}

export interface Harness extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly application: FakeApplication;
  readonly runtime: ManualRuntime;
  readonly eventStore: EventStore;
  readonly tokenUses: TokenUseRegistry;
  /** Log lines, newest last. */
  readonly lines: Record<string, unknown>[];
  /** A request with the token of a scope. */
  ask(scope: Scope | undefined, request: InjectOptions): Promise<LightMyRequestResponse>;
}

/** A server around fakes; the event store is the real one in memory. */
export async function harness(
  overrides: Partial<Omit<HttpServerOptions, 'application' | 'pool'>> & {
    readonly application?: Partial<Application>;
    readonly pool?: Partial<HttpServerOptions['pool']>;
  } = {},
): Promise<Harness> {
  const { application: methods, pool, ...options } = overrides;
  const application = createFakeApplication(methods);
  const runtime = createManualRuntime();
  const eventStore = openMemoryEventStore();
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const agentLink = createAgentLinkServer({ runtime, logger, session: 'c-1' });
  agentLink.serve(application);
  const tokenUses = createTokenUses();
  let ids = 0;
  const app = await createHttpServer({
    application,
    views: fakeViews(),
    pool: { open: async () => undefined, has: async () => true, listing: async () => undefined, ...pool },
    stagedNars: noStagedNars,
    spool: noSpool,
    logs: { size: async () => 0, read: async () => undefined },
    eventStore,
    logGrowth: createLogGrowth(runtime.clock),
    diskRoom: () => ({
      disks: [{ name: 'pool and log', bytes: 1_000_000, freeBytes: 400_000, keptBytes: 15_625 }],
      logBytes: 8192,
    }),
    runtime,
    metrics: createMetrics(),
    logger,
    agentLink,
    tokenUses,
    version: '0.0.0-test',
    newId: () => `r-${++ids}`,
    itemOfFile: () => undefined,
    itemOf: () => undefined,
    producersOf: () => [],
    dashboard: fakeDashboard(runtime),
    ...options,
  });
  await app.ready();
  return {
    app,
    application,
    runtime,
    eventStore,
    tokenUses,
    lines,
    ask(scope, request) {
      const headers = {
        ...(scope === undefined ? {} : { authorization: `Bearer ${secretOfScope(scope)}` }),
        ...request.headers,
      };
      return app.inject({ ...request, headers });
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await eventStore[Symbol.asyncDispose]();
    },
  };
}

/** One server for all tests of a suite: to make one takes longer than what most ask of it. */
export function sharedHarness(...options: Parameters<typeof harness>): { server(): Harness } {
  let server: Harness | undefined;
  before(async () => {
    server = await harness(...options);
  });
  after(() => server?.[Symbol.asyncDispose]());
  return {
    server() {
      if (server === undefined) throw new Error('the server is there once the first test begins');
      return server;
    },
  };
}
