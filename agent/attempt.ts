import type { Logger } from 'pino';
import type { Runtime } from '../coordinator/ports/runtime.ts';
import type { AgentMessage, CoordinatorMessage, KnownAttempt } from '../domain/agent/messages.ts';
import type { FailureClass } from '../domain/build/failure-class.ts';
import { listBytes, maxReferenceBytes } from '../domain/limits.ts';
import { type Derivation, parseDerivation } from '../domain/store/derivation.ts';
import {
  type AttemptFailure,
  failureOf,
  isDiskFull,
  saysDaemonCannotFetch,
  saysStoreDamaged,
  shorten,
} from './attempt-failure.ts';
import type { AttemptRecord } from './attempt-record.ts';
import { buildWithinLimits } from './build-limits.ts';
import type { DerivationFetcher } from './inputs/fetch-derivations.ts';
import type { InputFetcher } from './inputs/fetch-inputs.ts';
import type { Limiter } from './limiter.ts';
import { createLogFeed, type LogFeed } from './log-feed.ts';
import { deliverOutputs } from './outputs/deliver-outputs.ts';
import type { PartSize } from './outputs/part-size.ts';
import { createPhaseTimes } from './phase-times.ts';
import type { AttemptFiles } from './ports/attempt-store.ts';
import type { Builder, BuilderSession } from './ports/builder.ts';
import type { CoordinatorLink } from './ports/coordinator-link.ts';
import { isTransferError } from './ports/transfer-error.ts';
import type { Uploads } from './ports/uploads.ts';
import { createWaits, type Wait } from './waits.ts';

export type Allocation = Extract<CoordinatorMessage, { type: 'allocate' }>;

export interface AttemptContext {
  readonly builder: Builder;
  readonly fetcher: InputFetcher;
  readonly derivations: DerivationFetcher;
  readonly uploads: Uploads;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Attempts that prepare or build at a time. */
  readonly slots: Limiter;
  /** Outputs on their way at a time. */
  readonly deliveries: Limiter;
  /** Of uploads, as proxies on the way to the coordinator have it. */
  readonly parts: PartSize;
  /** An attempt waits for the coordinator now, or goes on. */
  readonly waitsChanged: () => void;
  /** An attempt is built: what is left of it needs no slot. */
  readonly built: () => void;
  readonly send: CoordinatorLink['send'];
  /** The same, after it has tried itself once more, for this reason. */
  readonly unfitAfter: (cause: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Waits while the agent tries itself; resolves with why it cannot build, `undefined` if it can. */
  readonly unfit: (signal: AbortSignal) => Promise<string | undefined>;
}

/**
 * Why an attempt is stopped: `canceled` and `handed-back` are reported, `dropped` is forgotten (the coordinator has said that
 * it is not ours), `left` stays on disk for the agent's next start.
 */
export type StopReason = 'canceled' | 'handed-back' | 'dropped' | 'left';

/** One try of a build: preparing → building → uploading → ended. */
export interface Attempt {
  readonly record: AttemptRecord;
  readonly known: KnownAttempt;
  readonly log: LogFeed;
  /** What it waits for at the coordinator. */
  readonly wait: Wait | undefined;
  /** Built, with its outputs on their way. */
  readonly delivering: boolean;
  /** No effect once it has ended. */
  stop(reason: StopReason): void;
  /** Resolves once nothing of it runs and its result, if it has one, was acknowledged. Never rejects. */
  readonly settled: Promise<void>;
}

/** Starts an attempt that was allocated just now. */
export function startAttempt(
  context: AttemptContext,
  allocation: Allocation,
  record: AttemptRecord,
  files: AttemptFiles,
): Attempt {
  return createAttempt(context, record, files, (run) => run.fresh(allocation));
}

/** Goes on with an attempt of the agent's life before this one. */
export function resumeAttempt(context: AttemptContext, record: AttemptRecord, files: AttemptFiles): Attempt {
  return createAttempt(context, record, files, async (run) => {
    if (record.phase === 'uploading') return run.upload();
    // The build died with the agent that ran it.
    await context.builder.tidy(`${context.builder.storeDir}/${record.derivation}`);
    return record.result ?? run.released('handed-back');
  });
}

/** Failures that inputs can be the cause of which are not as they should be. */
const mayBeOfInputs: ReadonlySet<FailureClass> = new Set([
  'builder-failed',
  'output-missing',
  'unknown',
  'agent-error',
]);

interface Run {
  fresh(allocation: Allocation): Promise<AgentMessage>;
  upload(): Promise<AgentMessage>;
  released(reason: 'handed-back' | 'canceled'): AgentMessage;
}

function createAttempt(
  context: AttemptContext,
  first: AttemptRecord,
  files: AttemptFiles,
  course: (run: Run) => Promise<AgentMessage>,
): Attempt {
  const { builder, runtime } = context;
  const key = { build: first.build, attempt: first.attempt };
  const logger = context.logger.child(key);
  const stop = new AbortController();
  const { signal } = stop;
  const times = createPhaseTimes(runtime.clock.monotonic, first.phases);
  let record = first;
  let stopReason: StopReason | undefined;
  let logFault: AttemptFailure | undefined;
  let durationMs: number | undefined;
  let kept = first.phase === 'uploading';
  /** What was thrown, where that ended it. */
  let cause: unknown;
  const log = createLogFeed(key, files, (error) => {
    logger.error({ err: error }, 'the log could not be kept or sent');
    if (!isDiskFull(error) || record.phase === 'ended') return;
    logFault ??= failureOf(error, 'upload-failed');
    stop.abort(error);
  });

  const waits = createWaits((now) => {
    if (now === undefined) logger.info('the coordinator is there again: the attempt goes on');
    else logger.warn({ for: now.for }, `the attempt waits: ${now.reason}`);
    context.waitsChanged();
  });

  async function save(change: Partial<AttemptRecord>): Promise<void> {
    record = { ...record, ...change };
    await files.save(record);
  }

  const run: Run = {
    async fresh(allocation) {
      times.enter('waiting');
      let derivation: Derivation;
      try {
        derivation = parseDerivation(allocation.text, { storeDir: builder.storeDir });
      } catch (error) {
        return { type: 'setup-failed', ...key, class: 'rejected', message: failureOf(error, 'fetch-failed').message };
      }
      if (derivation.outputs.some(({ path }) => path === '')) {
        const message = 'expected outputs with known paths, got a floating output';
        return { type: 'setup-failed', ...key, class: 'rejected', message };
      }
      const unfit = await context.unfit(signal);
      if (unfit !== undefined) {
        logger.warn(`handed back, as this agent cannot build: ${unfit}`);
        return run.released('handed-back');
      }
      // Held until the outputs are delivered; its place in the store is free for another once it is built.
      await using held = new AsyncDisposableStack();
      const ended = await context.slots.run(signal, async () => {
        times.enter('fetching');
        const session = held.use(await builder.open(signal));
        return (await prepare(session, allocation, derivation)) ?? (await build(session, allocation, derivation));
      });
      if (ended !== undefined) return ended;
      await keepBuilt(derivation);
      return await deliver();
    },
    async upload() {
      times.enter('uploading');
      await using session = await builder.open(signal);
      await session.hold((record.outputs ?? []).map(({ path }) => fullPath(path)));
      return await deliver();
    },
    released: (reason) => ({ type: 'released', ...key, reason }),
  };

  async function prepare(
    session: BuilderSession,
    allocation: Allocation,
    derivation: Derivation,
  ): Promise<AgentMessage | undefined> {
    await session.hold(derivation.outputs.map(({ path }) => path));
    const path = fullPath(allocation.derivation);
    const recipe = await context.derivations.find(session, path, allocation.text, signal, waits);
    const needed = [...new Set([...allocation.inputs.map(fullPath), ...recipe.sources])];
    const { missing } = await context.fetcher.fetch(session, needed, signal, waits);
    const bases = [...recipe.missing, ...missing].map(baseOf);
    if (bases.length === 0) {
      await recipe.add(signal);
      return undefined;
    }
    return {
      type: 'setup-failed',
      ...key,
      class: 'inputs-missing',
      missing: bases.slice(0, 1000),
      message: shorten(`not in the cache: ${bases.join(' ')}`),
    };
  }

  /** Resolves with the failure, if there is one. */
  async function build(
    session: BuilderSession,
    allocation: Allocation,
    derivation: Derivation,
  ): Promise<AgentMessage | undefined> {
    await save({ phase: 'building' });
    logger.info({ derivation: record.derivation }, 'the build starts');
    context.send({ type: 'started', ...key }).catch(() => {});
    times.enter('building');
    const started = runtime.clock.monotonic();
    const outcome = await buildWithinLimits(
      session,
      {
        derivationPath: fullPath(allocation.derivation),
        derivation,
        inputs: allocation.inputs.map(fullPath),
        timeoutSeconds: allocation.timeoutSeconds,
        maxSilentSeconds: allocation.maxSilentSeconds,
        maxLogBytes: allocation.maxLogBytes,
        signal,
        onLog: (chunk) => log.append(chunk),
      },
      runtime,
    );
    signal.throwIfAborted();
    if (outcome.status === 'canceled') throw new Error('the build was stopped, and not by the agent');
    if (outcome.status === 'failed') {
      if (outcome.storeDamaged && (await isUnfit(outcome.message))) return run.released('handed-back');
      const faults = mayBeOfInputs.has(outcome.class) ? await faultsOf(allocation) : [];
      if (faults.length > 0) {
        const message = `the store of this agent is not as the cache says (it is mended by the next attempt):\n${faults.join('\n')}\n${outcome.message}`;
        return { type: 'failed', ...key, class: 'agent-error', message: shorten(message), logBytes: log.size };
      }
      const durationMs = Math.round(runtime.clock.monotonic() - started);
      return {
        type: 'failed',
        ...key,
        class: outcome.class,
        message: shorten(outcome.message),
        durationMs,
        logBytes: log.size,
      };
    }
    times.enter('uploading');
    durationMs = outcome.durationMs;
    return undefined;
  }

  /** From here on the work outlives the agent. */
  async function keepBuilt({ outputs }: Derivation): Promise<void> {
    await log.flush();
    await save({
      phase: 'uploading',
      phases: times.sofar,
      durationMs,
      outputs: outputs.map(({ name, path }) => ({ name, path: baseOf(path) })),
    });
    kept = true;
    context.built();
  }

  /** What the store had wrong of the inputs; nothing where that cannot be told now. */
  async function faultsOf({ inputs }: Allocation): Promise<readonly string[]> {
    const faults = await context.fetcher.audit(inputs.map(fullPath), signal).catch((error: unknown) => {
      logger.warn({ err: error }, 'whether the inputs are as they should be could not be found out');
      return [];
    });
    signal.throwIfAborted();
    if (faults.length > 0) logger.error({ faults }, 'the store is not as the cache says');
    return faults;
  }

  /** A store that is damaged as a whole, or a daemon that trusts the cache no more, says nothing of a build: if this agent finds that it cannot build, the attempt goes to another. */
  async function isUnfit(cause: string): Promise<boolean> {
    const unfit = await context.unfitAfter(cause, signal);
    if (unfit !== undefined) logger.warn(`handed back, as this agent cannot build: ${unfit}`);
    return unfit !== undefined;
  }

  async function deliver(): Promise<AgentMessage> {
    const { uploads, deliveries: limiter, parts } = context;
    const options = { builder, uploads, runtime, limiter, parts, waits, signal };
    const outputs = await deliverOutputs(options, record, files);
    const bytes = outputs.reduce((sum, { references }) => sum + listBytes(references), 0);
    if (bytes > maxReferenceBytes) {
      const message = `expected references of at most ${maxReferenceBytes} bytes in all, got ${bytes}`;
      return { type: 'failed', ...key, class: 'rejected', message, logBytes: log.size };
    }
    return { type: 'succeeded', ...key, outputs, durationMs: record.durationMs ?? 0, logBytes: log.size };
  }

  /** The result, or `undefined` where the coordinator is not to hear of one. */
  async function timedResult(): Promise<AgentMessage | undefined> {
    const result = await resultOf();
    // One of the agent's life before this one has its own.
    if (result === undefined || result === record.result) return result;
    return result.type === 'started' || result.type === 'released' ? result : { ...result, phases: times.sofar };
  }

  async function resultOf(): Promise<AgentMessage | undefined> {
    try {
      return await course(run);
    } catch (error) {
      if (stopReason === 'dropped' || stopReason === 'left') return undefined;
      if (stopReason !== undefined) return run.released(stopReason);
      const mayBeUnfit = saysStoreDamaged(error) || saysDaemonCannotFetch(error);
      if (mayBeUnfit && (await isUnfit((error as Error).message).catch(() => false)))
        return run.released('handed-back');
      const failure = logFault ?? failureOf(error, record.phase === 'preparing' ? 'fetch-failed' : 'upload-failed');
      cause = error;
      if (record.phase === 'preparing') {
        // The coordinator looks at its own file then.
        const damaged = isTransferError(error) && error.damaged !== undefined ? [baseOf(error.damaged)] : undefined;
        return { type: 'setup-failed', ...key, ...failure, ...(damaged && { damaged }) };
      }
      return { type: 'failed', ...key, ...failure, logBytes: log.size };
    }
  }

  async function live(): Promise<void> {
    const result = await timedResult();
    if (result === undefined) {
      await (stopReason === 'dropped' ? files.remove() : files.close());
      return;
    }
    try {
      await save({ phase: 'ended', result });
    } catch (error) {
      // Then it lives in memory only: should the agent die before it is acknowledged, the build is done once more.
      logger.error({ err: error }, 'the result could not be kept on disk');
    }
    if (result.type === 'failed' || result.type === 'setup-failed')
      logger.warn(
        { class: result.class, ...(cause !== undefined && { err: cause }) },
        `the attempt failed: ${result.message}`,
      );
    else logger.info({ result: result.type }, 'the attempt has ended');
    // Everything of the log goes before the result, on the same connection.
    try {
      await context
        .send(result, () => log.flush())
        .catch((error: unknown) => {
          if ((error as { code?: unknown }).code !== 'frame-too-large') throw error;
          const message = `the result cannot be sent: ${(error as Error).message}`;
          return context.send({ type: 'failed', ...key, class: 'rejected', message }, () => log.flush());
        });
    } catch (error) {
      logger.warn({ err: error }, 'the result was not acknowledged; it stays on disk');
      await log.flush();
      await files.close();
      return;
    }
    await files.remove();
  }

  const settled = live().catch((error: unknown) => {
    logger.error({ err: error }, 'the files of the attempt could not be closed');
  });

  function baseOf(path: string): string {
    return path.slice(builder.storeDir.length + 1);
  }

  function fullPath(base: string): string {
    return `${builder.storeDir}/${base}`;
  }

  return {
    get record() {
      return record;
    },
    get known() {
      return { ...key, phase: record.phase };
    },
    log,
    get wait() {
      return waits.current;
    },
    get delivering() {
      return kept && record.phase !== 'ended';
    },
    stop(reason) {
      if (record.phase === 'ended' || stopReason !== undefined) return;
      logger.info({ reason }, 'the attempt is stopped');
      stopReason = reason;
      stop.abort(new Error(`the attempt was stopped: ${reason}`));
    },
    settled,
  };
}
