import { createHash } from 'node:crypto';
import { deferralExcess, withoutPastDeferral } from '../../domain/build/deferral.ts';
import type { Tags } from '../../domain/event.ts';
import type { DroverEvent } from '../../domain/events.ts';
import { maxTags, namesPerEvent } from '../../domain/limits.ts';
import type { BuildOptions } from '../../domain/submission/events.ts';
import { type RootPortion, rootPortions } from '../../domain/submission/root-portions.ts';
import type { Drv, Item } from '../../projections/graph.ts';
import { findNeeds } from '../../projections/needs.ts';
import { type BuildRecord, buildId } from '../../projections/queue.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import { deferredBelow } from '../../projections/wants.ts';
import type { Application, Principal, SubmitResult, SubmitWish } from '../application.ts';
import { type Core, commandBuild, findBuild } from '../core.ts';
import { DroverError } from '../errors.ts';
import { timeId } from '../identifiers.ts';
import type { RootManager } from '../items/roots.ts';
import type { Meta } from '../ports/event-store.ts';
import type { Stall } from '../ports/work.ts';
import type { InSlices } from '../slices.ts';
import type { Texts } from './texts.ts';

/** Submissions become derivations and builds. */
export type Intake = Pick<
  Application,
  | 'submit'
  | 'submissionOf'
  | 'resumeSubmission'
  | 'retryBuild'
  | 'retryBuilds'
  | 'retrySubmission'
  | 'missingDerivations'
  | 'addDerivations'
  | 'missingSources'
> & {
  /**
   * A build of an item that is needed and not there any more, and of all that it lacks; the same `key` never makes a second one. `options`
   * are those of who needs it; limits of time and attempts with which one of these was built before are kept.
   */
  rebuild(derivation: string, options: BuildOptions, key: string, meta: Meta): Promise<SubmitResult>;
  /** The same as it was built the last time, for somebody who wants it, whether a build needs it or not. */
  repair(derivation: string, key: string, meta: Meta): Promise<SubmitResult>;
  /** Whether a submission is being queued at the moment. */
  busy(): boolean;
  /** Resolves once no submission is, or none of those that are now. */
  idle(): Promise<void>;
  /** Sources of which clients were told lately that they need not be sent. */
  promised(): Iterable<Item>;
  /** Sets aside the submission over which the process before this one stood still, if it is not wholly queued. */
  setAside(stall: Stall): void;
  /** Goes on with submissions that a stop of the coordinator cut off. */
  resume(): void;
};

type Reason = 'requested' | 'rebuild' | 'retry';

/** Most builds that an answer names. */
const mostNamed = 100;

/** Events between two waits for the disk: the loop stays free for agents, and little is lost of it in memory. */
const eventsPerTurn = 1000;

/** How long a client has, from when it asks for missing sources, to send those and to submit. */
const promiseMs = 3_600_000;

export function createIntake(
  core: Core,
  restored: Pick<Texts, 'sent'>,
  kept: Pick<RootManager, 'check' | 'keepFor'>,
  inSlices: InSlices,
): Intake {
  const { farm, writer, derivations, policy, runtime, logger, work } = core;
  const { graph, queue, submissions } = farm;
  const underWay = new Map<string, Promise<SubmitResult>>();
  /** Sources that a client was told are here, by when: what it is about to submit needs them. */
  const promised = new Map<Item, number>();

  const isKnown = (path: string): boolean => graph.drvOf(path) !== undefined;

  /** Durability that is awaited later; a failure in between is not unhandled. */
  function durableSoon(): Promise<void> {
    const durable = writer.durable();
    durable.catch(() => undefined);
    return durable;
  }

  /** No more is made for a submission that was cancelled in the meantime. */
  function requireWanted({ id, status }: SubmissionRecord): void {
    if (status === 'canceled') throw new DroverError('submission-canceled', `the submission ${id} was cancelled`);
  }

  /** Appends DerivationAdded for everything in the closure that has none; inputs come first. */
  async function addDerivations(submission: SubmissionRecord, meta: Meta): Promise<void> {
    let earlier = Promise.resolve();
    const unknown = submission.roots.filter((root) => !isKnown(root));
    if (unknown.length === 0) return;
    for await (const part of derivations.closure(unknown, isKnown)) {
      work.at('submission', submission.id);
      requireWanted(submission);
      for (const facts of part) {
        if (isKnown(facts.path)) continue;
        writer.commit('derivation', facts.path.slice(0, 32), 'none', [{ type: 'DerivationAdded', data: facts }], meta);
      }
      // One part ahead of the disk: deciding and storing go on side by side, and little is in memory only.
      await earlier;
      earlier = durableSoon();
    }
    await earlier;
  }

  function optionsOfRoot({ wish, rootTags }: SubmissionRecord, root: string): BuildOptions {
    const own = rootTags[root];
    return own === undefined ? wish.options : { ...wish.options, tags: { ...wish.options.tags, ...own } };
  }

  /** An input that is built again for a retry is built as it was asked for the last time. */
  function optionsOfInput({ wish }: SubmissionRecord, drv: Drv): BuildOptions {
    if (wish.reason === 'requested') return wish.options;
    return queue.latest(drv)?.state.options ?? wish.options;
  }

  /** What goes and is needed is built with the options of who needs it, but for the limits with which it was built before. */
  function optionsOfRebuild({ wish }: SubmissionRecord, drv: Drv): BuildOptions {
    const { maxAttempts, timeoutSeconds, maxSilentSeconds } = queue.latest(drv)?.state.options ?? {};
    return {
      ...wish.options,
      ...(maxAttempts !== undefined && { maxAttempts }),
      ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      ...(maxSilentSeconds !== undefined && { maxSilentSeconds }),
    };
  }

  function optionsOf(submission: SubmissionRecord, drv: Drv, isRoot: boolean): BuildOptions {
    if (submission.wish.reason === 'rebuild') return optionsOfRebuild(submission, drv);
    return isRoot ? optionsOfRoot(submission, graph.drvPath(drv)) : optionsOfInput(submission, drv);
  }

  async function addBuilds(
    submission: SubmissionRecord,
    meta: Meta,
  ): Promise<{ builds: number; available: number; joined: string[] }> {
    const { id, wish } = submission;
    work.at('submission', id);
    requireWanted(submission);
    const roots = submission.roots.map((root) => graph.drvOf(root) as number);
    const earlier = queue.buildsOf(id).filter((build) => build !== undefined);
    const done = new Set(earlier.map((build) => build.drv));
    const needs = findNeeds(farm, roots, wish);
    const requested = new Set(roots);
    let number = earlier.reduce((highest, build) => Math.max(highest, build.number), 0);
    let sinceWait = 0;
    let before = Promise.resolve();
    for (const drv of needs.build) {
      // Under way since it was looked at, or made before a restart.
      if (done.has(drv) || (queue.unfinished(drv) && !(wish.force && requested.has(drv)))) continue;
      // A build of which nothing was understood keeps its number.
      do number++;
      while (farm.strays.revision('build', `${id}-${number}`) !== undefined);
      const path = graph.drvPath(drv);
      const reason = requested.has(drv) ? wish.reason : wish.reason === 'rebuild' ? 'rebuild' : 'input';
      const options = withoutPastDeferral(optionsOf(submission, drv, requested.has(drv)), runtime.clock.now());
      const data = { derivation: path, submission: id, reason, options } as const;
      writer.commit('build', `${id}-${number}`, 'none', [{ type: 'BuildSubmitted', data }], meta);
      if (++sinceWait % eventsPerTurn !== 0) continue;
      await before;
      work.at('submission', id);
      requireWanted(submission);
      before = durableSoon();
    }
    farm.supply.takeIn(needs.walked);
    const joined = needs.joined.map(buildId).filter((build) => !build.startsWith(`${id}-`));
    return { builds: number, available: needs.available, joined };
  }

  /**
   * What the submission needs, and others deferred for longer than it is deferred itself, is not deferred for longer any more: whoever
   * wants a build soonest has it.
   */
  async function hasten({ id, roots, wish }: SubmissionRecord, meta: Meta): Promise<void> {
    const until = withoutPastDeferral(wish.options, runtime.clock.now()).deferUntil;
    const drvs = roots.map((root) => graph.drvOf(root) as Drv);
    let sinceWait = 0;
    for (const build of await inSlices(deferredBelow(farm, drvs, until ?? 0), { first: true })) {
      if (build.submission === id || !build.deferred) continue;
      commandBuild(core, build, { type: 'defer', until, submission: id }, meta);
      if (++sinceWait % eventsPerTurn === 0) await writer.durable();
    }
  }

  async function enqueue(submission: SubmissionRecord, actor: string): Promise<SubmitResult> {
    const { id } = submission;
    const meta: Meta = { actor, correlation: id, causation: `submission-${id}@${submission.revision}` };
    // Nothing is worked at that is not durable: what stands still over it has to find it again to set it aside.
    await writer.durable();
    await addDerivations(submission, meta);
    kept.keepFor(submission, meta);
    const { builds, available, joined } = await addBuilds(submission, meta);
    await hasten(submission, meta);
    const events: DroverEvent[] = [];
    for (let start = 0; start < joined.length; start += namesPerEvent)
      events.push({ type: 'SubmissionJoined', data: { builds: joined.slice(start, start + namesPerEvent) } });
    events.push({
      type: 'SubmissionQueued',
      data: { derivations: submission.added, builds, available, joined: joined.length },
    });
    for (const event of events) writer.commit('submission', id, submission.revision, [event], meta);
    await writer.durable();
    logger.info(
      { submission: id, derivations: submission.added, builds, available, joined: joined.length },
      'submission queued',
    );
    return resultOf(submission);
  }

  function resultOf({ id, queued, joined }: SubmissionRecord): SubmitResult {
    if (!queued) throw new Error(`the submission ${id} is not queued`);
    const { derivations: added, builds, available } = queued;
    return { submission: id, derivations: added, builds, available, joined };
  }

  function start(submission: SubmissionRecord, actor: string): Promise<SubmitResult> {
    const known = underWay.get(submission.id);
    if (known) return known;
    if (submission.queued) return Promise.resolve(resultOf(submission));
    if (submission.status === 'canceled')
      return Promise.reject(new DroverError('submission-canceled', `the submission ${submission.id} was cancelled`));
    if (submission.setAside !== undefined)
      return Promise.reject(
        new DroverError(
          'submission-set-aside',
          `the submission ${submission.id} is set aside: ${submission.setAside}; 'drover submissions resume ${submission.id}' has it queued after all`,
          { submission: submission.id },
        ),
      );
    const running = enqueue(submission, actor).finally(() => underWay.delete(submission.id));
    underWay.set(submission.id, running);
    return running;
  }

  /** Cut off submissions whose derivations the store has lost: queued once somebody sends them again. */
  const lacking = new Set<SubmissionRecord>();

  /** For nobody that waits for it. */
  function goOn(submission: SubmissionRecord, actor: string): void {
    lacking.delete(submission);
    start(submission, actor).catch((error: Error) => {
      if (submission.status === 'canceled') return;
      const isLacking = error instanceof DroverError && error.code === 'unknown-derivation';
      if (isLacking) lacking.add(submission);
      const then = isLacking ? '; it goes on once its derivations are submitted again' : '';
      logger.error({ submission: submission.id, err: error }, `submission could not be queued${then}`);
    });
  }

  function goOnWithLacking(): void {
    for (const submission of [...lacking]) goOn(submission, 'coordinator');
  }

  async function receive(
    by: Pick<Principal, 'id'>,
    wish: SubmitWish,
    reason: Reason,
    key: string | undefined,
    cause?: string,
  ): Promise<SubmitResult> {
    const roots = [...new Set(wish.roots)];
    if (roots.length === 0)
      throw new DroverError('invalid-request', 'roots: expected at least one derivation, got none');
    checkTags(wish, new Set(roots));
    const digest = createHash('sha256')
      .update(
        JSON.stringify([
          [...roots].sort(),
          wish.options,
          wish.inputs,
          wish.force,
          ...sortedTags(wish),
          ...(wish.root ? [wish.root] : []),
        ]),
      )
      .digest('hex');
    const earlier = key === undefined ? undefined : submissions.byKey(key);
    if (earlier) {
      if (earlier.wish.wish !== digest)
        throw new DroverError(
          'idempotency-conflict',
          `the idempotency key was used for another wish, by the submission ${earlier.id}`,
        );
      return start(earlier, by.id);
    }
    const [lacking] = await derivations.missing(roots.filter((root) => !isKnown(root)));
    if (lacking !== undefined)
      throw new DroverError('unknown-derivation', `roots: ${lacking} was not sent`, { path: lacking });
    // Another with the same key may have come while the store was asked.
    if (key !== undefined && submissions.byKey(key)) return receive(by, wish, reason, key, cause);
    const id = timeId(runtime.clock.now(), runtime.random.bytes(7));
    const { options, inputs, force } = wish;
    const root = wish.root && kept.check(wish.root);
    const [first, ...later] = rootPortions(roots, wish.rootTags);
    const received = {
      storeDir: policy.storeDir,
      rootCount: roots.length,
      ...(first as RootPortion),
      options,
      inputs,
      force,
      reason,
      wish: digest,
      ...(root !== undefined && { root }),
      ...(key !== undefined && { key }),
    };
    const meta: Meta = { actor: by.id, correlation: id, ...(cause !== undefined && { causation: cause }) };
    const trace = core.tracing.begin(id, wish.traceparent);
    const traced = trace === undefined ? meta : { ...meta, trace };
    writer.commit('submission', id, 'none', [{ type: 'SubmissionReceived', data: received }], traced);
    const record = submissions.get(id) as SubmissionRecord;
    for (const data of later)
      writer.commit('submission', id, record.revision, [{ type: 'SubmissionRootsAdded', data }], meta);
    return start(record, by.id);
  }

  return {
    async submit(by, wish) {
      const { deferUntil } = wish.options;
      const excess = deferUntil === undefined ? undefined : deferralExcess(deferUntil, runtime.clock.now());
      if (excess !== undefined) throw new DroverError('invalid-request', `options.deferUntil: ${excess}`);
      return receive(
        by,
        wish,
        'requested',
        wish.idempotencyKey === undefined ? undefined : keyOf(by.id, wish.idempotencyKey),
      );
    },
    async retryBuild(by, id) {
      const build = findBuild(core, id);
      const { status, options } = build.state;
      if (status === 'succeeded' && graph.outputs(build.drv).every(({ item }) => farm.availability.isAvailable(item)))
        throw new DroverError(
          'build-ended',
          `the build ${id} has succeeded and its outputs are here: there is nothing to retry`,
        );
      if (status !== 'failed' && status !== 'canceled' && status !== 'succeeded')
        throw new DroverError('build-not-ended', `the build ${id} has not ended: it is ${status}`);
      const wish = { roots: [graph.drvPath(build.drv)], options, inputs: true, force: false };
      return receive(by, wish, 'retry', undefined, `build-${id}@${build.revision}`);
    },
    async retryBuilds(by, { builds, preview = false }) {
      const groups = new Map<string, { options: BuildOptions; tags: Map<string, Tags | undefined> }>();
      const again = new Map<Drv, BuildRecord>();
      const skipped = { underWay: 0, available: 0 };
      for (const id of builds) {
        const build = findBuild(core, id);
        const { drv } = build;
        if (again.has(drv)) continue;
        if (queue.isActive(drv)) skipped.underWay++;
        else if (queue.hasOutputs(drv)) skipped.available++;
        else again.set(drv, build);
      }
      for (const [drv, { state }] of again) {
        const { tags, ...options } = state.options;
        const key = JSON.stringify(options);
        const group = groups.get(key) ?? { options, tags: new Map() };
        group.tags.set(graph.drvPath(drv), tags);
        groups.set(key, group);
      }
      const named = [...again.values()].slice(0, mostNamed);
      const told = named.map((build) => ({ build: buildId(build), derivation: graph.drvPath(build.drv) }));
      const made: SubmitResult[] = [];
      if (!preview)
        for (const { options, tags } of groups.values())
          made.push(await receive(by, { ...wishOf(options, tags), inputs: true, force: false }, 'retry', undefined));
      return { retried: again.size, ...skipped, builds: told, submissions: made };
    },
    async retrySubmission(by, id) {
      const submission = submissions.get(id);
      if (!submission) throw new DroverError('unknown-submission', `there is no submission ${id}`);
      const { wish, status } = submission;
      if (status === 'received')
        throw new DroverError('submission-not-queued', `the submission ${id} is not wholly queued yet`);
      const asked = queue.buildsOf(id).filter((build) => build?.asked === 'forced');
      // What was built in any case is there already, perhaps: what counts is how that build ended.
      const roots = wish.force
        ? asked.filter(({ state }) => state.status === 'failed' || state.status === 'canceled').map(({ drv }) => drv)
        : [...submission.requested].filter((drv) => !queue.hasOutputs(drv));
      const paths = [...new Set([...roots.map(graph.drvPath), ...submission.roots])];
      if (paths.length === 0)
        throw new DroverError(
          'submission-ended',
          `all that the submission ${id} asked for is here: there is nothing to retry`,
        );
      const { options, inputs, force } = wish;
      const tags = new Map(paths.map((path) => [path, options.tags]));
      for (const build of queue.buildsOf(id)) {
        const path = build && graph.drvPath(build.drv);
        if (path !== undefined && tags.has(path)) tags.set(path, build.state.options.tags);
      }
      return receive(
        by,
        { ...wishOf(options, tags), inputs, force },
        'retry',
        undefined,
        `submission-${id}@${submission.revision}`,
      );
    },
    rebuild(derivation, options, key, meta) {
      const earlier = submissions.byKey(key);
      if (earlier) return start(earlier, meta.actor);
      const wish = { roots: [derivation], options, inputs: true, force: false };
      return receive({ id: meta.actor }, wish, 'rebuild', key, meta.causation);
    },
    repair(derivation, key, meta) {
      const earlier = submissions.byKey(key);
      if (earlier) return start(earlier, meta.actor);
      const drv = graph.drvOf(derivation);
      const last = drv === undefined ? undefined : queue.latest(drv);
      const options = last?.state.options ?? { priority: 0 };
      return receive(
        { id: meta.actor },
        { roots: [derivation], options, inputs: true, force: false },
        'retry',
        key,
        meta.causation,
      );
    },
    async missingDerivations(paths) {
      return derivations.missing(paths);
    },
    async addDerivations(texts) {
      const added = await derivations.add(texts);
      // Also of those before one that is refused.
      await restored.sent(texts.map(({ path }) => path));
      await writer.durable();
      goOnWithLacking();
      if (!('refused' in added)) return added;
      const { code, path, message } = added.refused;
      throw new DroverError(code as 'malformed-derivation', `${path}: ${message}`, { path });
    },
    async missingSources(roots) {
      const [lacking] = await derivations.missing(roots);
      if (lacking !== undefined)
        throw new DroverError('unknown-derivation', `roots: ${lacking} was not sent`, { path: lacking });
      const missing = new Set<string>();
      for await (const part of derivations.closure(roots, () => false))
        for (const { sources } of part)
          for (const source of sources) {
            const item = graph.itemOf(source);
            if (item === undefined || !farm.availability.isPresent(item)) missing.add(source);
            else promised.set(item, runtime.clock.monotonic());
          }
      return [...missing];
    },
    busy: () => underWay.size > 0,
    async idle() {
      await Promise.allSettled([...underWay.values()]);
    },
    promised() {
      const now = runtime.clock.monotonic();
      for (const [item, at] of promised) if (now - at > promiseMs) promised.delete(item);
      return promised.keys();
    },
    submissionOf: (by, key) => submissions.byKey(keyOf(by.id, key))?.id,
    async resumeSubmission(by, id) {
      const submission = submissions.get(id);
      if (!submission) throw new DroverError('unknown-submission', `there is no submission ${id}`);
      requireWanted(submission);
      if (submission.setAside === undefined)
        throw new DroverError('submission-not-set-aside', `the submission ${id} is not set aside`);
      const meta: Meta = { actor: by.id, correlation: id };
      writer.commit('submission', id, submission.revision, [{ type: 'SubmissionResumed', data: {} }], meta);
      await writer.durable();
      goOn(submission, by.id);
    },
    setAside({ at, seconds, work: over, stack }) {
      const submission = over?.what === 'submission' ? submissions.get(over.name) : undefined;
      const told = { stoodStillAt: new Date(at).toISOString(), over, stack };
      if (submission?.status !== 'received' || submission.setAside !== undefined) {
        // What it was at is part of the log already, or never came to be in it.
        logger.error(told, 'the coordinator stood still and was ended by its watchdog; there is nothing to set aside');
        return;
      }
      const [where] = stack;
      const reason = `the coordinator stood still over it for ${seconds} s${where === undefined ? '' : `, in ${where}`}`;
      const data = { reason, stack: stack.slice(0, 20).map((line) => line.slice(0, 512)) };
      const meta: Meta = { actor: 'watchdog', correlation: submission.id };
      const event = { type: 'SubmissionSetAside', data } as const;
      writer.commit('submission', submission.id, submission.revision, [event], meta);
      logger.error(
        { submission: submission.id, ...told },
        'a submission is set aside: the coordinator stood still over it and was ended by its watchdog',
      );
    },
    resume() {
      for (const submission of submissions.unqueued()) {
        logger.info({ submission: submission.id }, 'goes on with a submission that was cut off');
        goOn(submission, 'coordinator');
      }
    },
  };
}

/** The key is the token's own: two clients may choose the same. */
function keyOf(token: string, key: string): string {
  return createHash('sha256').update(`${token}\n${key}`).digest('hex');
}

/** That there are no more tags than a build may have, and none of what was not asked for. */
function checkTags({ options, rootTags = {} }: SubmitWish, roots: ReadonlySet<string>): void {
  const check = (where: string, tags: Tags) => {
    const count = Object.keys(tags).length;
    if (count > maxTags) throw new DroverError('too-large', `${where}: expected at most ${maxTags}, got ${count}`);
  };
  check('options.tags', options.tags ?? {});
  for (const [root, tags] of Object.entries(rootTags)) {
    if (!roots.has(root))
      throw new DroverError('invalid-request', `rootTags: expected only what is in roots, got ${root}`);
    check(`rootTags.${root} with options.tags`, { ...options.tags, ...tags });
  }
}

/** Of roots that keep their tags: those that all have are the submission's, the others their own. */
function wishOf(
  options: BuildOptions,
  tags: ReadonlyMap<string, Tags | undefined>,
): Pick<SubmitWish, 'roots' | 'rootTags' | 'options'> {
  const all = [...tags.values()];
  const shared = Object.entries(all[0] ?? {}).filter(([key, value]) => all.every((one) => one?.[key] === value));
  const common = Object.fromEntries(shared);
  const own = [...tags].flatMap(([root, one = {}]) => {
    const rest = Object.entries(one).filter(([key]) => common[key] === undefined);
    return rest.length === 0 ? [] : [[root, Object.fromEntries(rest)] as const];
  });
  const { tags: _, ...others } = options;
  return {
    roots: [...tags.keys()],
    options: { ...others, ...(shared.length > 0 && { tags: common }) },
    ...(own.length > 0 && { rootTags: Object.fromEntries(own) }),
  };
}

/** The tags of single roots in an order that does not depend on who sent them; nothing where there are none. */
function sortedTags({ rootTags }: SubmitWish): readonly unknown[] {
  return rootTags === undefined ? [] : [Object.entries(rootTags).sort(([a], [b]) => (a < b ? -1 : 1))];
}
