import type { BuildStatus } from '../../domain/build/state.ts';
import { isEnded, liveAgent } from '../../domain/build/state.ts';
import type { Category, DroverEvent } from '../../domain/events.ts';
import { decideSubmission } from '../../domain/submission/decide.ts';
import { type BuildRecord, buildId, createBuildSet, type ReadonlyBuildSet } from '../../projections/builds.ts';
import type { Drv } from '../../projections/graph.ts';
import { finish } from '../../projections/pace.ts';
import type { SubmissionRecord } from '../../projections/submissions.ts';
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
import { type Core, commandBuild, findKnown, findSubmission } from '../core.ts';
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
/** Whether it has ended, which may be so long ago that it was forgotten: others had their turn since it was found. */
const isOver = (build: BuildRecord): boolean => build.isForgotten || isEnded(build.state.status);
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

  /** Works something out in parts, so that the loop stays free; what comes of it holds as long as `wishes` is `asOf`. */
  async function undisturbed<Value>(
    steps: () => Generator<undefined, Value>,
  ): Promise<{ readonly value: Value; readonly asOf: number }> {
    for (let left = mostInterruptions; left > 0; left--) {
      const asOf = wishes;
      const value = await inSlices(steps(), { first: true });
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
    const named = createBuildSet(ends);
    const rank = (build: BuildRecord): number =>
      !isWritten && named.has(build) ? 0 : queue.missing(build.drv) > 0 ? 2 : 1;
    const byRank: BuildRecord[][][] = [[], [], []];
    for (const builds of [ends, unwanted])
      for (const build of builds) {
        if (isOver(build)) continue;
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
      const named = createBuildSet(plan.ends);
      const order = inOrder(plan, withdrawal.submissions !== undefined);
      const isOfThisTurn = interruptions > mostInterruptions;
      let most = Math.max(buildsPerTurn, isOfThisTurn ? Math.ceil(order.length * partPerTurn) : 0);
      for (let next = 0; next < order.length; next += most, most = buildsPerTurn) {
        if (next > 0) await writer.durable();
        if (wishes !== plan.asOf) break;
        for (const build of order.slice(next, next + most))
          if (!isOver(build)) end(build, causeOf(build), !named.has(build));
      }
      const left = order.filter((build) => !isOver(build));
      if (left.length === 0) return;
      const again = { ...withdrawal, from: left.map(({ drv }) => drv) };
      plan = interruptions < mostInterruptions ? await workOut(again) : workOutAtOnce(again);
    }
  }

  async function describe({ ends, kept, unwanted }: Consequences, wish: SliceOptions = {}): Promise<CancelResult> {
    const row = (build: BuildRecord, outcome: 'canceled' | 'unwanted' | 'kept', wantedBy: readonly string[] = []) => ({
      build: buildId(build),
      derivation: graph.drvPath(build.drv),
      state: build.state.status,
      outcome,
      wantedBy,
    });
    const named = [
      ...ends.slice(0, mostNamed).map((build) => row(build, 'canceled')),
      ...kept.slice(0, mostNamed).map(({ build, wantedBy }) => row(build, 'kept', wantedBy)),
      ...unwanted.slice(0, mostNamed).map((build) => row(build, 'unwanted')),
    ];
    return {
      canceled: ends.length,
      kept: kept.length,
      unwanted: unwanted.length,
      waiting: await inSlices(countWaiting(farm, [...ends, ...unwanted]), wish),
      builds: named.slice(0, mostNamed),
    };
  }

  async function preview(withdrawal: Withdrawal): Promise<CancelResult> {
    return describe(await inSlices(consequencesOf(farm, withdrawal)));
  }

  async function cancelBuilds(
    actor: string,
    builds: ReadonlyBuildSet,
    { reason, force = false }: CancelWish,
    causation?: string,
  ): Promise<CancelResult> {
    const withdrawal = { builds, force };
    const plan = await workOut(withdrawal);
    const result = await describe(plan, { first: true });
    const cause: Cause = { actor, reason, ...(causation !== undefined && { causation }) };
    for (const { build } of plan.kept)
      if (!isOver(build) && build.asked !== 'input')
        commandBuild(core, build, { type: 'withdraw', submission: build.submission, reason }, { actor });
    await carryOut(withdrawal, () => cause, plan);
    await writer.durable();
    return result;
  }
  /** What was named, and where the wish says so all that waits for it now. */
  async function chosen(named: ReadonlyBuildSet, wish: CancelWish) {
    if (!wish.dependents) return named;
    return createBuildSet([
      ...named,
      ...(await inSlices(dependentsOf(farm, named), wish.preview ? {} : { first: true })),
    ]);
  }
  const cancel = async (
    actor: string,
    ids: readonly string[],
    wish: CancelWish,
    causation?: string,
  ): Promise<CancelResult> => {
    // In its turn: what was forgotten by then has ended.
    const named = () => createBuildSet(ids.map((id) => queue.build(id)).filter((build) => build !== undefined));
    return wish.preview
      ? preview({ builds: await chosen(named(), wish), force: wish.force ?? false })
      : inTurn(async () => cancelBuilds(actor, await chosen(named(), wish), wish, causation));
  };

  function decideCancel(id: string, reason: string | undefined) {
    const record = farm.submissions.get(id);
    const underWay = isUnderWay(farm, id);
    const decision = decideSubmission(record?.status ?? 'none', { type: 'cancel', reason, underWay });
    if (!record || decision.refused === 'unknown-submission')
      throw new DroverError('unknown-submission', `there is no submission ${id}`);
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
  async function withdrawalOf(record: SubmissionRecord): Promise<Withdrawal> {
    const { id } = record;
    const hidden = await inSlices(hiddenWantsOf(farm, record), { first: true });
    const builds = createBuildSet(queue.buildsOf(id).filter((build) => !isEnded(build.state.status)));
    const from = [...buildsWantedBy(farm, id).map(({ drv }) => drv), ...hidden];
    return { submissions: new Set([id]), builds, from };
  }

  /** What was queued as an unfinished build needed it, which may have ended since. */
  const behind = new Set<Drv>();

  async function release(): Promise<void> {
    const from = [...behind];
    behind.clear();
    if (writer.failure) return;
    const plan = await workOut({ from });
    if (plan.unwanted.length === 0) return;
    logger.info({ builds: plan.unwanted.length }, 'builds end that nobody wants any more');
    await carryOut({ from }, () => byWants, plan);
  }

  function leave(drv: Drv): void {
    behind.add(drv);
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
      for (const build of buildsWantedBy(farm, id)) leave(build.drv);
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
    if (left.length === 0 || writer.failure) return;
    logger.info({ builds: left.length }, 'builds end that nobody wanted any more when the coordinator was stopped');
    const [ends, unwanted] = [true, false].map((named) =>
      left.filter((build) => (causeLeft(build) !== undefined) === named),
    );
    const plan = { ends: ends as BuildRecord[], kept: [], unwanted: unwanted as BuildRecord[], asOf };
    // The log has the end of their wants already.
    const withdrawal = { submissions: new Set<string>() };
    await carryOut(withdrawal, (build) => causeLeft(build) ?? byWants, plan);
  }
  inTurn(endLeft).catch(failed);

  return {
    async cancelBuild(by, id, wish = {}) {
      const { farm: then, build } = await findKnown(core, id);
      const isPast = then !== farm;
      // It ended so long ago that it is not held any more, as it was to.
      if (isPast && build.state.status === 'canceled') return cancel(by.id, [], wish);
      if (isPast || (isEnded(build.state.status) && build.state.status !== 'canceled'))
        throw new DroverError('build-ended', `the build ${id} has ended: ${build.state.status}`);
      return cancel(by.id, [id], wish, `build-${id}@${build.revision}`);
    },
    async cancelBuilds(by, { builds, ...wish }) {
      for (const id of builds) if (queue.build(id) === undefined) await findKnown(core, id);
      return cancel(by.id, builds, wish);
    },
    async cancelSubmission(by, id, { reason, preview: onlyPreview = false } = {}) {
      const isPast = () => farm.submissions.get(id) === undefined;
      const decide = () => decideCancel(id, reason);
      if (isPast()) return cancelPast(id);
      const { record } = decide();
      if (onlyPreview) return preview(await withdrawalOf(record));
      return inTurn(async () => {
        if (isPast()) return cancelPast(id);
        // Its wants end at once; what follows is worked out beside everything else, and at a start, where a stop comes in between.
        const { events } = decide();
        const { revision } = record;
        writer.commit('submission', id, revision, events, { actor: by.id, correlation: id });
        const withdrawal = await withdrawalOf(record);
        const plan = await workOut(withdrawal);
        const result = await describe(plan, { first: true });
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

function submissionEnded(id: string): DroverError {
  return new DroverError('submission-ended', `the submission ${id} has ended: all its builds have`);
}
