import type { AgentMessage, AgentOob, BuiltOutput } from '../../domain/agent/messages.ts';
import type { BuildRefusal } from '../../domain/build/decide.ts';
import type { FailureClass } from '../../domain/build/failure-class.ts';
import { liveAgent } from '../../domain/build/state.ts';
import type { StoreItem } from '../../domain/item/events.ts';
import { caFor, contentAddressOfOutput, isAddressedBy } from '../../domain/store/content-address.ts';
import { type BuildRecord, buildId } from '../../projections/builds.ts';
import type { Item } from '../../projections/graph.ts';
import { needsSourcesBelow, sourcesOf } from '../../projections/sources-below.ts';
import type { Allocator } from '../agents/allocator.ts';
import { type Core, commandBuild, findBuild, useKnown } from '../core.ts';
import { DroverError, isDroverError } from '../errors.ts';
import type { Items } from '../items/items.ts';
import { ownerOfAgent } from '../items/uploads.ts';
import type { InSlices } from '../slices.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';
import { isLogOver } from './log-ends.ts';

/** What agents report of their attempts becomes events. */
export interface Attempts {
  /** Resolves once what the report causes is decided, which may not be durable yet. Rejects where it is not the agent's to make; then it changes nothing (I4). */
  report(agent: string, message: AgentMessage): Promise<void>;
  /**
   * Keeps what an agent says of its log, up to `limits.max-log-bytes`. Agents end a build that writes more; the attempt of one
   * that does not is failed here, so that no agent fills the disk.
   */
  keepLog(agent: string, chunk: Extract<AgentOob, { type: 'log' }>): Promise<void>;
  /** Fails the live attempt of the build and tells its agent to stop it. */
  abandon(build: BuildRecord, failure: FailureClass, message: string): void;
}

type Report<Type extends AgentMessage['type']> = Extract<AgentMessage, { type: Type }>;

export function createAttempts(
  core: Core,
  allocator: Allocator,
  items: Items,
  upstreams: Pick<Upstreams, 'isServable'>,
  inSlices: InSlices,
): Attempts {
  const { farm, writer, runtime, logs, links, pool } = core;
  const { graph } = farm;
  const wantsSourcesBelow = needsSourcesBelow(graph, core.policy.storeDir);

  function check(build: BuildRecord, agent: string, attempt: number, outcome: BuildRefusal | readonly unknown[]): void {
    if (typeof outcome !== 'string') return;
    throw outcome === 'not-your-attempt'
      ? new DroverError('not-your-attempt', `attempt ${attempt} of ${buildId(build)} was not given to ${agent}`)
      : new DroverError('stale-attempt', `attempt ${attempt} of ${buildId(build)} is over: ${outcome}`);
  }

  function fail(
    build: BuildRecord,
    agent: string,
    report: Pick<Report<'failed'>, 'attempt' | 'class' | 'message' | 'durationMs' | 'logBytes' | 'phases'>,
    setup: boolean,
    missing: readonly string[],
    below: readonly string[] = [],
  ): void {
    const { attempt, class: failure, message, durationMs, logBytes, phases } = report;
    const now = runtime.clock.now();
    const fraction = runtime.random.fraction();
    const command = {
      type: 'fail',
      attempt,
      agent,
      class: failure,
      message,
      setup,
      durationMs,
      logBytes,
      phases,
      missing,
      below,
      able: allocator.able(graph.jobClass(build.drv)),
      now,
      fraction,
    } as const;
    check(build, agent, attempt, commandBuild(core, build, command, { actor: `agent-${agent}` }));
    core.logger.warn({ build: buildId(build), attempt, agent, class: failure }, `the attempt failed: ${message}`);
  }

  /**
   * Which of the inputs that the agent did not find, or found damaged, are really not there or damaged; that becomes an event (I8). The
   * agent is believed nothing.
   */
  async function confirmMissing({ missing = [], damaged = [] }: Report<'setup-failed'>): Promise<string[]> {
    const confirmed: string[] = [];
    const isElsewhere = (path: string): boolean => {
      const item = graph.itemOf(path);
      return item !== undefined && farm.upstreams.get(item) !== undefined;
    };
    for (const path of missing)
      if (!(await (isElsewhere(path) ? upstreams.isServable(path, 'some') : items.isServable(path))))
        confirmed.push(path);
    for (const path of damaged)
      if (!(await (isElsewhere(path) ? upstreams.isServable(path, 'all') : items.isVerified(path, 'all'))))
        confirmed.push(path);
    return confirmed;
  }

  /** Of what is really not there: sources of derivations below, which are none of the build's inputs. */
  async function sourcesBelow({ drv }: BuildRecord, confirmed: readonly string[]): Promise<string[]> {
    if (!wantsSourcesBelow(drv)) return [];
    const items = new Set(confirmed.flatMap((path) => graph.itemOf(path) ?? []));
    if (items.size === 0) return [];
    const found = await inSlices(sourcesOf(graph, drv, items));
    return [...found].filter((item) => !graph.needs(drv, item)).map(graph.itemPath);
  }

  async function setupFailed(build: BuildRecord, agent: string, report: Report<'setup-failed'>): Promise<void> {
    check(build, agent, report.attempt, commandBuildDryRun(build, agent, report.attempt));
    const confirmed = await confirmMissing(report);
    // What the build does not wait for would set it going again at once.
    const below = await sourcesBelow(build, confirmed);
    const gone = farm.queue.missing(build.drv) > 0 ? confirmed : below;
    const missing = gone.length > 0 ? gone : cameSince(build, report);
    // What the agent did not find although it is here is a failure of the transfer.
    const fetching = report.class === 'inputs-missing' || report.class === 'fetch-failed';
    const failure = !fetching ? report.class : missing.length === 0 ? 'fetch-failed' : 'inputs-missing';
    fail(build, agent, { ...report, class: failure }, true, missing, below);
  }

  /** What the agent did not find and is there, but came only when the attempt was under way: it was built again meanwhile, and nobody is to blame. */
  function cameSince(build: BuildRecord, { attempt, missing = [], damaged = [] }: Report<'setup-failed'>): string[] {
    const spans = farm.timeline.spans(build, graph.jobClass(build.drv), runtime.clock.now());
    const given = spans.find((span) => span.attempt === attempt)?.from;
    if (given === undefined) return [];
    return [...missing, ...damaged].filter((path) => {
      const item = graph.itemOf(path);
      return item !== undefined && farm.availability.isPresent(item) && farm.details.addedAt(item) > given;
    });
  }

  /** Refuses a report about an attempt that is not live, before any work is done for it. */
  function commandBuildDryRun(build: BuildRecord, agent: string, attempt: number): BuildRefusal | readonly unknown[] {
    if (build.state.agents[attempt - 1] !== agent) return 'not-your-attempt';
    return liveAgent(build.state) === agent && build.state.attempt === attempt ? [] : 'stale-attempt';
  }

  /** What is wrong with the outputs that are said to be there; `undefined` if they are all there and right (I6). */
  async function verify(
    build: BuildRecord,
    agent: string,
    outputs: readonly BuiltOutput[],
  ): Promise<Verified | Problem> {
    const expected = graph.outputs(build.drv);
    const fixed = graph.fixed(build.drv);
    const { storeDir } = graph.jobClass(build.drv);
    const found: Omit<StoreItem, 'signatures'>[] = [];
    const uploads: string[] = [];
    const names = new Set(outputs.map(({ name }) => name));
    if (names.size !== outputs.length || outputs.length !== expected.length)
      return {
        class: 'agent-error',
        message: `expected the outputs ${expected.map(({ name }) => name).join(', ')}, got ${outputs.map(({ name }) => name).join(', ')}`,
      };
    for (const output of outputs) {
      const item = expected.find(({ name }) => name === output.name)?.item;
      if (item === undefined || graph.itemPath(item) !== output.path)
        return {
          class: 'agent-error',
          message: `output ${output.name}: ${output.path} is not the path that the derivation determines`,
        };
      const upload = output.upload === undefined ? undefined : await pool.finished(output.upload, ownerOfAgent(agent));
      if (upload && upload.item.path === output.path && fixed) {
        const problem = await checkFixedOutput(fixed, upload, storeDir ?? core.policy.storeDir);
        if (problem) return { ...problem, message: `output ${output.name}: ${problem.message}` };
      }
      const same = farm.details.narHash(item) === output.narHash;
      if (await items.isVerified(output.path, same ? 'recent' : 'all')) {
        // It came from elsewhere in the meantime, or by a report of which the agent did not hear; the pool keeps what it has.
        if (upload) await pool.abandon(upload.id);
        continue;
      }
      if (!upload || upload.item.path !== output.path) {
        const lacking = output.upload === undefined ? '' : `there is no finished upload ${output.upload}, and `;
        const message = `output ${output.name}: ${lacking}the pool does not have ${output.path}`;
        return { class: 'upload-failed', message };
      }
      const ca = fixed && caFor(contentAddressOfOutput({ hashAlgo: fixed.method, hash: fixed.hash }));
      found.push({
        ...upload.item,
        deriver: graph.drvPath(build.drv),
        ...(storeDir !== undefined && { storeDir }),
        ...(ca !== undefined && { ca }),
      });
      uploads.push(upload.id);
    }
    return { items: found, uploads };
  }

  async function checkFixedOutput(
    fixed: { method: string; hash: string },
    { id, item }: NonNullable<Awaited<ReturnType<typeof pool.finished>>>,
    storeDir: string,
  ): Promise<Problem | undefined> {
    const got = await pool.contentHash(id, fixed.method);
    if (got !== fixed.hash) {
      const message = `expected ${fixed.method}:${fixed.hash}, got ${got ?? 'something that has no such hash'}`;
      return { class: 'hash-mismatch', message };
    }
    const { path, references } = item;
    const address = contentAddressOfOutput({ hashAlgo: fixed.method, hash: fixed.hash });
    if (isAddressedBy({ path, references, storeDir }, address)) return undefined;
    const message = `expected a fixed output that refers to nothing, as its path is made of its content alone, got references to ${item.references.join(', ')}`;
    return { class: 'rejected', message: message.slice(0, maxMessage) };
  }

  /** Makes the NARs fetchable. Resolves with what one of them lacks that was uploaded and has gone since; then none of them stays. */
  async function publish({ items: found, uploads }: Verified): Promise<string | undefined> {
    const published: Verified['items'] = [];
    for (const [index, upload] of uploads.entries()) {
      const item = found[index] as Verified['items'][number];
      try {
        await items.publish(upload, item);
      } catch (error) {
        const isLost = isDroverError(error) && error.code === 'unknown-upload';
        // Its agent reports again what could not be published now.
        if (!isLost) for (const { file } of published) items.release(file);
        // A refusal would end the report and not the attempt: its agent would be done with it, and nobody else would know.
        if (!isLost) throw error;
        for (const { file } of published) await items.retract(file);
        return `${item.path}: ${error.message}`;
      }
      published.push(item);
    }
    return undefined;
  }

  async function succeeded(build: BuildRecord, agent: string, report: Report<'succeeded'>): Promise<void> {
    const { attempt, durationMs, logBytes, phases } = report;
    if (build.state.status === 'succeeded') return;
    const verified = await verify(build, agent, report.outputs);
    if ('message' in verified)
      return fail(build, agent, { attempt, ...verified, durationMs, logBytes, phases }, false, []);
    const signed = await Promise.all(verified.items.map((item) => items.sign(item)));
    const lost = await publish(verified);
    if (lost !== undefined)
      return fail(
        build,
        agent,
        { attempt, class: 'upload-failed', message: lost, durationMs, logBytes, phases },
        false,
        [],
      );

    // From here on nothing waits: what is decided is decided on one state.
    const meta = { actor: `agent-${agent}`, correlation: build.submission, causation: `${buildId(build)}#${attempt}` };
    // The items first (I6); they are added even where the success itself comes too late: the work is not thrown away.
    const present = ({ path }: BuiltOutput): boolean => farm.availability.isPresent(graph.itemOf(path) as Item);
    const kept = report.outputs.filter(present);
    const diverged = kept.flatMap(({ name, path, narHash: got }) => {
      const held = farm.details.narHash(graph.itemOf(path) as Item) as string;
      return held === got ? [] : [{ output: name, path, kept: held, got }];
    });
    for (const item of signed) items.add(item, meta);
    const gone = report.outputs.find((output) => !present(output));
    if (gone !== undefined) {
      const message = `output ${gone.name}: ${gone.path} went while the success was verified`;
      return fail(build, agent, { attempt, class: 'upload-failed', message, durationMs, logBytes, phases }, false, []);
    }
    const current = liveAgent(build.state);
    const currentAttempt = build.state.attempt;
    const outputs = Object.fromEntries(report.outputs.map(({ name, path }) => [name, path]));
    const command = { type: 'succeed', attempt, agent, outputs, durationMs, logBytes, phases, diverged } as const;
    check(build, agent, attempt, commandBuild(core, build, command, meta));
    if (current !== undefined && (current !== agent || currentAttempt !== attempt))
      stop(build, current, currentAttempt, 'another attempt has succeeded');
  }

  function stop(build: BuildRecord, agent: string, attempt: number, reason: string): void {
    const id = buildId(build);
    allocator.stopping(agent, `${id}#${attempt}`);
    writer.afterwards(() => links.send(agent, { type: 'cancel', build: id, attempt, reason }));
  }

  function abandon(build: BuildRecord, failure: FailureClass, message: string): void {
    const { attempt } = build.state;
    const agent = liveAgent(build.state);
    if (agent === undefined) return;
    stop(build, agent, attempt, message);
    fail(build, agent, { attempt, class: failure, message }, false, []);
  }

  async function handle(build: BuildRecord, agent: string, message: AgentMessage): Promise<void> {
    const { attempt } = message;
    switch (message.type) {
      case 'started':
        return check(
          build,
          agent,
          attempt,
          commandBuild(core, build, { type: 'start', attempt, agent }, { actor: `agent-${agent}` }),
        );
      case 'setup-failed':
        return setupFailed(build, agent, message);
      case 'failed':
        return fail(build, agent, message, false, []);
      case 'succeeded':
        return succeeded(build, agent, message);
      case 'released': {
        if (message.reason === 'canceled') {
          // It was: what is cancelled is over before the agent hears of it.
          if (liveAgent(build.state) !== agent || build.state.attempt !== attempt) return;
          const untrue = 'the agent says that it was told to cancel the attempt, and nobody cancelled it';
          return fail(build, agent, { attempt, class: 'agent-error', message: untrue }, false, []);
        }
        const reason = message.reason === 'handed-back' ? 'handed-back' : 'agent-forgot';
        const [now, fraction] = [runtime.clock.now(), runtime.random.fraction()];
        const command = { type: 'release', attempt, agent, reason, now, fraction } as const;
        return check(build, agent, attempt, commandBuild(core, build, command, { actor: `agent-${agent}` }));
      }
    }
  }

  /** Nothing is to be told of a build that ended long ago. */
  async function forgotten({ build: id, attempt }: AgentMessage): Promise<never> {
    const { status } = await useKnown(core, id, ({ build }) => build.state);
    throw new DroverError('stale-attempt', `attempt ${attempt} of ${id} is over: the build has ended (${status})`);
  }

  return {
    abandon,
    async keepLog(agent, { build: id, attempt, offset, data }) {
      const build = findBuild(core, id);
      if (build.state.agents[attempt - 1] !== agent) check(build, agent, attempt, 'not-your-attempt');
      if (isLogOver(build.state, attempt)) return;
      const most = core.policy.maxLogBytes;
      const room = Math.max(0, most - offset);
      const held = await logs.append(id, attempt, offset, data.subarray(0, room));
      // Less: it begins behind what is held; more: it has been ended before.
      if (data.length <= room || held !== most) return;
      const message = `the log is longer than ${most} bytes (setting limits.max-log-bytes)`;
      await logs.append(id, attempt, held, Buffer.from(`\n[drover: it ends here, as ${message}]\n`));
      if (liveAgent(build.state) !== agent || build.state.attempt !== attempt) return;
      core.logger.warn({ build: id, attempt, agent }, `${message}, and the agent goes on`);
      abandon(build, 'log-limit', message);
      await logs.finish(id, attempt);
      await writer.durable();
    },
    async report(agent, message) {
      allocator.stopped(agent, message.type === 'started' ? '' : `${message.build}#${message.attempt}`);
      const build = farm.queue.build(message.build) ?? (await forgotten(message));
      // Before anything, and so before the end of its log: nothing of another's attempt is an agent's to touch.
      if (build.state.agents[message.attempt - 1] !== agent) check(build, agent, message.attempt, 'not-your-attempt');
      try {
        await handle(build, agent, message);
      } catch (error) {
        // What the agent says is looked at for a while.
        if (build.isForgotten) await forgotten(message);
        throw error;
      } finally {
        if (message.type !== 'started') void logs.finish(message.build, message.attempt).catch(() => undefined);
      }
    },
  };
}

/** What an event takes, with room for the name of the output. */
const maxMessage = 3500;

/** Outputs that are to be published, and their uploads, in the same order. */
interface Verified {
  readonly items: Omit<StoreItem, 'signatures'>[];
  readonly uploads: string[];
}

type Problem = {
  readonly class: 'agent-error' | 'upload-failed' | 'hash-mismatch' | 'rejected';
  readonly message: string;
};
