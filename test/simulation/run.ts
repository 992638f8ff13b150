import assert from 'node:assert/strict';
import { pino } from 'pino';
import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import type { Application } from '../../coordinator/application.ts';
import { createVerifier } from '../../coordinator/audit/verifier.ts';
import { isDroverError } from '../../coordinator/errors.ts';
import { type EventStore, EventStoreError } from '../../coordinator/ports/event-store.ts';
import { unwatched } from '../../coordinator/ports/work.ts';
import { recover } from '../../coordinator/recovery.ts';
import { type SupervisorOptions, superviseCoordinator } from '../../coordinator/supervisor.ts';
import { generateNoteKey, parseNoteSecret } from '../../domain/audit/signed-note.ts';
import type { DerivationFacts } from '../../domain/derivation/events.ts';
import { createFakeDerivationStore, noLogs } from '../support/fake-derivation-store.ts';
import { fakeBase } from '../support/paths.ts';
import { createSimulatedAgent } from './agent.ts';
import { auditLog } from './audit.ts';
import { createFakePool, createSlowStore } from './disk.ts';
import { createSimulatedReceivers } from './hooks.ts';
import { createVirtualTime } from './time.ts';
import { collectSpans } from './traces.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly derivations: number;
  readonly agents: number;
  /** How many faults befall the farm; after the last, everything has to come to an end. */
  readonly faults: number;
  /** Simulated milliseconds over which they are spread. */
  readonly faultsOverMs: number;
  /** Share of derivations that fail once. */
  readonly flaky: number;
  /** Derivations beside the others that no machine builds: each attempt fails by what looks like the infrastructure's fault. */
  readonly hopeless?: number;
  /** How many wishes of clients who change their minds: they submit something, cancel it, a build of it, or have it again. */
  readonly wishes?: number;
}

export interface SimulationResult {
  readonly events: number;
  readonly succeeded: number;
  readonly restarts: number;
  readonly ms: number;
  readonly attempts: number;
  /** Submissions that were cancelled. */
  readonly canceled: number;
}

const policy: SupervisorOptions['policy'] = {
  storeDir: '/nix/store',
  leaseSeconds: 3,
  heartbeatSeconds: 10,
  retry: {
    maxAttempts: 5,
    builder: { baseSeconds: 1, maxSeconds: 10 },
    infrastructure: { baseSeconds: 1, maxSeconds: 10 },
  },
  timeoutSeconds: 100,
  maxSilentSeconds: 100,
  maxLogBytes: 1,
  maxNarBytes: 1e9,
  maxCommitBytes: 1e6,
  quarantine: { failures: 4, seconds: 20 },
  checkpointSeconds: 5,
  trustHooksOfApi: true,
};
/** Much more than what is left after the last fault takes, and much less than a clock jumps. */
const longestTailMs = 3600 * 1000;
const admin = { id: 'admin', scope: 'admin' } as const;
const auditKey = parseNoteSecret(generateNoteKey('simulation', new Uint8Array(32)).secret);

/**
 * Runs a whole farm from one seed: agents that crash, links that break, a coordinator that is killed (twice in a row, too), clocks that
 * jump, a disk that fills, files that are lost.
 */
export async function simulate({
  seed,
  derivations: size,
  agents: agentCount,
  faults,
  faultsOverMs,
  flaky,
  hopeless: hopelessCount = 0,
  wishes = 0,
}: SimulationOptions): Promise<SimulationResult> {
  const time = createVirtualTime(seed);
  const buildable = randomGraph(size, time.random, time.pick);
  const hopeless = Array.from({ length: hopelessCount }, (_, n) => hopelessDerivation(n));
  const facts = [...buildable, ...hopeless];
  const byPath = new Map(facts.map((one) => [one.path, one]));
  const disk = openMemoryEventStore();
  const pool = createFakePool();
  const traces = collectSpans();
  const derivations = createFakeDerivationStore(facts);
  const failing = new Set(buildable.filter(() => time.random() < flaky).map(({ path }) => path));
  const isHopeless = (derivation: string): boolean => hopeless.some(({ path }) => path === derivation);
  const acknowledged = { submissions: [] as string[], succeeded: new Set<string>() };
  let restarts = 0;
  const receivers = createSimulatedReceivers(time);
  let slow: ReturnType<typeof createSlowStore>;
  let supervisor: Awaited<ReturnType<typeof superviseCoordinator>> | undefined;

  const bugs: unknown[] = [];
  const world = {
    time,
    bug: (error: unknown) => void bugs.push(error),
    application: (): Application | undefined =>
      supervisor?.application.readiness().ready ? supervisor.application : undefined,
    outputsOf: (derivation: string) =>
      Object.entries(byPath.get(derivation)?.outputs ?? {}).map(([name, path]) => ({ name, path })),
    outcome: (derivation: string, attempt: number) => ({
      ms: Math.floor(200 + time.random() * 3000),
      ...(isHopeless(derivation) && { failure: 'agent-error' as const }),
      ...(failing.has(derivation) && attempt === 1 && { failure: time.pick(['builder-failed', 'disk-full'] as const) }),
    }),
    async isServed(path: string) {
      const item = world.application()?.servable(path.slice(0, 32));
      return item !== undefined && pool.has(item.file);
    },
  };
  const agents = Array.from({ length: agentCount }, (_, n) =>
    createSimulatedAgent(
      `agent${n}`,
      1 + (n % 3),
      n % 3 === 2 ? ['x86_64-linux', 'i686-linux'] : ['x86_64-linux'],
      n % 2 === 0 ? ['kvm'] : [],
      world,
    ),
  );
  const links = {
    send: (agent: string, message: Parameters<(typeof agents)[number]['deliver']>[0]) =>
      agents.find(({ name }) => name === agent)?.deliver(message),
    close: (agent: string) => agents.find(({ name }) => name === agent)?.coordinatorGone(),
  };

  async function startCoordinator(): Promise<void> {
    const mine = restarts;
    // A coordinator that was killed does not start again by itself.
    const openStore = async (): Promise<EventStore> => {
      if (mine !== restarts) return new Promise(() => undefined);
      slow = createSlowStore(disk, time);
      receivers.started();
      return slow;
    };
    const signer = { publicKey: 'k:AA==', sign: async () => 'k:AA==' };
    const starting = superviseCoordinator({
      openStore,
      policy,
      runtime: time.runtime,
      links,
      tokenUses: { inUse: () => [], end: () => undefined },
      pool,
      derivations,
      logs: noLogs,
      hookTransport: receivers.transport(() => mine === restarts),
      traces,
      signer,
      auditKey,
      logger: pino({ level: process.env.SIMULATION_LOG ?? 'silent' }),
      work: unwatched,
    });
    // Its first appends are durable only as time moves on.
    await until(starting);
    supervisor = await starting;
    supervisor.listening();
  }

  async function until<Value>(promise: Promise<Value>): Promise<Value> {
    let done = false;
    promise.then(
      () => (done = true),
      () => (done = true),
    );
    for (let steps = 0; !done; steps++) {
      assert.ok(steps < 100_000, 'nothing that is waited for happens');
      if (!(await time.step())) await new Promise((resolve) => setImmediate(resolve));
    }
    return promise;
  }

  async function restart(): Promise<void> {
    restarts++;
    slow.kill();
    supervisor = undefined;
    for (const agent of agents) agent.coordinatorGone();
    await startCoordinator();
    for (const id of acknowledged.submissions)
      assert.ok(await isKnown(id), `I1: the submission ${id} was acknowledged and is lost`);
  }

  async function isKnown(submission: string): Promise<boolean> {
    for await (const _ of disk.read(`submission-${submission}`)) return true;
    return false;
  }

  function fault(): void | Promise<void> {
    const agent = time.pick(agents);
    switch (Math.floor(time.random() * 8)) {
      case 0:
        return agent.cut();
      case 1:
        if (agent.isDown) return;
        agent.crash();
        return void time.after(500 + time.random() * 8000, () => agent.start());
      case 2:
        return restart();
      case 5:
        return restart().then(restart);
      case 6:
        // By up to ten days, either way: far beyond every wait.
        return time.jump((time.random() - 0.5) * 20 * 24 * 3600 * 1000);
      case 3:
        return slow.fail();
      case 4: {
        const file = time.pick([...pool.files]);
        return file === undefined ? undefined : pool.lose(file);
      }
      default: {
        const application = world.application();
        const source = time.pick(facts);
        const path = Object.values(source.outputs)[0] as string;
        if (application?.servable(path.slice(0, 32)))
          application.deleteItem(admin, path, 'simulated').catch(() => undefined);
      }
    }
  }

  await startCoordinator();
  for (const { name } of agents) await until((world.application() as Application).addAgent(admin, name));
  await until(receivers.add(world.application() as Application));
  for (const agent of agents) agent.connect();
  const tops = buildable.slice(-Math.ceil(size / 3)).map(({ path }) => path);
  // Clients try again until they are answered, with the same key.
  const pendingFaults: (() => void | Promise<void>)[] = [];
  const submit = async (roots: readonly string[], key: string): Promise<void> => {
    const result = await world
      .application()
      ?.submit(admin, {
        roots,
        options: { priority: Math.floor(time.random() * 3) },
        inputs: true,
        force: false,
        idempotencyKey: key,
      })
      .catch(() => undefined);
    if (result) acknowledged.submissions.push(result.submission);
    else time.after(500, () => void submit(roots, key));
  };
  const roots = [...tops, ...hopeless.map(({ path }) => path)];
  for (const [n, root] of roots.entries())
    time.after((time.random() * faultsOverMs) / 2, () => void submit([root], `key${n}`));
  for (let n = 0; n < faults; n++) time.after(time.random() * faultsOverMs, () => pendingFaults.push(fault));
  /** Submissions that may be cancelled; those of `submit` never are. */
  const fickle: string[] = [];
  async function changeMind(): Promise<void> {
    const application = world.application();
    if (application === undefined) return;
    const submission = time.pick(fickle.slice(-3));
    // Builds are numbered from 1.
    const build = `${submission}-${1 + Math.floor(time.random() * 4)}`;
    const options = { priority: Math.floor(time.random() * 3) };
    const path = time.pick(buildable).path;
    const note = (made: { submission: string }) => void fickle.push(made.submission);
    const kind = submission === undefined ? 0 : Math.floor(time.random() * 8);
    if (kind <= 2) await application.submit(admin, { roots: [path], options, inputs: true, force: false }).then(note);
    else if (kind === 3) await application.retrySubmission(admin, submission as string).then(note);
    else if (kind === 4) await application.retryBuild(admin, build).then(note);
    else if (kind === 5) await application.cancelBuild(admin, build);
    else await application.cancelSubmission(admin, submission as string);
  }
  for (let n = 0; n < wishes; n++) {
    const wish = (): void => void changeMind().catch((error: unknown) => isRefusal(error) || bugs.push(error));
    time.after(time.random() * faultsOverMs, wish);
  }
  const begun = time.now();
  // Something is due after the last fault, whatever else is.
  time.after(faultsOverMs + 1, () => undefined);

  let restores = 0;
  for (let steps = 0; ; steps++) {
    if (bugs.length > 0) throw bugs[0];
    if (steps === 100_000) assert.fail(`not at an end: ${describeStuck(world.application(), tops, byPath)}`);
    await time.step();
    const next = pendingFaults.shift();
    if (next) await next();
    const application = world.application();
    const allServed = async (): Promise<boolean> => {
      for (const path of tops)
        for (const { path: output } of world.outputsOf(path)) if (!(await world.isServed(output))) return false;
      return true;
    };
    if (
      steps % 50 === 0 &&
      application &&
      acknowledged.submissions.length >= roots.length &&
      application.status().builds.failed >= hopelessCount &&
      (await allServed()) &&
      receivers.isQuiet(application) &&
      time.now() - begun > faultsOverMs
    )
      break;
    // What was lost after it had been built, with nobody needing it: a client asks for it again.
    if (steps % 2000 === 1999 && time.now() - begun > faultsOverMs && application) await reportLost(application);
  }

  async function reportLost(application: Application): Promise<void> {
    for (const path of tops) {
      for (const { path: output } of world.outputsOf(path)) {
        const item = application.servable(output.slice(0, 32));
        if (item && !(await pool.has(item.file))) application.doubtItem(output, 'size').catch(() => undefined);
      }
      void submit([path], `again${restores++}`);
    }
  }

  // No wait was longer than its own longest, whatever the clock did.
  assert.ok(time.now() - begun < faultsOverMs + longestTailMs, `it took ${Math.round((time.now() - begun) / 1000)} s`);
  // I3 and the invariants of the log.
  const app = world.application() as Application;
  await until(new Promise<void>((resolve) => void time.after(100, resolve)));
  const { events, attempts, canceled } = await auditLog(disk);
  const verifier = createVerifier({ keys: [auditKey], held: [] });
  for await (const batch of disk.readAll({ json: 'beside' })) for (const event of batch.events) verifier.add(event);
  const verified = verifier.end();
  assert.equal(verified.fault, undefined);
  assert.ok(verified.linkedFrom !== undefined && verified.checkpoints > 0);
  await receivers.audit(disk);
  await traces.audit(disk, policy.storeDir);
  const [replayed, again] = [await recover(disk, policy.storeDir), await recover(disk, policy.storeDir)];
  assert.deepEqual([...replayed.farm.describe()], [...again.farm.describe()]);
  for (const { path } of hopeless) {
    const { queue, graph } = replayed.farm;
    const state = queue.latest(graph.drvOf(path) ?? assert.fail(path))?.state;
    assert.equal(state?.status, 'failed', `${path}: ${JSON.stringify(state)}`);
    assert.ok(state.mishaps <= 10, `${path}: tried ${state.mishaps} times`);
  }
  return { events, succeeded: app.status().builds.succeeded, restarts, ms: time.now() - begun, attempts, canceled };
}

/** What a client is told, and not a fault of Drover's. */
function isRefusal(error: unknown): boolean {
  return isDroverError(error) || error instanceof EventStoreError;
}

function describeStuck(
  application: Application | undefined,
  tops: readonly string[],
  facts: ReadonlyMap<string, DerivationFacts>,
): string {
  if (!application) return 'no coordinator';
  const lacking = tops.filter((path) =>
    Object.values(facts.get(path)?.outputs ?? {}).some((output) => !application.servable(output.slice(0, 32))),
  );
  return `${JSON.stringify(application.status().builds)} ${JSON.stringify(application.agents().map(({ name, state, intake, running }) => ({ name, state, intake, running })))}, lacking ${lacking.join(' ')}`;
}

function hopelessDerivation(n: number): DerivationFacts {
  return {
    path: fakeBase('h', n, '.drv'),
    system: 'x86_64-linux',
    ...(n % 2 === 1 && { features: ['kvm'] }),
    outputs: { out: fakeBase('w', n) },
    inputs: [],
    sources: [],
  };
}

function randomGraph(
  size: number,
  random: () => number,
  pick: <Value>(values: readonly Value[]) => Value,
): DerivationFacts[] {
  const facts: DerivationFacts[] = [];
  for (let n = 0; n < size; n++) {
    const inputs = new Set<string>();
    for (let k = Math.floor(random() * Math.min(n, 4)); k > 0; k--)
      inputs.add((facts[Math.floor(random() * n)] as DerivationFacts).path.slice(0, 32));
    const system = pick(['x86_64-linux', 'x86_64-linux', 'x86_64-linux', 'i686-linux']);
    facts.push({
      path: fakeBase('d', n, '.drv'),
      system,
      ...(random() < 0.2 && { features: ['kvm'] }),
      outputs: { out: fakeBase('o', n), ...(random() < 0.2 && { dev: fakeBase('v', n) }) },
      inputs: [...inputs].sort(),
      sources: [],
    });
  }
  return facts;
}
