import type { Logger } from 'pino';
import type { Runtime } from '../coordinator/ports/runtime.ts';
import type { AgentLimit } from '../domain/agent/events.ts';
import {
  type AgentOob,
  type CoordinatorMessage,
  maxWaitReason,
  mostWaiting,
  type WaitingAttempt,
  type Welcome,
} from '../domain/agent/messages.ts';
import type { FailureClass } from '../domain/build/failure-class.ts';
import {
  type Allocation,
  type Attempt,
  type AttemptContext,
  resumeAttempt,
  type StopReason,
  startAttempt,
} from './attempt.ts';
import { failureOf } from './attempt-failure.ts';
import { type AttemptRecord, attemptName } from './attempt-record.ts';
import { wait } from './back-off.ts';
import { createFitness, type FitnessCheck } from './fitness.ts';
import { createDerivationFetcher } from './inputs/fetch-derivations.ts';
import { createInputFetcher } from './inputs/fetch-inputs.ts';
import { createLimiter } from './limiter.ts';
import { type LoadLimits, loadExcess, type MachineLoad } from './load-limit.ts';
import { createPartSize } from './outputs/part-size.ts';
import type { AttemptStore } from './ports/attempt-store.ts';
import type { Builder } from './ports/builder.ts';
import type { Cache } from './ports/cache.ts';
import type { CoordinatorLink, LinkConnection, OpenLink } from './ports/coordinator-link.ts';
import type { DerivationTexts } from './ports/derivation-texts.ts';
import type { DirectUpstreams } from './ports/direct-upstreams.ts';
import type { StoreUpkeep } from './ports/store-upkeep.ts';
import type { Uploads } from './ports/uploads.ts';
import { createStoreKeeper, type StoreLimits } from './store-keeper.ts';
import { createHoldingsTeller } from './tell-holdings.ts';

export interface AgentOptions {
  readonly builder: Builder;
  readonly openLink: OpenLink;
  readonly cache: Cache;
  /** For a builder that builds only what lies in its store. */
  readonly texts?: DerivationTexts;
  /** Upstreams that it fetches from itself where the coordinator says so; without them it never does. */
  readonly upstreams?: DirectUpstreams;
  readonly uploads: Uploads;
  readonly store: AttemptStore;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Attempts at a time. */
  readonly slots: number;
  /** Inputs on their way at a time. */
  readonly maxConcurrentFetches: number;
  /** Outputs on their way at a time. */
  readonly maxConcurrentUploads: number;
  /** Largest part of an upload, in bytes. Default 8 MiB. */
  readonly uploadPartBytes?: number;
  /** How the machine is, for heartbeats. */
  readonly health: () => Promise<MachineLoad & { readonly freeBytes?: number }>;
  /** From what on it takes nothing new. Default: never. */
  readonly loadLimits?: LoadLimits;
  /** The bounds of its store, and what keeps it in them. Default: none. */
  readonly room?: { readonly upkeep: StoreUpkeep; readonly limits: StoreLimits };
  /** What has to go well before anything is built: at the start, and whenever it is asked for again. Default: nothing. */
  readonly checks?: readonly FitnessCheck[];
  /** How long the first of that may hold back the link. Default 5,000. */
  readonly firstTestMs?: number;
  /** How long the coordinator is waited for, when the agent leaves, once nothing else is left to do. Default 30,000. */
  readonly farewellMs?: number;
}

/** Failures of an attempt after which the agent tries whether it can build at all. */
const machineFaults: ReadonlySet<FailureClass> = new Set(['agent-error', 'disk-full']);

/** How the agent's life ended. */
export type AgentEnd =
  | { readonly reason: 'stopped' }
  | { readonly reason: 'refused'; readonly code: string; readonly message: string };

export interface RunningAgent extends AsyncDisposable {
  /** Resolves once it has left: nothing runs, the link is closed. */
  readonly ended: Promise<AgentEnd>;
  /**
   * Takes nothing new and leaves: after what it runs has ended (`finish`), or at once, giving back what is not built yet
   * (`hand-back`) or leaving everything on disk for the next start (`leave`).
   */
  stop(how: 'finish' | 'hand-back' | 'leave'): Promise<void>;
}

/** Starts an agent: what it kept on disk goes on, and the coordinator's messages are followed until it is told to leave. */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { logger, runtime } = options;
  // Before there is a link: the first hello has to name them.
  const kept = await options.store.load();
  const attempts = new Map<string, Attempt>();
  const end = Promise.withResolvers<AgentEnd>();
  let leaving = false;
  let drained = false;
  let publicKeys: readonly string[] = [];
  let connection: { readonly to: LinkConnection; readonly logs: ReadonlyMap<string, number> } | undefined;
  let handled: Promise<void> = Promise.resolve();
  /** As in the last hello. */
  let saidUnfit: string | undefined;
  let unacknowledged = 0;
  let finished = false;
  const stop = new AbortController();

  const fitness = createFitness({ checks: options.checks ?? [], runtime, logger, changed: () => sayNow() });
  fitness.test('it starts');
  const { room } = options;
  const holdings = room && createHoldingsTeller(room.upkeep, options.builder.storeDir, logger);
  /** Whether what was kept on disk is under way: nothing else keeps what it has built. */
  let resumed = false;
  const keeper =
    room &&
    createStoreKeeper({
      ...room,
      clock: runtime.clock,
      logger,
      busy: () => !resumed || attempts.size > 0,
      changed: () => sayNow(),
      collected: () => holdings?.collected(),
    });
  let overload: string | undefined;
  // Most often it is known in time for the first hello. What still runs or waits for its upload cannot wait for long.
  const known = new AbortController();
  const late = wait(runtime, options.firstTestMs ?? 5_000, known.signal).catch(() => {});
  await Promise.race([Promise.all([fitness.settled(known.signal), measure(), keeper?.look()]), late]);
  known.abort();

  const link = options.openLink({
    running: () => [...attempts.values()].map(({ known }) => known),
    leaving: () => leaving,
    unfit: () => {
      saidUnfit = fitness.unfit;
      return saidUnfit;
    },
    limited: limitNow,
    welcome,
    // One after the other: what a message means depends on those before it.
    message: (message) => {
      const done = handled.then(() => take(message));
      handled = done.catch(() => {});
      return done;
    },
    heartbeat,
  });

  function waitingNow(): WaitingAttempt[] {
    const waiting: WaitingAttempt[] = [];
    for (const { record, wait: waited } of attempts.values()) {
      if (waited === undefined || waiting.length === mostWaiting) continue;
      const { build, attempt } = record;
      waiting.push({ build, attempt, for: waited.for, reason: waited.reason.slice(0, maxWaitReason) });
    }
    return waiting;
  }

  function deliveringNow(): Pick<WaitingAttempt, 'build' | 'attempt'>[] {
    const delivering = [...attempts.values()].filter((attempt) => attempt.delivering).slice(0, mostWaiting);
    return delivering.map(({ record: { build, attempt } }) => ({ build, attempt }));
  }

  function limitNow(): AgentLimit | undefined {
    return keeper?.limit ?? (overload === undefined ? undefined : { by: 'load', reason: overload });
  }

  function present(): Extract<AgentOob, { type: 'heartbeat' }> {
    const { unfit } = fitness;
    const limited = limitNow();
    const waiting = waitingNow();
    const delivering = deliveringNow();
    return {
      type: 'heartbeat',
      running: attempts.size,
      ...(leaving && { leaving: true }),
      ...(unfit !== undefined && { unfit }),
      ...(limited !== undefined && { limited }),
      ...(waiting.length > 0 && { waiting }),
      ...(delivering.length > 0 && { delivering }),
    };
  }

  /** The folders that the figures are of may be gone: that is no reason to be silent. */
  async function measure(): Promise<Omit<MachineLoad, 'pressure'>> {
    const figures: MachineLoad = await options.health().catch((error: Error) => {
      fitness.test(`its own figures cannot be read: ${error.message}`);
      return {};
    });
    const { pressure: _, ...told } = figures;
    overload = loadExcess(figures, options.loadLimits ?? {}, overload !== undefined);
    return told;
  }

  async function heartbeat(): Promise<ReturnType<typeof present>> {
    const told = await measure();
    void keeper?.look();
    return { ...told, ...present() };
  }

  /** Says how it is, without waiting for the next heartbeat. */
  function sayNow(): void {
    connection?.to.sendOob(present()).catch(() => {});
  }

  const send: CoordinatorLink['send'] = async (message, before) => {
    if ('class' in message && machineFaults.has(message.class))
      fitness.test(`attempt ${attemptName(message)} failed: ${message.class}: ${message.message}`);
    if ('class' in message && message.class === 'disk-full') keeper?.diskFull();
    unacknowledged++;
    // A result: perhaps the last one.
    leaveIfDone();
    try {
      await link.send(message, before);
    } finally {
      unacknowledged--;
      leaveIfDone();
    }
  };
  const context: AttemptContext = {
    builder: options.builder,
    fetcher: createInputFetcher({
      builder: options.builder,
      cache: options.cache,
      runtime,
      publicKeys: () => publicKeys,
      ...(options.upstreams && { upstreams: options.upstreams }),
      logger,
      concurrency: options.maxConcurrentFetches,
    }),
    derivations: createDerivationFetcher({
      builder: options.builder,
      texts: options.texts,
      runtime,
      requests: createLimiter(options.maxConcurrentFetches),
    }),
    uploads: options.uploads,
    runtime,
    logger,
    slots: createLimiter(options.slots),
    deliveries: createLimiter(options.maxConcurrentUploads),
    parts: createPartSize(options.uploadPartBytes),
    waitsChanged() {
      sayNow();
      leaveIfDone();
    },
    built: sayNow,
    send,
    unfit: (signal) => fitness.settled(signal),
    unfitAfter(cause, signal) {
      fitness.test(cause);
      return fitness.settled(signal);
    },
  };

  function add(name: string, attempt: Attempt): void {
    attempts.set(name, attempt);
    if (connection !== undefined) attempt.log.attach(connection.to, connection.logs.get(name) ?? 0);
    void attempt.settled.then(() => {
      attempts.delete(name);
      leaveIfDone();
      keeper?.touched();
      void keeper?.look();
    });
  }

  function welcome(said: Welcome, to: LinkConnection): void {
    publicKeys = said.publicKeys;
    options.upstreams?.told(said.upstreams ?? []);
    connection = { to, logs: new Map(said.logs.map((log) => [attemptName(log), log.size])) };
    // It may have changed while the hello was on its way; and of waits, and of what needs no slot, a hello says nothing.
    const untold = waitingNow().length + deliveringNow().length;
    if (fitness.unfit !== saidUnfit || limitNow() !== undefined || untold > 0) sayNow();
    holdings?.welcomed(said, to);
    for (const dropped of said.drop) attempts.get(attemptName(dropped))?.stop('dropped');
    for (const [name, attempt] of attempts) attempt.log.attach(to, connection.logs.get(name) ?? 0);
  }

  async function take(message: CoordinatorMessage): Promise<void> {
    if (message.type === 'drain') {
      // It is the coordinator that gives it nothing; it stays, so that whoever resumes it need not start it.
      if (!drained)
        logger.warn(
          "this agent is drained: what it runs ends, and it waits, without anything new, until 'drover agents resume'",
        );
      drained = true;
      return;
    }
    if (message.type === 'self-test') return fitness.test(message.reason);
    const { build, attempt } = message;
    const name = attemptName(message);
    const known = attempts.get(name);
    if (message.type === 'cancel') {
      if (known !== undefined) known.stop('canceled');
      else send({ type: 'released', build, attempt, reason: 'unknown-attempt' }).catch(() => {});
      return;
    }
    // Said twice, because an acknowledgement was lost.
    if (known !== undefined) return;
    if (leaving) {
      send({ type: 'released', build, attempt, reason: 'handed-back' }).catch(() => {});
      return;
    }
    if (drained) logger.info('an operator has resumed this agent');
    drained = false;
    const record: AttemptRecord = { build, attempt, derivation: message.derivation, phase: 'preparing' };
    try {
      const files = await options.store.create(record);
      add(name, startAttempt(context, message, record, files));
    } catch (error) {
      logger.error({ err: error, build, attempt }, 'an attempt could not be recorded');
      void refuse(message, error);
    }
  }

  /** Where the agent itself is the reason, it says so and gives the attempt back: that is the failure of no build. */
  async function refuse({ build, attempt }: Allocation, error: unknown): Promise<void> {
    const failure = failureOf(error, 'fetch-failed');
    fitness.test(`attempt ${attemptName({ build, attempt })} could not be recorded: ${failure.message}`);
    const unfit = await fitness.settled(stop.signal).catch(() => 'it is being stopped');
    const key = { build, attempt };
    const answer =
      unfit === undefined
        ? ({ type: 'setup-failed', ...key, ...failure } as const)
        : ({ type: 'released', ...key, reason: 'handed-back' } as const);
    await send(answer).catch(() => {});
  }

  function stopAll(reason: StopReason, which: (attempt: Attempt) => boolean = () => true): void {
    for (const attempt of attempts.values()) if (which(attempt)) attempt.stop(reason);
  }

  let farewell: Disposable | undefined;
  function leaveIfDone(): void {
    if (!leaving || finished) return;
    // What waits for the coordinator is on disk, too, and goes on at the next start.
    const running = [...attempts.values()].some(({ record, wait }) => record.phase !== 'ended' && wait === undefined);
    if (running) {
      farewell?.[Symbol.dispose]();
      farewell = undefined;
      return;
    }
    if (attempts.size === 0 && unacknowledged === 0) {
      void finish({ reason: 'stopped' });
      return;
    }
    // The coordinator may be away, or without room, for long.
    farewell ??= runtime.timers.after(options.farewellMs ?? 30_000, () => {
      logger.warn(
        'leaving without the last acknowledgements; what is built is on disk, and is sent and uploaded at the next start',
      );
      void finish({ reason: 'stopped' });
    });
  }

  async function finish(how: AgentEnd): Promise<void> {
    if (finished) return;
    finished = true;
    stop.abort(new Error('the agent leaves'));
    farewell?.[Symbol.dispose]();
    fitness[Symbol.dispose]();
    stopAll('left');
    await link[Symbol.asyncDispose]();
    await Promise.all([...attempts.values()].map(({ settled }) => settled));
    end.resolve(how);
  }

  void link.ended.then((how) => {
    if (how.reason !== 'refused') return;
    logger.error({ code: how.code }, `the coordinator refuses this agent: ${how.message}`);
    void finish(how);
  });

  for (const name of kept.damaged)
    logger.error({ attempt: name }, 'the files of an attempt cannot be read; they were put aside');
  for (const { record, files } of kept.attempts) add(attemptName(record), resumeAttempt(context, record, files));
  resumed = true;
  void keeper?.look();

  return {
    ended: end.promise,
    async stop(how) {
      leaving = true;
      // Before anything is given back, or the coordinator would give it to this agent again.
      sayNow();
      if (how === 'leave') await finish({ reason: 'stopped' });
      else {
        // What is built is not thrown away: its upload goes on.
        if (how === 'hand-back') stopAll('handed-back', ({ record }) => record.phase !== 'uploading');
        leaveIfDone();
      }
      await end.promise;
    },
    async [Symbol.asyncDispose]() {
      leaving = true;
      await finish({ reason: 'stopped' });
      await end.promise;
    },
  };
}
