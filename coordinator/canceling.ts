import { isEnded, liveAgent } from '../domain/build/state.ts';
import { decideSubmission } from '../domain/submission/decide.ts';
import type { Drv } from '../projections/graph.ts';
import { type BuildRecord, buildId } from '../projections/queue.ts';
import {
  buildsWantedBy,
  type Consequences,
  consequencesOf,
  countWaiting,
  isUnderWay,
  unwantedBuilds,
  type Withdrawal,
  wantedWithoutBuild,
} from '../projections/wants.ts';
import type { Allocator } from './allocator.ts';
import type { Application, CancelResult, CancelWish } from './application.ts';
import { type Core, commandBuild, findBuild } from './core.ts';
import { DroverError } from './errors.ts';
import type { Meta } from './ports/event-store.ts';

/** Wants end by a client's wish, and builds with them that nobody wants any more (docs/decisions/0031). */
export type Canceling = Pick<Application, 'cancelBuild' | 'cancelBuilds' | 'cancelSubmission'>;

/** Builds that end between two waits for the disk. */
const buildsPerTurn = 1000;
/** Most builds that an answer names. */
const mostNamed = 100;

/** Why and by whom builds end. */
interface Cause extends Meta {
  readonly reason: string | undefined;
}

/**
 * Ends builds that nobody wants: at once where a client cancels, and, at a start, whatever a stop cut off.
 */
export function startCanceling(core: Core, allocator: Pick<Allocator, 'stopping'>): Canceling {
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

  /** Ends what ends, in parts, so that the loop stays free; what somebody comes to want in between is spared. */
  async function carryOut(
    withdrawal: Withdrawal,
    cause: Cause,
    first = consequencesOf(farm, withdrawal),
  ): Promise<void> {
    let plan = first;
    for (;;) {
      const seen = wishes;
      const named = new Set(plan.ends);
      // What needs others before what it needs. Where the log has the end of the wants already, what could be given to an agent meanwhile
      // goes first; otherwise what was named does: a stop in between would leave it waiting for inputs that have ended.
      const isWritten = withdrawal.submissions !== undefined;
      const rank = (build: BuildRecord): number =>
        !isWritten && named.has(build) ? 0 : queue.missing(build.drv) > 0 ? 2 : 1;
      const order = [...plan.ends, ...plan.unwanted].sort(
        (a, b) => rank(a) - rank(b) || graph.depth(b.drv) - graph.depth(a.drv) || a.order - b.order,
      );
      for (let next = 0; next < order.length; next += buildsPerTurn) {
        if (next > 0) await writer.durable();
        if (wishes !== seen) break;
        for (const build of order.slice(next, next + buildsPerTurn))
          if (!isEnded(build.state.status)) end(build, cause, !named.has(build));
      }
      const left = order.filter(({ state }) => !isEnded(state.status));
      if (left.length === 0) return;
      plan = consequencesOf(farm, { ...withdrawal, from: left.map(({ drv }) => drv) });
    }
  }

  function describe({ ends, kept, unwanted }: Consequences): CancelResult {
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
      waiting: countWaiting(farm, [...ends, ...unwanted]),
      builds: named.slice(0, mostNamed),
    };
  }

  async function cancelBuilds(
    actor: string,
    builds: ReadonlySet<BuildRecord>,
    { reason, force = false, preview = false }: CancelWish,
    causation?: string,
  ): Promise<CancelResult> {
    const withdrawal = { builds, force };
    const plan = consequencesOf(farm, withdrawal);
    const result = describe(plan);
    if (preview) return result;
    const cause: Cause = { actor, reason, ...(causation !== undefined && { causation }) };
    for (const { build } of plan.kept)
      if (build.asked !== 'input')
        commandBuild(core, build, { type: 'withdraw', submission: build.submission, reason }, { actor });
    await carryOut(withdrawal, cause, plan);
    await writer.durable();
    return result;
  }

  /** What was queued as an unfinished build needed it, which may have ended since. */
  const behind = new Set<Drv>();

  function release(): void {
    const from = [...behind];
    behind.clear();
    if (writer.failure) return;
    const plan = consequencesOf(farm, { from });
    if (plan.unwanted.length === 0) return;
    logger.info({ builds: plan.unwanted.length }, 'builds end that nobody wants any more');
    carryOut({ from }, { actor: 'wants', reason: undefined }, plan).catch((error: Error) =>
      logger.error({ err: error }, 'builds that nobody wants could not be ended'),
    );
  }

  function leave(drv: Drv): void {
    behind.add(drv);
    // A decision of its own, not from within the fold.
    if (behind.size === 1) queueMicrotask(release);
  }

  writer.listen((category, id, event) => {
    if (category === 'submission') {
      wishes++;
      if (event.type === 'SubmissionQueued' && farm.submissions.get(id)?.wish.reason === 'rebuild')
        for (const build of queue.buildsOf(id)) if (build) leave(build.drv);
    } else if (event.type === 'BuildSubmitted') wishes++;
  });

  const left = unwantedBuilds(farm);
  if (left.length > 0) {
    logger.info({ builds: left.length }, 'builds end that nobody wanted any more when the coordinator was stopped');
    const plan = { ends: [], kept: [], unwanted: left };
    carryOut({}, { actor: 'wants', reason: undefined }, plan).catch((error: Error) =>
      logger.error({ err: error }, 'builds that nobody wants could not be ended'),
    );
  }

  return {
    async cancelBuild(by, id, { reason, force, preview } = {}) {
      const build = findBuild(core, id);
      if (isEnded(build.state.status) && build.state.status !== 'canceled')
        throw new DroverError('build-ended', `the build ${id} has ended: ${build.state.status}`);
      return cancelBuilds(by.id, new Set([build]), { reason, force, preview }, `build-${id}@${build.revision}`);
    },
    cancelBuilds(by, { builds, ...wish }) {
      return cancelBuilds(by.id, new Set(builds.map((id) => findBuild(core, id))), wish);
    },
    async cancelSubmission(by, id, { reason, preview = false } = {}) {
      const record = farm.submissions.get(id);
      const decision = decideSubmission(record?.status ?? 'none', {
        type: 'cancel',
        reason,
        underWay: isUnderWay(farm, id),
      });
      if (!record || decision.refused === 'unknown-submission')
        throw new DroverError('unknown-submission', `there is no submission ${id}`);
      if (decision.refused !== undefined)
        throw new DroverError('submission-ended', `the submission ${id} has ended: all its builds have`);
      const builds = new Set(queue.buildsOf(id).filter((build) => build && !isEnded(build.state.status)));
      const hidden = wantedWithoutBuild(farm, (other) => other === id).keys();
      const from = [...buildsWantedBy(farm, id).map(({ drv }) => drv), ...hidden];
      const withdrawal = { submissions: new Set([id]), builds, from };
      const plan = consequencesOf(farm, withdrawal);
      const result = describe(plan);
      if (preview) return result;
      const meta: Meta = { actor: by.id, correlation: id };
      writer.commit('submission', id, record.revision, decision.events, meta);
      logger.info(
        { submission: id, canceled: plan.ends.length, unwanted: plan.unwanted.length },
        'submission cancelled',
      );
      await carryOut(withdrawal, { actor: by.id, reason, causation: `submission-${id}@${record.revision}` }, plan);
      await writer.durable();
      return result;
    },
  };
}
