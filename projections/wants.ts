import { isEnded } from '../domain/build/state.ts';
import { type BuildRecord, type BuildSet, buildId, createBuildSet, type ReadonlyBuildSet } from './builds.ts';
import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';
import { createPace, type Pace } from './pace.ts';
import { createRowSet, type Rows } from './row-set.ts';
import type { SubmissionRecord } from './submissions.ts';

/*
 * Who wants a build. A submission wants the builds of what it asked for, its own and those that it joined, until it is cancelled; and each
 * unfinished build that is wanted wants whatever is under way to make an input that it lacks. So a want is written down where something was
 * asked for, and what follows from it is found by walking the unfinished part of the graph when it is needed. Only cancelling ends wants.
 */

/** Wants that end. */
export interface Withdrawal {
  /** Submissions that want nothing any more. */
  readonly submissions?: ReadonlySet<string>;
  /** Builds that are cancelled, each for the submission that it belongs to. */
  readonly builds?: ReadonlyBuildSet;
  /** They end although other submissions want them. */
  readonly force?: boolean;
  /** Builds besides of whose derivations nobody may want any, nor what they wait for. */
  readonly from?: ReadonlyBuildSet;
}

/** What follows from a withdrawal. */
export interface Consequences {
  /** Of the builds that are cancelled those that end … */
  readonly ends: ReadonlyBuildSet;
  /** … those that go on, as others want them … */
  readonly kept: ReadonlyBuildSet;
  /** … each for one or two submissions, of however many, by its order … */
  readonly wantedBy: ReadonlyMap<number, Wanters>;
  /** … and builds beside them that end, as nobody wants them any more. */
  readonly unwanted: ReadonlyBuildSet;
}

/** Names of submissions; two are enough to know that there is another one than the build's own. */
type Wanters = readonly string[];
const nobody: Wanters = [];
const nothing: ReadonlyBuildSet = createBuildSet();
/** Something outside of what is looked at wants it. */
const somebody = '*';

/**
 * What ends if these wants end. Looks at what the builds in question wait for and what waits for them, and at nothing else: what lies
 * outside is wanted as it was before.
 *
 * @yields now and then, so that whoever asks can let others have their turn. It holds for what is when it is done unless somebody has come
 *   to want more meanwhile; see `coordinator/builds/canceling.ts` for what does that.
 */
export function* consequencesOf(
  farm: Farm,
  withdrawal: Withdrawal,
  pace = createPace(),
): Generator<undefined, Consequences> {
  const { submissions = new Set<string>(), builds = nothing, force = false, from = nothing } = withdrawal;
  const { queue } = farm;
  const asked = drvsOf(builds);
  const above = yield* closure(asked, pace, (drv, visit) => eachWaiter(farm, drv, visit));
  const below = yield* closure([...asked, ...drvsOf(from)], pace, (drv, visit) => eachAwaited(farm, drv, visit));
  const isLive = (id: string): boolean => !submissions.has(id) && farm.submissions.get(id)?.status !== 'canceled';
  const hidden = yield* wantedWithoutBuild(farm, isLive, pace);
  const wanters = new Map<Drv, Wanters>();
  const pending: Drv[] = [];

  function give(drv: Drv, wanter: string): void {
    pace.followed();
    if (!below.has(drv) && !above.has(drv)) return;
    const known = wanters.get(drv) ?? nobody;
    if (known.length === 2 || known.includes(wanter)) return;
    wanters.set(drv, [...known, wanter]);
    pending.push(drv);
  }

  function* askersOf(build: BuildRecord): Generator<string> {
    const { submission } = build;
    const isOwn = build.asked !== 'input' && build.state.withdrawn === undefined && !builds.has(build);
    if (isOwn && isLive(submission)) yield submission;
    for (const id of joinersOf(farm, build)) if (isLive(id)) yield id;
    yield* leftBy(farm, build.drv, isLive);
  }

  const isOthers = ({ submission }: BuildRecord, wanter: string): boolean => wanter !== submission;

  function endsThough(build: BuildRecord, by: Wanters): boolean {
    if (force || !by.some((wanter) => isOthers(build, wanter))) return true;
    // What others need of it, another build of the same derivation makes.
    for (const asker of askersOf(build)) if (isOthers(build, asker)) return false;
    for (const other of queue.unfinishedOf(build.drv)) if (!builds.has(other)) return true;
    return false;
  }

  function goesOn(drv: Drv): boolean {
    const by = wanters.get(drv) ?? nobody;
    for (const build of queue.unfinishedOf(drv)) if (!builds.has(build) || !endsThough(build, by)) return true;
    return false;
  }

  for (const drvs of [below, above])
    for (const drv of drvs) {
      for (const build of queue.unfinishedOf(drv)) for (const asker of askersOf(build)) give(drv, asker);
      for (const wanter of hidden.get(drv) ?? nobody) give(drv, wanter);
      pace.followed();
      if (pace.isOver()) yield;
    }
  for (const drv of below) {
    if (above.has(drv)) continue;
    eachWaiter(farm, drv, (waiter) => {
      pace.followed();
      if (!below.has(waiter) && !above.has(waiter)) give(drv, somebody);
    });
    if (pace.isOver()) yield;
  }
  for (let drv = pending.pop(); drv !== undefined; drv = pending.pop()) {
    if (asked.has(drv) && !goesOn(drv)) continue;
    const by = wanters.get(drv) ?? nobody;
    eachAwaited(farm, drv, (input) => {
      for (const wanter of by) give(input, wanter);
    });
    if (pace.isOver()) yield;
  }
  yield;

  const ends = createBuildSet();
  const kept = createBuildSet();
  const wantedBy = new Map<number, Wanters>();
  const unwanted = createBuildSet();
  for (const drv of below) {
    pace.followed();
    if (pace.isOver()) yield;
    const by = wanters.get(drv) ?? nobody;
    for (const build of queue.unfinishedOf(drv))
      if (!builds.has(build)) {
        if (by.length === 0) unwanted.add(build);
      } else if (endsThough(build, by)) ends.add(build);
      else {
        kept.add(build);
        wantedBy.set(
          build.order,
          by.filter((wanter) => isOthers(build, wanter)),
        );
      }
  }
  return { ends, kept, wantedBy, unwanted };
}

/**
 * Unfinished builds that nobody wants. One whose outputs are all there ends by itself, and is none of them.
 *
 * @yields now and then, so that whoever asks can let others have their turn. It holds for what is when it is done unless somebody has come
 *   to want more meanwhile.
 */
export function* unwantedBuilds(farm: Farm, pace = createPace()): Generator<undefined, BuildSet> {
  const { queue } = farm;
  const isLive = (id: string): boolean => farm.submissions.get(id)?.status !== 'canceled';
  const wanted = createRowSet(farm.graph.derivationRows);
  for (const drv of (yield* wantedWithoutBuild(farm, isLive, pace)).keys()) wanted.add(drv);
  for (const build of queue.unfinishedBuilds()) {
    pace.followed();
    if (pace.isOver()) yield;
    const { submission, asked, state } = build;
    const isOwn = asked !== 'input' && state.withdrawn === undefined && isLive(submission);
    const isAsked = isOwn || joinersOf(farm, build).some(isLive);
    if (isAsked || leftBy(farm, build.drv, isLive).length > 0) wanted.add(build.drv);
  }
  yield* spread(wanted, pace, (drv, visit) => eachAwaited(farm, drv, visit));
  const found = createBuildSet();
  for (const build of queue.unfinishedBuilds()) {
    pace.followed();
    if (pace.isOver()) yield;
    if (!wanted.has(build.drv) && !queue.hasOutputs(build.drv)) found.add(build);
  }
  return found;
}

/**
 * How many unfinished builds wait for one of these, directly or not, and are none of them.
 *
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* countWaiting(
  farm: Farm,
  builds: Iterable<BuildRecord>,
  pace = createPace(),
): Generator<undefined, number> {
  const drvs = drvsOf(builds);
  let count = 0;
  for (const drv of yield* closure(drvs, pace, (one, visit) => eachWaiter(farm, one, visit)))
    if (!drvs.has(drv)) count += farm.queue.unfinishedCount(drv);
  return count;
}

/** Whether anything of the submission is not over: a build of its own, one that it joined, or what it has yet to queue. */
export function isUnderWay(farm: Farm, id: string): boolean {
  const record = farm.submissions.get(id);
  if (record === undefined) return false;
  return record.status === 'received' || buildsWantedBy(farm, id).length > 0;
}

/** Its own unfinished builds, and those that it joined. */
export function buildsWantedBy(farm: Farm, id: string): BuildRecord[] {
  const joined = farm.submissions.get(id)?.joined.map((build) => farm.queue.build(build)) ?? [];
  return [...farm.queue.buildsOf(id), ...joined].filter(
    (build): build is BuildRecord => build !== undefined && !isEnded(build.state.status),
  );
}

/**
 * Derivations with unfinished builds that submissions want though no build of theirs shows it: what is not wholly queued yet has found
 * builds that will do for its inputs, and will join some; and outputs that are there may refer to what is not.
 *
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* wantedWithoutBuild(
  farm: Farm,
  isLive: (submission: string) => boolean,
  pace = createPace(),
): Generator<undefined, Map<Drv, Wanters>> {
  const found = new Map<Drv, string[]>();
  const note = (drv: Drv, id: string): void => {
    if (!farm.queue.isActive(drv)) return;
    const known = found.get(drv);
    if (known) known.push(id);
    else found.set(drv, [id]);
  };
  for (const record of farm.submissions.open()) {
    if (!isLive(record.id)) continue;
    for (const drv of yield* reachedBy(farm, record, pace)) note(drv, record.id);
  }
  for (const [{ id }, drvs] of farm.submissions.withoutBuild())
    if (isLive(id) && isUnderWay(farm, id)) eachReferredTo(farm, drvs, (maker) => note(maker, id));
  return found;
}

/**
 * Unfinished builds that a submission alone wants though no build of its own shows it, as in {@link wantedWithoutBuild}, whether it is cancelled
 * or not.
 *
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* hiddenWantsOf(
  farm: Farm,
  record: SubmissionRecord,
  pace = createPace(),
): Generator<undefined, BuildSet> {
  const found = new Set(record.queued === undefined ? yield* reachedBy(farm, record, pace) : []);
  for (const [{ id }, drvs] of farm.submissions.withoutBuild())
    if (id === record.id) eachReferredTo(farm, drvs, (maker) => found.add(maker));
  const builds = createBuildSet();
  for (const drv of found) for (const build of farm.queue.unfinishedOf(drv)) builds.add(build);
  return builds;
}

/** Of a submission that is not wholly queued, all that it will build or join. */
function* reachedBy(farm: Farm, { roots, wish }: SubmissionRecord, pace: Pace): Generator<undefined, ReadonlySet<Drv>> {
  const { graph, queue } = farm;
  const drvs: Drv[] = [];
  for (const root of roots) {
    const drv = graph.drvOf(root);
    if (drv === undefined) continue;
    if (wish.force || !queue.hasOutputs(drv)) drvs.push(drv);
    eachReferredTo(farm, [drv], (maker) => drvs.push(maker), true);
  }
  return yield* closure(drvs, pace, (drv, visit) => {
    if (wish.inputs) eachAwaited(farm, drv, visit, true);
  });
}

/** What is under way to make what the outputs of derivations refer to and lack. */
function eachReferredTo(farm: Farm, drvs: Iterable<Drv>, visit: (maker: Drv) => void, unbuilt = false): void {
  for (const drv of drvs) farm.graph.eachOutput(drv, (item) => eachReferenceMaker(farm, item, visit, unbuilt));
}

/** Submissions that want it as they joined it. What joins it to build something again as that is needed (`rebuild`) wants nothing for itself. */
function joinersOf({ submissions }: Farm, build: BuildRecord): Wanters {
  return submissions.joinedTo(buildId(build)).filter((id) => submissions.get(id)?.wish.reason !== 'rebuild');
}

/** Submissions for which it goes on although what needed it has ended without it. */
function leftBy(farm: Farm, drv: Drv, isLive: (submission: string) => boolean): Wanters {
  return farm.leftovers
    .of(drv)
    .flatMap((build) => [build.submission, ...joinersOf(farm, build)])
    .filter(isLive);
}

/**
 * Builds below these derivations, and of them, that are deferred to a time later than `until`. Costs nothing while no build is deferred.
 *
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* deferredBelow(
  farm: Farm,
  drvs: readonly Drv[],
  until: number,
  pace = createPace(),
): Generator<undefined, BuildSet> {
  const { queue } = farm;
  const found = createBuildSet();
  if (queue.deferred().size === 0) return found;
  const active = drvs.filter((drv) => queue.isActive(drv));
  for (const drv of yield* closure(active, pace, (above, visit) => eachAwaited(farm, above, visit))) {
    for (const build of queue.unfinishedOf(drv))
      if (build.deferred && (build.state.options.deferUntil ?? 0) > until) found.add(build);
    pace.followed();
    if (pace.isOver()) yield;
  }
  return found;
}

/**
 * Builds that wait for one of these, over however many steps, and have not ended.
 *
 * @yields now and then, so that whoever asks can let others have their turn.
 */
export function* dependentsOf(
  farm: Farm,
  builds: Iterable<BuildRecord>,
  pace = createPace(),
): Generator<undefined, BuildSet> {
  const start = drvsOf(builds);
  const found = createBuildSet();
  for (const drv of yield* closure(start, pace, (below, visit) => eachWaiter(farm, below, visit)))
    if (!start.has(drv)) for (const build of farm.queue.unfinishedOf(drv)) found.add(build);
  return found;
}

function drvsOf(builds: Iterable<BuildRecord>): Set<Drv> {
  const drvs = new Set<Drv>();
  for (const { drv } of builds) drvs.add(drv);
  return drvs;
}

/** All that is reached from where it starts, by however many steps. */
function* closure(
  start: Iterable<Drv>,
  pace: Pace,
  each: (drv: Drv, visit: (next: Drv) => void) => void,
): Generator<undefined, Set<Drv>> {
  const found = new Set(start);
  yield* spread(found, pace, each);
  return found;
}

/** Adds all that is reached from what is in it. */
function* spread(
  found: Rows,
  pace: Pace,
  each: (drv: Drv, visit: (next: Drv) => void) => void,
): Generator<undefined, void> {
  const visit = (next: Drv): void => {
    pace.followed();
    found.add(next);
  };
  // What is added while it is walked is walked, too.
  for (const drv of found) {
    each(drv, visit);
    if (pace.isOver()) yield;
  }
  yield;
}

type Below = Pick<Farm, 'graph' | 'availability' | 'queue' | 'producers'>;

/**
 * Derivations under way that make an input which this one lacks. Where several could, they all count: which of them will, is not known.
 *
 * @param unbuilt where nothing is under way, the one that would be built.
 */
export function eachAwaited(farm: Below, drv: Drv, visit: (input: Drv) => void, unbuilt = false): void {
  farm.graph.eachNeed(drv, (item) => {
    if (farm.availability.isAvailable(item)) return;
    if (farm.availability.isObtainable(item)) eachReferenceMaker(farm, item, visit, unbuilt);
    else eachMaker(farm, item, visit, unbuilt);
  });
}

/** What is under way to make what an item refers to and lacks. */
function eachReferenceMaker(farm: Below, start: Item, visit: (maker: Drv) => void, unbuilt = false): void {
  const { availability } = farm;
  const items = new Set([start]);
  for (const item of items) {
    if (availability.isAvailable(item)) continue;
    if (availability.isObtainable(item)) for (const reference of availability.references(item)) items.add(reference);
    else if (item !== start) eachMaker(farm, item, visit, unbuilt);
  }
}

function eachMaker(
  { graph, queue, producers }: Below,
  item: Item,
  visit: (maker: Drv) => void,
  unbuilt: boolean,
): void {
  let isMade = false;
  graph.eachProducer(item, (drv) => {
    if (!queue.isActive(drv)) return undefined;
    isMade = true;
    visit(drv);
    return undefined;
  });
  if (isMade || !unbuilt) return;
  const producer = producers.of(item);
  if (producer !== undefined) visit(producer);
}

/** Derivations under way that lack something which this one makes. */
function eachWaiter({ graph, availability, queue }: Farm, drv: Drv, visit: (waiter: Drv) => void): void {
  graph.eachOutput(drv, (output) => {
    if (availability.isObtainable(output)) return;
    const items = new Set([output]);
    for (const item of items) {
      graph.eachNeeder(item, (needer) => {
        if (queue.isActive(needer)) visit(needer);
        return undefined;
      });
      availability.eachReferrer(item, (referrer) => {
        if (availability.isObtainable(referrer)) items.add(referrer);
      });
    }
  });
}
