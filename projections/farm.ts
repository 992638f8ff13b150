import type { AgentEvent } from '../domain/agent/events.ts';
import type { AuditEvent } from '../domain/audit/events.ts';
import type { BuildEvent } from '../domain/build/events.ts';
import { isInfrastructureFailure, showsThatTheMachineWorks } from '../domain/build/failure-class.ts';
import { isEnded, liveAgent } from '../domain/build/state.ts';
import type { DerivationEvent } from '../domain/derivation/events.ts';
import type { Category, DroverEvent } from '../domain/events.ts';
import type { HistoryEvent } from '../domain/history/events.ts';
import type { HookEvent } from '../domain/hook/events.ts';
import type { ItemEvent } from '../domain/item/events.ts';
import type { MemoryEvent } from '../domain/memory/events.ts';
import type { RootEvent } from '../domain/root/events.ts';
import type { SubmissionEvent } from '../domain/submission/events.ts';
import type { TokenEvent } from '../domain/token/events.ts';
import { createAgentless } from './agentless.ts';
import { createAgents } from './agents.ts';
import { createAskedWithoutBuild } from './asked.ts';
import { createAvailability } from './availability.ts';
import { type Blocked, createBlocked } from './blocked.ts';
import { type BuildRecord, buildId } from './builds.ts';
import { type Cancellations, createCancellations } from './cancellations.ts';
import { createCheckpoints } from './checkpoints.ts';
import { createDeferrals, type Deferrals } from './deferrals.ts';
import { createEarlier, type Earlier } from './earlier.ts';
import { createEnded, type Ended } from './ended.ts';
import { createForgetting, type Forgetting } from './forgetting.ts';
import { createGraph } from './graph.ts';
import { createHooks } from './hooks.ts';
import { createItemDetails } from './item-details.ts';
import { createLeftovers } from './leftovers.ts';
import { createLoads, type Loads } from './loads.ts';
import { createLosses } from './losses.ts';
import { createMemory } from './memory.ts';
import { isAttended } from './obstacles.ts';
import { createProducers } from './producers.ts';
import { createQueue } from './queue.ts';
import { createRoots, type Roots } from './roots.ts';
import { createStrays, type Strays } from './strays.ts';
import { createSubmissions } from './submissions.ts';
import { createSupply } from './supply.ts';
import { createTexts } from './texts.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import { createTokens } from './tokens.ts';
import { createUnpublished, type UnpublishedItems } from './unpublished.ts';
import { createUpstreamItems, type UpstreamItems } from './upstreams.ts';
import { eachAwaited } from './wants.ts';

type UpstreamEvent = Extract<ItemEvent, { type: 'StoreItemFoundUpstream' | 'StoreItemLostUpstream' }>;
type CanceledData = Extract<BuildEvent, { type: 'BuildCanceled' }>['data'];
export type Farm = ReturnType<typeof createFarm>;

/**
 * All hot projections: the plain in-memory folds that decisions read. The same events always give the same farm (I3).
 *
 * @param seed see `createNameTable`
 * @param forgets whether what is over goes, as the log says; for questions about the past it stays.
 */
export function createFarm(seed = 0, forgets = true) {
  const memory = createMemory();
  const graph = createGraph(memory.within('graph.'), seed);
  const availability = createAvailability(
    graph,
    (item, available) => {
      producers.availabilityChanged(item);
      if (!available) supply.lost(item);
      queue.availabilityChanged(item, available);
      blocked.itemTouched(item);
    },
    memory.within('availability.'),
  );
  const producers = createProducers(
    {
      graph,
      isAvailable: availability.isAvailable,
      isActive: (drv) => queue.isActive(drv),
      hasFailed: (drv) => queue.hasFailed(drv),
      shifted(drv) {
        queue.urgency.touched(drv);
        blocked.outputsTouched(drv);
      },
    },
    memory.within('producers.'),
  );
  const losses = createLosses((item) => producers.of(item) !== undefined, memory.within('losses.'));
  const agents = createAgents(memory.within('agents.'));
  const agentless = createAgentless(agents, graph, memory.within('agentless.'));
  const timeline = createTimeline(agentless, memory.within('timeline.'));
  const queue = createQueue(
    {
      graph,
      timeline,
      availability: () => availability,
      producers,
      buildsChanged(drv) {
        producers.buildsChanged(drv);
        blocked.outputsTouched(drv);
        if (queue.isActive(drv)) return;
        supply.ended(drv);
        leftovers.over(drv);
        forgetting.loosened(drv);
      },
      began(build) {
        submissions.buildBegan(build.submission);
        if (build.previous !== undefined) forgetting.loosened(build.drv);
      },
      ended: (build) => submissions.buildEnded(build),
      moved: (drv) => blocked.touched(drv),
      isForced: (id) => submissions.get(id)?.wish.force === true,
      isUpstreamEnough: (id) => (submissions.get(id)?.wish.checkUpstream ?? 'all') === 'all',
      hasText: (drv) => texts.lost(drv) === undefined,
    },
    memory.within('queue.'),
  );
  const texts = createTexts(
    graph,
    (drv) => {
      queue.textChanged(drv);
      blocked.touched(drv);
      if (queue.latest(drv) !== undefined) forgetting.loosened(drv);
    },
    memory.within('texts.'),
  );
  const supply = createSupply(
    {
      graph,
      producers,
      isObtainable: availability.isObtainable,
      isAvailable: availability.isAvailable,
      isActive: (drv) => queue.isActive(drv),
    },
    memory.within('supply.'),
  );
  const details = createItemDetails(graph, availability, memory.within('details.'));
  const tokens = createTokens(memory.within('tokens.'));
  const submissions = createSubmissions(
    {
      graph,
      build: queue.build,
      buildsOf: queue.buildsOf,
      hasOutputs: queue.hasOutputs,
      askedWithoutBuild: (by, drv, tags, build) =>
        asked.asked(drv, { by, tags, order: queue.takeOrder(), ...(build && { build }) }),
      queued(record) {
        queue.submissionQueued(record.id);
        forgetting.requested(record);
      },
      dropped: ({ roots }) => forgetting.dropped(roots),
      over: (record) => forgetting.over(record),
    },
    memory.within('submissions.'),
  );
  const asked = createAskedWithoutBuild({ submission: submissions.get, build: queue.build }, memory.within('asked.'));
  const blocked = createBlocked(
    {
      graph,
      producers,
      availability,
      losses,
      queue,
      texts,
      isAttended: (jobClass) => isAttended({ agents, tokens }, jobClass),
      isQueueing: () => submissions.isQueueing,
    },
    memory.within('blocked.'),
  );
  const hooks = createHooks(memory.within('hooks.'));
  const checkpoints = createCheckpoints(memory.within('checkpoints.'));
  const leftovers = createLeftovers(queue.build, (drv) => forgetting.loosened(drv), memory.within('leftovers.'));
  const earlier = createEarlier(queue.durations, memory.within('earlier.'));
  const ended = createEnded(memory.within('ended.'));
  const loads = createLoads(memory.within('loads.'));
  const cancellations = createCancellations(memory.within('cancellations.'));
  const deferrals = createDeferrals(memory.within('deferrals.'));
  const unpublished = createUnpublished(memory.within('unpublished.'));
  const upstreams = createUpstreamItems(graph, availability, memory.within('upstreams.'));
  const roots = createRoots(graph, (item) => forgetting.itemLoosened(item), memory.within('roots.'));
  const forgetting = createForgetting(
    {
      graph,
      availability,
      isHeld: (item) => details.narHash(item) !== undefined,
      producers,
      queue,
      roots,
      texts,
      leftovers,
      submissions,
      forgetBuild(build) {
        asked.forgetBuild(build);
        cancellations.forget(build);
        submissions.forgetBuild(buildId(build));
      },
      forgetDerivation(drv) {
        producers.forget(drv);
        blocked.outputsTouched(drv);
        details.forgetDeriver(drv);
        asked.forget(drv);
        texts.forget(drv);
        supply.forget(drv);
        queue.forgetDerivation(drv);
        graph.forget(drv);
      },
      forgetItem(item) {
        blocked.itemTouched(item);
        availability.forget(item);
        losses.forget(item);
        lossRevisions.delete(item);
        upstreams.forget(item);
        setItemRevision(item, -1);
        graph.forgetItem(item);
      },
    },
    forgets,
    memory.within('forgetting.'),
  );
  const itemRevisions = memory.ints('itemRevisions'); // Of each item's stream; -1 where there is none.
  const lossRevisions = memory.map<number, number>('lossRevisions');
  const strays = createStrays(graph, memory.within('strays.'));

  /** The item by which the stream of one is known: a hash part has one stream, however many names it is given. */
  const streamOf = (path: string): number => graph.itemByHash(path.slice(0, 32)) as number;

  function setItemRevision(item: number, revision: number): void {
    while (itemRevisions.length <= item) itemRevisions.push(-1);
    itemRevisions.values[item] = revision;
  }

  function itemRevisionOf(item: number | undefined): number | undefined {
    const revision = item === undefined || item >= itemRevisions.length ? -1 : (itemRevisions.values[item] as number);
    return revision === -1 ? undefined : revision;
  }

  /** Attempts that failed through the machine count against the agent; a builder that ran clears it. */
  function judge(id: string, event: BuildEvent, at: number): void {
    if (event.type === 'BuildSucceeded') {
      agents.ended(event.data.agent);
      return agents.worked(event.data.agent);
    }
    if (event.type !== 'BuildSetupFailed' && event.type !== 'BuildAttemptFailed') return;
    const build = queue.build(id);
    const agent = build?.state.agents[event.data.attempt - 1];
    if (build === undefined || agent === undefined) return;
    const { class: failure, attempt, message } = event.data;
    // What was not there to build with says nothing of the agent.
    if (failure !== 'inputs-missing') agents.ended(agent, { build: id, attempt, class: failure, message, at });
    if (showsThatTheMachineWorks(failure)) agents.worked(agent);
    else if (isInfrastructureFailure(failure) && failure !== 'inputs-missing') agents.failed(agent, build.drv);
  }

  function noteEnd(build: BuildRecord | undefined, event: BuildEvent): void {
    if (build === undefined || queue.missing(build.drv) === 0 || !isEnded(build.state.status)) return;
    leftovers.ended(build, event, (visit) => eachAwaited({ graph, availability, queue, producers }, build.drv, visit));
  }

  /** What a machine lacked far below a derivation is waited for as if it were an input: the next attempt would lack it, too. */
  function learnNeeds(id: string, event: BuildEvent): void {
    if (event.type !== 'BuildSetupFailed' || event.data.below === undefined) return;
    const drv = queue.build(id)?.drv;
    if (drv === undefined) return;
    for (const path of event.data.below) {
      const item = graph.internItem(path);
      if (!graph.alsoNeeds(drv, item)) continue;
      supply.lost(item);
      queue.needAdded(drv, item);
    }
  }

  function applyBuild(id: string, event: BuildEvent, revision: number, at: number, by: string): void {
    learnNeeds(id, event);
    const before = queue.build(id)?.state.status;
    const build = queue.apply(id, event, revision);
    if (build !== undefined) loads.moved(graph.jobClass(build.drv).system, before, build.state.status, at);
    noteEnd(build, event);
    ended.apply(event, at);
    noteDeferral(build, event, at, by);
    if (event.type === 'BuildCanceled') canceled(id, event.data, at, by);
    judge(id, event, at);
  }

  function canceled(id: string, { reason, unwanted }: CanceledData, at: number, by: string): void {
    const build = queue.build(id);
    const why = { ...(reason !== undefined && { reason }), ...(unwanted && { unwanted }) };
    if (build) cancellations.canceled(build, { by, at, ...why });
  }

  function noteDeferral(build: BuildRecord | undefined, event: BuildEvent, at: number, by: string): void {
    if (build === undefined) return;
    const until = event.type === 'BuildSubmitted' ? event.data.options.deferUntil : undefined;
    if (until !== undefined) deferrals.deferred(build, { by, at });
    else if (event.type === 'BuildDeferred' && event.data.until !== undefined) {
      const { reason, submission } = event.data;
      const why = { ...(reason !== undefined && { reason }), ...(submission !== undefined && { submission }) };
      deferrals.deferred(build, { by, at, ...why });
    } else if (!build.deferred) deferrals.ended(build);
  }

  /** What the item refers to as things are. @returns what is to be called when it may refer to others. */
  function referencesOf(item: number): { loosen(): void } {
    const key = availability.referencesKey(item);
    const before = availability.references(item);
    return {
      loosen() {
        if (availability.referencesKey(item) !== key) for (const one of before) forgetting.itemIdle(one);
      },
    };
  }

  function applyItem(event: ItemEvent, revision: number, at: number, by: string): void {
    unpublished.passed(at);
    if (event.type === 'StoreItemAdded') {
      const known = graph.internItem(event.data.path);
      const referredTo = referencesOf(known);
      unpublished.added(known, details.get(known)?.file, event.data.file);
      // Details first: whoever hears that the item became available may ask for them.
      details.set(known, event.data, at);
      upstreams.apply(known, event, at);
      const item = availability.add(event.data.path, event.data.references);
      losses.apply(item, event, at, by);
      blocked.itemTouched(item);
      setItemRevision(streamOf(event.data.path), revision);
      referredTo.loosen();
      return;
    }
    if (event.type === 'StoreItemFoundUpstream' || event.type === 'StoreItemLostUpstream')
      return applyUpstream(event, revision, at, by);
    const item = graph.itemOf(event.data.path);
    if (item === undefined) return;
    if (availability.isPresent(item)) lossRevisions.set(item, revision);
    if (!availability.isObtainable(item) || availability.isPresent(item)) losses.apply(item, event, at, by);
    if (event.type !== 'StoreItemUnpublished') {
      unpublished.gone(item);
      details.clear(item);
    } else if (availability.isPresent(item))
      unpublished.unpublished(item, { at, until: event.data.until, reason: event.data.reason, by });
    availability.remove(item);
    blocked.itemTouched(item);
    setItemRevision(streamOf(event.data.path), revision);
    if (event.type !== 'StoreItemUnpublished') forgetting.itemIdle(item);
  }

  function applyUpstream(event: UpstreamEvent, revision: number, at: number, by: string): void {
    const item = graph.internItem(event.data.path);
    setItemRevision(streamOf(event.data.path), revision);
    const referredTo = referencesOf(item);
    const relied = upstreams.get(item)?.upstream;
    upstreams.apply(item, event, at);
    if (event.type === 'StoreItemFoundUpstream') {
      availability.find(event.data.path, event.data.references);
      losses.apply(item, event, at, by);
    } else if (relied === event.data.upstream) {
      lossRevisions.set(item, revision);
      losses.apply(item, event, at, by);
      availability.lose(item);
    }
    blocked.itemTouched(item);
    referredTo.loosen();
    if (event.type === 'StoreItemLostUpstream') forgetting.itemIdle(item);
  }

  function fold(
    category: Category,
    id: string,
    event: DroverEvent,
    revision: number,
    at: number,
    correlation: string | undefined,
    trace: string | undefined,
    by: string | undefined,
  ): void {
    switch (category) {
      case 'derivation': {
        if (event.type !== 'DerivationAdded') return texts.apply(event as DerivationEvent, revision);
        const drv = graph.add(event.data);
        if (drv !== undefined) {
          producers.derivationAdded(drv, event.data.sources.map(graph.internItem));
          supply.derivationAdded(drv);
          queue.derivationAdded(drv);
          blocked.outputsTouched(drv);
          agentless.watch(graph.jobClass(drv));
        }
        texts.apply(event, revision);
        submissions.derivationAdded(correlation);
        return;
      }
      case 'build':
        return applyBuild(id, event as BuildEvent, revision, at, by ?? '');
      case 'item':
        return applyItem(event as ItemEvent, revision, at, by ?? '');
      case 'agent':
        agents.apply(id, event as AgentEvent, revision, { at, by });
        blocked.agentsTouched();
        return agentless.changed(id, event as AgentEvent, at);
      case 'submission':
        return submissions.apply(id, event as SubmissionEvent, revision, by ?? '', trace);
      case 'token':
        blocked.agentsTouched();
        return tokens.apply(id, event as TokenEvent, revision, at, by ?? '');
      case 'hook':
        return hooks.apply(id, event as HookEvent, revision);
      case 'audit':
        return checkpoints.apply(event as AuditEvent, revision);
      case 'root':
        return roots.apply(id, event as RootEvent, revision, at, by ?? '');
      case 'history':
        return earlier.apply(id, event as HistoryEvent, revision);
      case 'memory':
        return forgetting.apply(event as MemoryEvent, revision);
    }
  }

  function recordOf(category: Category, id: string): { revision: number } | undefined {
    if (category === 'build') return queue.build(id);
    if (category === 'agent') return agents.get(id);
    if (category === 'submission') return submissions.get(id);
    if (category === 'hook') return hooks.get(id);
    if (category === 'audit') return checkpoints.newest;
    if (category === 'root') return roots.get(id);
    if (category === 'history') return earlier.get(id);
    if (category === 'memory')
      return forgetting.revision === undefined ? undefined : (forgetting as { revision: number });
    return category === 'token' ? tokens.get(id) : undefined;
  }

  return {
    /** All that these know, to be saved and loaded. */
    parts: memory.parts,
    graph,
    availability,
    producers,
    queue,
    blocked: blocked as Omit<Blocked, 'touched' | 'outputsTouched' | 'itemTouched' | 'agentsTouched'>,
    timeline: timeline as Pick<Timeline, 'spans' | 'tally' | 'endedAt'>,
    texts,
    supply,
    details,
    losses,
    unpublished: unpublished as Omit<UnpublishedItems, 'unpublished' | 'added' | 'gone' | 'passed' | 'describe'>,
    upstreams: upstreams as Omit<UpstreamItems, 'apply' | 'describe'>,
    roots: roots as Omit<Roots, 'apply' | 'describe'>,
    ended: ended as Pick<Ended, 'before'>,
    loads: loads as Pick<Loads, 'now' | 'before'>,
    cancellations: cancellations as Pick<Cancellations, 'get'>,
    deferrals: deferrals as Pick<Deferrals, 'get'>,
    agents,
    tokens,
    submissions,
    asked: asked as Pick<typeof asked, 'of'>,
    hooks,
    checkpoints,
    leftovers,
    earlier: earlier as Pick<Earlier, 'get'>,
    forgetting: forgetting as Pick<
      Forgetting,
      'derivations' | 'items' | 'idleItems' | 'remembered' | 'pace' | 'weight' | 'revision' | 'isLetGo' | 'watch'
    >,
    /** Streams of which this program knows nothing but how far they are. */
    strays: strays as Pick<Strays, 'revision'>,
    /** Revision of the last event of the item's stream; `none` if there is none. */
    itemRevision: (path: string): number | 'none' => {
      const item = graph.itemByHash(path.slice(0, 32));
      return itemRevisionOf(item) ?? 'none';
    },
    /** Revision of the event by which an item that was present last stopped to be so. */
    lossRevision: (item: number): number | undefined => lossRevisions.get(item),

    /**
     * Folds one event. `id` is the stream's name without its category, `correlation` what the event belongs to, `trace` its place in a
     * trace, `by` whose doing it was. Streams of other categories are passed over.
     */
    apply(
      category: Category,
      id: string,
      event: DroverEvent,
      revision: number,
      at: number,
      correlation?: string,
      trace?: string,
      by?: string,
    ): void {
      if (strays.takes(category, id, event, revision)) return;
      timeline.now(at);
      fold(category, id, event, revision, at, correlation, trace, by);
      forgetting.goOn();
    },

    /** Counts an event of a type or version that this program does not know: its stream is further by one, and nothing else changes. */
    pass(category: Category, id: string, revision: number): void {
      const item = category === 'item' ? graph.itemByHash(id) : undefined;
      const drv = category === 'derivation' ? graph.drvByHash(id) : undefined;
      if (item !== undefined && itemRevisionOf(item) !== undefined) setItemRevision(item, revision);
      else if (drv !== undefined) texts.passed(drv, revision);
      else {
        const record = recordOf(category, id);
        if (record) record.revision = revision;
        else strays.add(category, id, revision);
      }
    },

    /** The whole state as lines of text in a fixed order: equal states give equal lines (I3). */
    *describe(): Generator<string> {
      queue.urgency.settleAll();
      for (let drv = 0; drv < graph.derivationRows; drv++) {
        if (!graph.isDerivation(drv)) continue;
        const latest = queue.latest(drv);
        const urgency = queue.unfinished(drv)
          ? ` ${queue.urgency.priority(drv)} ${queue.urgency.criticalPath(drv)}`
          : '';
        yield `derivation ${graph.drvPath(drv)} lacks ${queue.missing(drv)}${urgency}${latest ? ` latest ${buildId(latest)}` : ''}`;
        for (const item of graph.addedNeeds(drv))
          yield `derivation ${graph.drvPath(drv)} needs ${graph.itemPath(item)}`;
        for (let build = latest; build; build = build.previous)
          yield `build ${buildId(build)} ${build.revision} ${JSON.stringify(build.state)} ${liveAgent(build.state) ?? '-'} ${build.heapIndex === -1 ? '' : 'ready'} ${timeline.describe(build)}`;
      }
      for (const drv of texts.all()) yield `text lost ${graph.drvPath(drv)} ${texts.revision(drv)} ${texts.lost(drv)}`;
      for (let item = 0; item < graph.itemRows; item++)
        if (availability.wasObtainable(item)) {
          const held = availability.isPresent(item) ? details.get(item) : losses.get(item);
          yield `item ${graph.itemPath(item)} ${availability.isAvailable(item)} ${JSON.stringify(held ?? null)}`;
        }
      yield* upstreams.describe();
      yield* unpublished.describe((item) => JSON.stringify(details.get(item)));
      for (const agent of agents.all())
        yield `agent ${agent.name} ${agent.revision} ${[...agent.mishaps].join(',')} ${JSON.stringify(agent.state)} ${JSON.stringify(agent.recent)}`;
      yield* submissions.describe();
      yield* asked.describe(graph.drvPath);
      yield* leftovers.describe();
      for (const token of tokens.all()) yield `token ${JSON.stringify(token)}`;
      yield* hooks.describe();
      yield* checkpoints.describe();
      yield* roots.describe();
      yield* earlier.describe();
      if (forgetting.revision !== undefined) yield `memory ${forgetting.revision} ${forgetting.remembered}`;
      yield* strays.describe();
    },
  };
}
