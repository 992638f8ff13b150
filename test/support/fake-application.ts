import type {
  AgentStatus,
  Application,
  BuildHistory,
  CancelResult,
  FarmStatus,
  Outlook,
  Principal,
  RootDetail,
  SubmissionGraph,
  SubmissionTimes,
  SubmitResult,
  UpstreamStatus,
} from '../../coordinator/application.ts';
import { unknownBuild } from '../../coordinator/errors.ts';
import type { HookStatus } from '../../coordinator/hooks/status.ts';
import type { UploadStatus } from '../../coordinator/ports/pool.ts';
import { hookDefaults } from '../../domain/hook/definition.ts';

/**
 * A fake of {@link Application} for tests of the doors alone: it decides nothing and keeps nothing, answers with fixed
 * values and notes what it was asked. What the real one does is tested with the real one.
 */
export interface FakeApplication extends Application {
  readonly calls: readonly { readonly method: keyof Application; readonly args: readonly unknown[] }[];
  /** Arguments of the only call of `method`; throws if there was none or more than one. */
  only<Method extends keyof Application>(method: Method): readonly unknown[];
}

/** The token of a scope in {@link createFakeApplication}. */
export const secretOfScope = (scope: Principal['scope']) => `secret-of-${scope}`;

export const fakeAgent: AgentStatus = {
  name: 'alpha',
  state: 'connected',
  intake: 'accepting',
  operator: { said: 'active' },
  link: { state: 'connected', since: 1 },
  running: [],
  recent: { attempts: 0, failed: 0 },
};
export const fakeHook: HookStatus = {
  name: 'notify',
  state: 'active',
  source: 'api',
  definition: { ...hookDefaults, on: ['BuildFailed'], target: { kind: 'webhook', url: 'https://example.org/secret' } },
  place: { after: 'build-s-1@3' },
  waits: '1 event is parked: what follows on the same stream waits until an operator retries or skips',
  lag: { events: 2, exact: true, seconds: 3 },
  delivered: 4,
  inFlight: [{ event: 'build-s-2@3', attempt: 1, seconds: 5 }],
  failing: [],
  parked: [{ event: 'build-s-1@4', at: 1, attempts: 10, error: 'it answered 500' }],
  counts: { failing: 0, parked: 400 },
  lastFailure: { event: 'build-s-1@4', error: 'it answered 500', at: 2 },
};
export const fakeUpstream: UpstreamStatus = {
  name: 'nixos',
  url: 'https://cache.example.org',
  priority: 50,
  mode: 'direct',
  publicKeys: ['cache.example.org-1:AA=='],
  state: 'resting',
  restsSeconds: 4,
  error: 'https://cache.example.org: HTTP 503',
  items: 3,
  asked: { found: 3, absent: 2, rejected: 1, failed: 4 },
  rejection: 'expected a signature by a key of the upstream, got none',
  ttlSeconds: 86_400,
  negativeTtlSeconds: 600,
};
export const fakeRoot: RootDetail = {
  name: 'nightly',
  source: 'api',
  targets: 1,
  unavailable: 1,
  addedAt: 1,
  addedBy: 'admin',
  until: 9,
  kept: [{ item: `${'0'.repeat(32)}-x`, state: 'unavailable', until: 9 }],
};
export const fakeCancel: CancelResult = { canceled: 1, unwanted: 0, kept: 0, waiting: 0, builds: [] };
export const fakeSubmission: SubmitResult = { submission: 's-1', derivations: 2, builds: 1, available: 0, joined: [] };
export const fakeTimes: SubmissionTimes = {
  builds: 1,
  phases: { slot: 5, building: 10 },
  untold: 0,
  criticalPath: {
    from: 1,
    to: 16,
    ended: true,
    phases: { slot: 5, building: 10 },
    builds: 1,
    steps: [
      {
        build: 's-1-1',
        derivation: `${'0'.repeat(32)}-x.drv`,
        from: 1,
        to: 16,
        phases: { slot: 5, building: 10 },
      },
    ],
  },
  advice: [{ kind: 'slot', ms: 5, system: 'x86_64-linux', builds: 1 }],
};
export const fakeOutlook: Outlook = {
  at: 5,
  counts: {
    fetching: 0,
    building: 1,
    ready: 0,
    deferred: 0,
    'back-off': 0,
    waiting: 1,
    blocked: 0,
    succeeded: 2,
    failed: 0,
    canceled: 0,
  },
  nodes: [
    {
      build: 's-1-1',
      derivation: `${'0'.repeat(32)}-x.drv`,
      state: 'building',
      agent: 'a',
      attempt: 1,
      since: 3,
      before: 40,
      lacks: 0,
      parent: 's-1-2',
    },
    { build: 's-1-2', derivation: `${'1'.repeat(32)}-y.drv`, state: 'waiting', lacks: 1 },
  ],
  estimate: { endsAt: 90, builds: 2, unknown: 1, without: 0 },
};
export const fakeGraph: SubmissionGraph = {
  at: 5,
  shape: 'aa',
  builds: 9,
  nodes: [{ build: 's-1-1', derivation: `${'0'.repeat(32)}-x.drv` }],
  parts: [{ prefix: 'y-', builds: 8 }],
  edges: [0, 1],
  states: [1],
  partStates: [[0, 0, 0, 0, 0, 8, 0, 0, 0, 0]],
};
export const fakeHistory: BuildHistory = {
  build: 'b-1',
  derivation: `${'0'.repeat(32)}-x.drv`,
  state: 'succeeded',
  from: 1,
  to: 16,
  phases: { slot: 5, building: 10 },
  entries: [{ kind: 'wait', at: 6, since: 5, summary: 'waited for a free slot', wait: 'slot', ms: 5 }],
  next: 7,
  cut: [],
};
export const fakeUpload: UploadStatus = {
  id: 'u-1',
  owner: 't-submit',
  path: `${'0'.repeat(32)}-x`,
  offset: 0,
  fileSize: 10,
  finished: false,
};
export const fakeStatus: FarmStatus = {
  builds: {
    blocked: 0,
    waiting: 1,
    ready: 2,
    backoff: 0,
    deferred: 0,
    allocated: 0,
    running: 3,
    succeeded: 4,
    failed: 5,
    canceled: 6,
  },
  blocked: {
    failed: 0,
    canceled: 0,
    'no-build': 0,
    'source-missing': 0,
    'source-lost': 0,
    'text-lost': 0,
    'no-agent': 0,
  },
  ready: { 'x86_64-linux': 2 },
  unattended: {},
  derivations: 7,
  items: 8,
  agents: { connected: 1, registered: 2, slots: 4, busy: 3, excess: 0, away: 0 },
  position: '0000000000000042',
  pendingCommits: 0,
  uploads: { waiting: 0, refused: 0 },
};

export function createFakeApplication(overrides: Partial<Application> = {}): FakeApplication {
  const calls: { method: keyof Application; args: readonly unknown[] }[] = [];
  const base: Application = {
    storeDir: '/nix/store',
    storeDirs: ['/nix/store'],
    publicKeys: ['test-1:key'],
    auditKey: 'test+00000000+key',
    checkpoint: () => 'test\n1\nroot\n\n— test signature\n',
    readiness: () => ({ ready: true, reasons: [] }),
    settled: async () => 0,
    position: () => fakeStatus.position,
    ended: () => [{ at: 60_000, succeeded: 2, failed: 1 }],
    loads: () => ({
      now: { 'x86_64-linux': { queued: 3, building: 1 } },
      minutes: [{ at: 60_000, systems: { 'x86_64-linux': { queued: 2, building: 0 } } }],
    }),
    poolBytes: () => 4096,
    status: () => fakeStatus,
    authenticate(secret) {
      const scope = /^secret-of-(read|submit|push|agent|admin)$/.exec(secret)?.[1] as Principal['scope'] | undefined;
      if (scope === undefined) return undefined;
      return scope === 'agent' ? { id: 't-agent', scope, agent: 'alpha' } : { id: `t-${scope}`, scope };
    },
    createToken: async () => ({ id: 't-new', secret: 'shown-once' }),
    rotateToken: async () => ({ id: 't-new', secret: 'shown-once', replaced: ['t-agent'], until: 3_600_001 }),
    revokeToken: async () => undefined,
    nameOf: (actor) => (actor === 't-read' ? 'reader' : actor),
    tokens: () => [{ id: 't-read', name: 'reader', scope: 'read', issuedAt: 1, revoked: false }],
    addAgent: async () => ({ secret: 'shown-once' }),
    steerAgent: async () => fakeAgent,
    agents: () => [fakeAgent],
    roots: () => [fakeRoot],
    root: () => fakeRoot,
    addRoot: async () => fakeRoot,
    removeRoot: async () => undefined,
    hooks: () => [fakeHook],
    addHook: async () => fakeHook,
    changeHook: async () => fakeHook,
    pauseHook: async () => fakeHook,
    resumeHook: async () => fakeHook,
    removeHook: async () => undefined,
    replayHook: async () => fakeHook,
    skipHookEvents: async () => ({ skipped: 1 }),
    retryHookEvents: async () => ({ retried: 1 }),
    testHook: async () => ({ matches: true, ok: true, ms: 1 }),
    missingDerivations: async (paths) => paths,
    addDerivations: async (derivations) => ({ added: derivations.length }),
    derivationText: async () => undefined,
    missingSources: async () => [],
    submit: async () => fakeSubmission,
    async why(build) {
      if (build === 'nope') throw unknownBuild(build, false);
      return { build, state: 'succeeded', summary: 'It has ended.', reason: 'ended' };
    },
    submissionOf: () => fakeSubmission.submission,
    resumeSubmission: async () => undefined,
    submissionTimes: async () => fakeTimes,
    outlook: async () => fakeOutlook,
    submissionGraph: async () => fakeGraph,
    buildInputs: async () => ({ derivation: fakeHistory.derivation, inputs: [], total: 0 }),
    buildHistory: async () => fakeHistory,
    recordEarlierBuilds: async () => undefined,
    blockage: async () => ({ unfinished: 0, blocked: 0, agentless: 0, blockers: [], total: 0 }),
    isBlocked: () => false,
    notQueued: () => undefined,
    standing: () => undefined,
    tookBefore: () => undefined,
    newestStanding: () => [],
    joinedBuilds: () => ({ none: 0, queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 }),
    settleLog: async () => undefined,
    cancelBuild: async () => fakeCancel,
    cancelBuilds: async () => fakeCancel,
    cancelSubmission: async () => fakeCancel,
    checkNames: () => undefined,
    prioritizeBuild: async () => undefined,
    prioritizeSubmission: async () => ({ builds: 2 }),
    submissionPriority: async () => ({ submitted: 0 }),
    deferBuild: async () => undefined,
    retryBuild: async () => fakeSubmission,
    previewRetry: async (build) => ({
      retried: 1,
      underWay: 0,
      available: 0,
      builds: [{ build, derivation: fakeHistory.derivation }],
      submissions: [],
    }),
    retryBuilds: async () => ({ retried: 1, underWay: 0, available: 0, builds: [], submissions: [fakeSubmission] }),
    retrySubmission: async () => fakeSubmission,
    beginUpload: async () => fakeUpload,
    uploadStatus: async () => fakeUpload,
    async writeUpload(_by, id, offset, body) {
      let size = 0;
      for await (const chunk of body) size += chunk.length;
      return { ...fakeUpload, id, offset: offset + size };
    },
    servable: () => undefined,
    signed: async ({ signed, ...item }) => ({
      ...item,
      signatures: 'all' in signed ? [...signed.all] : [signed.begins],
    }),
    upstreams: () => [fakeUpstream],
    upstream: () => fakeUpstream,
    checkUpstream: async (name) => ({ name, url: fakeUpstream.url, ok: true, milliseconds: 1, items: [] }),
    upstreamItem: () => undefined,
    openUpstream: async () => undefined,
    confirmUpstream: async () => true,
    lackOf: () => undefined,
    deleteItems: async () => ({
      items: [],
      needed: 0,
      needs: [],
      rebuilds: 0,
      derivations: [],
      sources: [],
      freed: 0,
    }),
    doubtItem: async () => undefined,
    async *verifyItems() {},
    async *collect() {},
    whyItem: async (item) => ({ item, state: 'present', chain: [], summary: 'Nothing keeps it.' }),
    agentConnected: async () => ({
      heartbeatSeconds: 10,
      leaseSeconds: 60,
      logs: [],
      drop: [],
      publicKeys: ['test-1:key'],
    }),
    agentMessage: async () => undefined,
    agentOob: async () => undefined,
    agentAnswered: () => undefined,
    agentDisconnected: async () => undefined,
    agentRefused: () => undefined,
    ...overrides,
  };
  const noted = new Proxy(base, {
    get(target, method: keyof Application) {
      const member: unknown = target[method];
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        // Reads wait for these; what a test looks for is what else was asked.
        if (method !== 'settled' && method !== 'settleLog') calls.push({ method, args });
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  });
  return Object.assign(Object.create(noted) as Application, {
    calls,
    only(method: keyof Application) {
      const found = calls.filter((call) => call.method === method);
      if (found.length !== 1) throw new Error(`expected one call of ${method}, got ${found.length}`);
      return (found[0] as (typeof calls)[number]).args;
    },
  });
}
