import type { BuildStatus } from '../../domain/build/state.ts';
import { isEnded, liveAgent } from '../../domain/build/state.ts';
import type { Category, DroverEvent } from '../../domain/events.ts';
import { decideSubmission } from '../../domain/submission/decide.ts';
import {
  type BuildRecord,
  type BuildSet,
  buildId,
  createBuildSet,
  type ReadonlyBuildSet,
} from '../../projections/builds.ts';
import { finish } from '../../projections/pace.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
import { unforgotten } from '../../projections/unforgotten.ts';
import {
  buildsWantedBy,
  type Consequences,
  consequencesOf,
  countWaiting,
  dependentsOf,
  hiddenWantsOf,
  isUnderWay,
  unwantedBuilds,
  type Withdrawal,
} from '../../projections/wants.ts';
import type { Allocator } from '../agents/allocator.ts';
import type { Application } from '../application.ts';
import { type Core, commandBuild, findSubmission, useKnown } from '../core.ts';
import { DroverError } from '../errors.ts';
import type { Meta } from '../ports/event-store.ts';
import type { InSlices, SliceOptions } from '../slices.ts';

export interface CancelWish {
  /** For the record. */
  readonly reason?: string | undefined;
  /** Also what other submissions want. */
  readonly force?: boolean | undefined;
  /** Also all that waits for them. */
  readonly dependents?: boolean | undefined;
  /** Only says what would happen. */
  readonly preview?: boolean | undefined;
}

/** What ended, or would. */
export interface CancelResult {
  /** Builds that were cancelled. */
  readonly canceled: number;
  /** Others that ended with them, as nobody wants them any more. */
  readonly unwanted: number;
  /** Builds that go on, as other submissions want them. */
  readonly kept: number;
  /** Unfinished builds that wait for one of those that ended. */
  readonly waiting: number;
  /** The first hundred of those that ended or go on. */
  readonly builds: readonly {
    readonly build: string;
    readonly derivation: string;
    /** Before. */
    readonly state: BuildStatus;
    readonly outcome: 'canceled' | 'unwanted' | 'kept';
    /** Submissions that want it, one or two of however many. */
    readonly wantedBy: readonly string[];
  }[];
}

/** Wants end by a client's wish, and builds with them that nobody wants any more (docs/decisions/0031). */
export type Canceling = Pick<Application, 'cancelBuild' | 'cancelBuilds' | 'cancelSubmission'>;

/** Builds that end between two waits for the disk: some milliseconds. */
const buildsPerTurn = 100;
/** So often somebody may come to want more while it is worked out what ends; the next time it is worked out in one turn. */
const mostInterruptions = 5;
/**
 * Of what was worked out in one turn at least so large a part ends in that turn, too: that takes about as long. Otherwise what somebody comes to
 * want each time has all of it worked out again for every hundred builds.
 */
const partPerTurn = 1 / 8;
/** Most builds that an answer names. */
const mostNamed = 100;

/** Why and by whom builds end. */
interface Cause extends Meta {
  readonly reason: string | undefined;
}

const byWants: Cause = { actor: 'wants', reason: undefined };

/** What ends, and how often somebody had come to want more when that was worked out: it holds as long as nobody does again. */
interface Plan extends Consequences {
  readonly asOf: number;
}

/**
 * Ends builds that nobody wants: at once where a client cancels, and, at a start, whatever a stop cut off.
 */
export function startCanceling(core: Core, allocator: Pick<Allocator, 'stopping'>, inSlices: InSlices): Canceling {
  const { farm, writer, links, logger } = core;
  const { queue, graph } = farm;
  /** Goes up whenever somebody may want more than before. */
  let wishes = 0;

  function end(build: BuildRecord, { reason, ...meta }: Cause, unwanted: boolean): void {
    const agent = liveAgent(build.state);
    const { attempt } = build.state;
    const outcome = commandBuild(core, build, { type: 'cancel', reason, unwanted }, meta);
    if (typeof outcome === 'string' || agent === undefined) return;
    const id = buildId(build);
    allocator.stopping(agent, `${id}#${attempt}`);
    const why = reason ?? (unwanted ? 'nobody wants it any more' : 'cancelled');
    writer.afterwards(() => links.send(agent, { type: 'cancel', build: id, attempt, reason: why }));
  }

  /** One after the other: what one leaves as it is still wanted by what another is about to end would be left for good. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  }

  /** Works something out in parts, so that the loop stays free. @param of builds that may have ended, which it is about */
  const look = <Value>(
    steps: () => Generator<undefined, Value>,
    options: SliceOptions,
    of?: ReadonlyBuildSet,
  ): Promise<Value> =>
    inSlices(
      unforgotten(farm, steps, () => of?.isWhole ?? true),
      options,
    );

  /** The same; what comes of it holds as long as `wishes` is `asOf`. */
  async function undisturbed<Value>(
    steps: () => Generator<undefined, Value>,
  ): Promise<{ readonly value: Value; readonly asOf: number }> {
    for (let left = mostInterruptions; left > 0; left--) {
      const asOf = wishes;
      const value = await look(steps, { first: true });
      if (wishes === asOf) return { value, asOf };
    }
    return { value: finish(steps()), asOf: wishes };
  }

  async function workOut(withdrawal: Withdrawal): Promise<Plan> {
    const { value, asOf } = await undisturbed(() => consequencesOf(farm, withdrawal));
    return { ...value, asOf };
  }
  const workOutAtOnce = (withdrawal: Withdrawal): Plan => ({
    ...finish(consequencesOf(farm, withdrawal)),
    asOf: wishes,
  });

  /**
   * What needs others before what it needs. Where the log has the end of the wants already, what could be given to an agent meanwhile goes
   * first; otherwise what was named does: a stop in between would leave it waiting for inputs that have ended.
   */
  function inOrder({ ends, unwanted }: Plan, isWritten: boolean): BuildRecord[] {
    const rank = (build: BuildRecord): number =>
      !isWritten && ends.has(build) ? 0 : queue.missing(build.drv) > 0 ? 2 : 1;
    const byRank: BuildRecord[][][] = [[], [], []];
    for (const builds of [ends, unwanted])
      for (const build of builds) {
        const byDepth = byRank[rank(build)] as BuildRecord[][];
        const depth = graph.depth(build.drv);
        byDepth[depth] ??= [];
        byDepth[depth].push(build);
      }
    return byRank.flatMap((byDepth) => byDepth.toReversed()).flatMap((builds) => builds ?? []);
  }

  /** Ends what ends, in parts, so that the loop stays free; what somebody comes to want in between is spared. */
  async function carryOut(withdrawal: Withdrawal, causeOf: (build: BuildRecord) => Cause, first: Plan): Promise<void> {
    let plan = first;
    for (let interruptions = 0; ; interruptions++) {
      const left = createBuildSet(inOrder(plan, withdrawal.submissions !== undefined));
      const isOfThisTurn = interruptions > mostInterruptions;
      let most = Math.max(buildsPerTurn, isOfThisTurn ? Math.ceil(left.size * partPerTurn) : 0);
      for (; left.size > 0 && wishes === plan.asOf; most = buildsPerTurn) {
        for (const build of left) {
          if (!isEnded(build.state.status)) end(build, causeOf(build), !plan.ends.has(build));
          left.delete(build);
          if (--most === 0) break;
        }
        if (left.size > 0) await writer.durable();
      }
      const again = { ...withdrawal, from: unfinished(left) };
      if (again.from.size === 0) return;
      plan = interruptions < mostInterruptions ? await workOut(again) : workOutAtOnce(again);
    }
  }

  /** As it is before anything of it has ended. */
  function describe({ ends, kept, wantedBy, unwanted }: Consequences): Omit<CancelResult, 'waiting'> {
    const rows: CancelResult['builds'][number][] = [];
    for (const [builds, outcome] of [
      [ends, 'canceled'],
      [kept, 'kept'],
      [unwanted, 'unwanted'],
    ] as const)
      for (const build of builds) {
        if (rows.length === mostNamed) break;
        rows.push({
          build: buildId(build),
          derivation: graph.drvPath(build.drv),
          state: build.state.status,
          outcome,
          wantedBy: wantedBy.get(build.order) ?? [],
        });
      }
    return { canceled: ends.size, kept: kept.size, unwanted: unwanted.size, builds: rows };
  }
  const waitingFor = ({ ends, unwanted }: Consequences) => countWaiting(farm, [...ends, ...unwanted]);

  /** What would happen, as things are while it is worked out. */
  function* preview(withdrawal: Generator<undefined, Withdrawal>): Generator<undefined, CancelResult> {
    const consequences = yield* consequencesOf(farm, yield* withdrawal);
    const result = describe(consequences);
    return { ...result, waiting: yield* waitingFor(consequences) };
  }

  /** What happens by the plan, with what waits for that now. */
  async function resultOf(plan: Plan): Promise<CancelResult> {
    const result = describe(plan);
    return { ...result, waiting: await look(() => waitingFor(plan), { first: true }) };
  }

  async function cancelBuilds(
    actor: string,
    withdrawal: Withdrawal,
    { reason }: CancelWish,
    causation?: string,
  ): Promise<CancelResult> {
    const plan = await workOut(withdrawal);
    const result = await resultOf(plan);
    const cause: Cause = { actor, reason, ...(causation !== undefined && { causation }) };
    for (const build of unfinished(plan.kept))
      if (build.asked !== 'input')
        commandBuild(core, build, { type: 'withdraw', submission: build.submission, reason }, { actor });
    await carryOut(withdrawal, () => cause, plan);
    await writer.durable();
    return result;
  }
  /** What was named, and where the wish says so all that waits for it now. */
  function* chosen(
    named: ReadonlyBuildSet,
    { dependents, force = false }: CancelWish,
  ): Generator<undefined, Withdrawal> {
    return { builds: createBuildSet([...named, ...(dependents ? yield* dependentsOf(farm, named) : [])]), force };
  }
  const cancel = async (
    actor: string,
    ids: readonly string[],
    wish: CancelWish,
    causation?: string,
  ): Promise<CancelResult> => {
    // What was forgotten has ended.
    const builds = createBuildSet(ids.map((id) => queue.build(id)).filter((build) => build !== undefined));
    if (wish.preview) return look(() => preview(chosen(builds, wish)), {}, builds);
    return inTurn(async () => {
      const withdrawal = await look(() => chosen(builds, wish), { first: true }, builds);
      return cancelBuilds(actor, withdrawal, wish, causation);
    });
  };

  function decideCancel(id: string, reason: string | undefined) {
    const record = farm.submissions.get(id);
    const underWay = isUnderWay(farm, id);
    const decision = decideSubmission(record?.status ?? 'none', { type: 'cancel', reason, underWay });
    if (!record || decision.refused === 'unknown-submission')
      throw new DroverError(
        'unknown-submission',
        `there is no submission ${id}; 'drover submissions list' names those that there are`,
      );
    if (decision.refused !== undefined) throw submissionEnded(id);
    return { record, events: decision.events };
  }

  /** Of one that ended so long ago that the farm has forgotten it nothing is left to cancel. */
  async function cancelPast(id: string): Promise<CancelResult> {
    const { status } = await findSubmission(core, id);
    if (status !== 'canceled') throw submissionEnded(id);
    return { canceled: 0, unwanted: 0, kept: 0, waiting: 0, builds: [] };
  }

  /** All that the submission wants. */
  function* withdrawalOf(record: SubmissionRecord): Generator<undefined, Withdrawal> {
    const { id } = record;
    const hidden = yield* hiddenWantsOf(farm, record);
    const from = createBuildSet([...buildsWantedBy(farm, id), ...hidden]);
    return { submissions: new Set([id]), builds: unfinished(queue.buildsOf(id)), from };
  }

  /** What was queued as an unfinished build needed it, which may have ended since. */
  let behind = createBuildSet();

  async function release(): Promise<void> {
    const from = behind;
    behind = createBuildSet();
    if (writer.failure) return;
    const plan = await workOut({ from });
    if (plan.unwanted.size === 0) return;
    logger.info({ builds: plan.unwanted.size }, 'builds end that nobody wants any more');
    await carryOut({ from }, () => byWants, plan);
  }

  function leave(build: BuildRecord): void {
    behind.add(build);
    // A decision of its own, not from within the fold.
    if (behind.size === 1) inTurn(release).catch(failed);
  }

  function failed(error: Error): void {
    logger.error({ err: error }, 'builds that nobody wants could not be ended');
  }

  /** Whether somebody may want by this event what nobody wanted before. */
  function mayWant(category: Category, id: string, event: DroverEvent): boolean {
    switch (event.type) {
      case 'SubmissionCanceled':
        return false;
      case 'BuildSubmitted':
      case 'StoreItemDeleted':
      case 'StoreItemMissing':
        return true;
      case 'StoreItemAdded': {
        const item = graph.itemOf(event.data.path);
        return item !== undefined && !farm.availability.isAvailable(item);
      }
      case 'BuildSucceeded':
      case 'BuildSatisfied':
      case 'BuildFailed': {
        // What it still lacks goes on for its submission.
        const build = queue.build(id);
        return build !== undefined && queue.missing(build.drv) > 0;
      }
      default:
        return category === 'submission';
    }
  }

  writer.listen((category, id, event) => {
    if (mayWant(category, id, event)) wishes++;
    if (event.type === 'SubmissionQueued' && farm.submissions.get(id)?.wish.reason === 'rebuild')
      for (const build of buildsWantedBy(farm, id)) leave(build);
  });

  /** Of a build whose submission was cancelled, what a stop in between has cut off. */
  function causeLeft({ submission: id }: BuildRecord): Cause | undefined {
    const canceled = farm.submissions.get(id)?.canceled;
    return (
      canceled && { actor: canceled.by, reason: canceled.reason, causation: `submission-${id}@${canceled.revision}` }
    );
  }

  async function endLeft(): Promise<void> {
    const { value: left, asOf } = await undisturbed(() => unwantedBuilds(farm));
    if (left.size === 0 || writer.failure) return;
    logger.info({ builds: left.size }, 'builds end that nobody wanted any more when the coordinator was stopped');
    const ends = createBuildSet();
    const unwanted = createBuildSet();
    for (const build of left) (causeLeft(build) === undefined ? unwanted : ends).add(build);
    const plan = { ends, kept: createBuildSet(), wantedBy: new Map(), unwanted, asOf };
    // The log has the end of their wants already.
    const withdrawal = { submissions: new Set<string>() };
    await carryOut(withdrawal, (build) => causeLeft(build) ?? byWants, plan);
  }
  inTurn(endLeft).catch(failed);

  return {
    async cancelBuild(by, id, wish = {}) {
      return useKnown(core, id, ({ farm: then, build }) => {
        const isPast = then !== farm;
        // It ended so long ago that it is not held any more, as it was to.
        if (isPast && build.state.status === 'canceled') return cancel(by.id, [], wish);
        if (isPast || (isEnded(build.state.status) && build.state.status !== 'canceled'))
          throw new DroverError('build-ended', `the build ${id} has ended: ${build.state.status}`);
        return cancel(by.id, [id], wish, `build-${id}@${build.revision}`);
      });
    },
    async cancelBuilds(by, { builds, ...wish }) {
      for (const id of builds) if (queue.build(id) === undefined) await useKnown(core, id, () => undefined);
      return cancel(by.id, builds, wish);
    },
    async cancelSubmission(by, id, { reason, preview: onlyPreview = false } = {}) {
      const isPast = () => farm.submissions.get(id) === undefined;
      const decide = () => decideCancel(id, reason);
      if (isPast()) return cancelPast(id);
      const { record } = decide();
      if (onlyPreview) return look(() => preview(withdrawalOf(record)), {});
      return inTurn(async () => {
        if (isPast()) return cancelPast(id);
        // Its wants end at once; what follows is worked out beside everything else, and at a start, where a stop comes in between.
        const { events } = decide();
        const { revision } = record;
        writer.commit('submission', id, revision, events, { actor: by.id, correlation: id });
        const withdrawal = await look(() => withdrawalOf(record), { first: true });
        const plan = await workOut(withdrawal);
        const result = await resultOf(plan);
        const { canceled, unwanted } = result;
        logger.info({ submission: id, canceled, unwanted }, 'submission cancelled');
        const cause = { actor: by.id, reason, causation: `submission-${id}@${revision}` };
        await carryOut(withdrawal, () => cause, plan);
        await writer.durable();
        return result;
      });
    },
  };
}

function unfinished(builds: Iterable<BuildRecord>): BuildSet {
  const found = createBuildSet();
  for (const build of builds) if (!isEnded(build.state.status)) found.add(build);
  return found;
}

function submissionEnded(id: string): DroverError {
  return new DroverError('submission-ended', `the submission ${id} has ended: all its builds have`);
}
