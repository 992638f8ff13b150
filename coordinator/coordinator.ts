import { noteKeyText } from '../domain/audit/signed-note.ts';
import { deferralExcess } from '../domain/build/deferral.ts';
import { type Access, createAccess } from './access.ts';
import { createAllocator } from './agents/allocator.ts';
import { createFleet } from './agents/fleet.ts';
import { createHoldings } from './agents/holdings.ts';
import type { Application } from './application.ts';
import { startAuditor } from './audit/auditor.ts';
import { watchAttempts } from './builds/attempt-watch.ts';
import { createAttempts } from './builds/attempts.ts';
import { startCanceling } from './builds/canceling.ts';
import { createLateAttempts } from './builds/late-attempts.ts';
import { endLogs, isLogOver } from './builds/log-ends.ts';
import { startSatisfying } from './builds/satisfying.ts';
import { createWaitingAttempts } from './builds/waiting-attempts.ts';
import { deferralOf, retryOf, startWakes } from './builds/wakes.ts';
import { type Core, changeBuild, useKnown } from './core.ts';
import { createDeadlines } from './deadlines.ts';
import { DroverError } from './errors.ts';
import { figuresOf } from './figures.ts';
import { createEarlierBuilds } from './history/earlier-builds.ts';
import { createHookManager, type HookManager } from './hooks/hooks.ts';
import { createCollecting } from './items/collecting.ts';
import { startCollectionSchedule } from './items/collection-schedule.ts';
import { deleteItems } from './items/delete-items.ts';
import { createDeletions } from './items/deletions.ts';
import { createItemStreams } from './items/item-streams.ts';
import { createItems, type Items } from './items/items.ts';
import { createKeeping, type Keeping } from './items/keeping.ts';
import { startRebuilds } from './items/rebuilds.ts';
import { createRoom } from './items/room.ts';
import { createRootManager } from './items/roots.ts';
import { createUploads } from './items/uploads.ts';
import { verifyItems } from './items/verify-items.ts';
import { createVerifying } from './items/verifying.ts';
import { startRemembering } from './log/remembering.ts';
import { createReading } from './reading.ts';
import { createSlices } from './slices.ts';
import { createAdding } from './submissions/adding.ts';
import { createIntake } from './submissions/intake.ts';
import { createPrioritizing } from './submissions/prioritizing.ts';
import { createTexts, type Texts } from './submissions/texts.ts';
import { createUpstreams } from './upstreams/upstreams.ts';

export interface Coordinator extends Disposable {
  readonly application: Application;
  readonly access: Access;
  readonly farm: Core['farm'];
  readonly texts: Pick<Texts, 'check'>;
  readonly items: Pick<Items, 'holdsFile'>;
  /**
   * Tells whether agents can be heard: somebody listens for them and the event store takes what they report. Until that is so, and
   * whenever it is not, no lease runs out; each time it is so again, every lease begins anew.
   */
  hear(can: boolean): void;
  /** Makes the hooks of the configuration what it says. */
  readonly declareHooks: HookManager['declare'];
  /** Makes the roots of the rules of the configuration what they say. */
  readonly declareKept: Keeping['declare'];
  /** Before a stop that is meant: ends what can be ended gently, and writes down how far it is. */
  finish(): Promise<void>;
}

/**
 * The process managers on one farm, wired together: what happens where a command or an event asks for more events. Expects the farm as
 * replayed from the log; takes up at once what a stop had cut off.
 */
export function startCoordinator(core: Core): Coordinator {
  const { farm, writer, policy, logs, signer } = core;
  const { graph } = farm;
  const deadlines = createDeadlines(core.runtime);
  const inSlices = createSlices(core.runtime);
  const access = createAccess(core, deadlines);
  const streams = createItemStreams(core);
  const items = createItems(core, streams);
  const upstreams = createUpstreams(core, streams, items, deadlines, inSlices);
  const deletions = createDeletions(core, items, deadlines);
  const waiting = createWaitingAttempts(core);
  const room = createRoom(core);
  const texts = createTexts(core, deadlines);
  const holdings = createHoldings(farm);
  const allocator = createAllocator(core, { waiting, texts, holdings, takeUpLate: () => lateAttempts.takeUp() });
  const attempts = createAttempts(core, allocator, items, upstreams, inSlices);
  const watch = watchAttempts(core, { attempts, room, waiting });
  const uploads = createUploads(core, items, room);
  const lateAttempts = createLateAttempts(core, allocator);
  endLogs(core);
  // Agents fetch what an upstream has as the upstream signed it.
  const publicKeys = [signer.publicKey, ...upstreams.publicKeys];
  const fleet = createFleet(core, {
    publicKeys,
    direct: upstreams.direct,
    allocator,
    holdings,
    access,
    deadlines,
    lateAttempts,
    waiting,
  });
  const adding = createAdding(core);
  const roots = createRootManager(core, adding, access, deadlines);
  const keeping = createKeeping(core, roots, inSlices);
  const intake = createIntake(core, adding, texts, roots, inSlices, upstreams, deadlines);
  const collecting = createCollecting(core, deletions, intake, inSlices);
  const schedule = startCollectionSchedule(core, collecting, deadlines);
  const hooks = createHookManager(core);
  const auditor = startAuditor(core);
  const verifying = createVerifying(core, items, { intake, upstreams }, deadlines);

  // Every event may have made an allocation possible; looking costs little, and all events of a turn share one look.
  writer.listen(() => allocator.schedule());
  startWakes(core, deadlines, () => allocator.schedule());
  startRemembering(core);
  startRebuilds(core, intake, inSlices);
  startSatisfying(core);
  const canceling = startCanceling(core, allocator, inSlices);
  roots.resume();
  access.resume();
  fleet.resume();
  const stall = core.stalled?.();
  if (stall) intake.setAside(stall);
  intake.resume();
  hooks.resume();
  deletions.resume();
  upstreams.resume();
  verifying.resume();

  /** What came in over a link whose token was revoked before it was looked at counts no more. */
  function requireToken(agent: string): void {
    if (farm.tokens.validOf(agent).size === 0)
      throw new DroverError('token-unknown', `agent ${agent}: its token was revoked`);
  }

  const reading = createReading(core, inSlices, {
    waits: {
      backOff: (id) => deadlines.dueAt(retryOf(id)),
      deferral: (id) => deadlines.dueAt(deferralOf(id)),
      lease: fleet.leases.endsAt,
      coordinator: waiting.find,
    },
    busy: intake.busy,
    promised: intake.promised,
    notQueued: intake.notQueued,
    needSources: deletions.needSources,
    nextCollection: schedule.next,
  });

  const application: Application = {
    ...access,
    ...reading,
    ...fleet,
    ...intake,
    ...uploads,
    async writeUpload(by, id, offset, body) {
      const status = await uploads.writeUpload(by, id, offset, body);
      if (by.agent !== undefined) watch.uploaded(by.agent, status.path);
      return status;
    },
    ...hooks.wishes,
    ...createEarlierBuilds(core),
    addRoot: roots.addRoot,
    removeRoot: roots.removeRoot,
    storeDir: policy.storeDir,
    storeDirs: policy.storeDirs,
    publicKeys: [signer.publicKey],
    readiness() {
      if (writer.failure) return { ready: false, reasons: [writer.failure.message] };
      return { ready: true, reasons: room.warning === undefined ? [] : [room.warning] };
    },
    auditKey: core.auditKey && noteKeyText(core.auditKey),
    checkpoint: auditor.checkpoint,
    settled: () => writer.durable().then(() => 0),
    position: () => writer.position,
    status() {
      const verification = verifying.status();
      return {
        ...figuresOf(farm, waiting.built),
        position: writer.position,
        pendingCommits: writer.pending,
        uploads: { waiting: room.waiting, refused: room.refusals },
        ...(verification && { verification }),
      };
    },
    async settleLog(id, attempt) {
      const state = await useKnown(core, id, ({ build }) => build.state);
      if (isLogOver(state, attempt) || attempt !== state.attempt) await logs.finish(id, attempt);
    },
    ...canceling,
    ...createPrioritizing(core, inSlices),
    async deferBuild(by, id, { until, reason }) {
      const now = core.runtime.clock.now();
      const excess = until === undefined ? undefined : deferralExcess(until, now);
      if (excess !== undefined) throw new DroverError('invalid-request', `until: ${excess}`);
      const wish = { type: 'defer', until: until !== undefined && until > now ? until : undefined, reason } as const;
      await changeBuild(core, id, wish, { actor: by.id }, (refusal) =>
        refusal === 'not-queued'
          ? new DroverError('build-not-queued', `the build ${id} is with an agent: it can be cancelled, not deferred`)
          : undefined,
      );
    },
    servable(hashPart) {
      const item = graph.itemsByHash(hashPart).find(farm.availability.isPresent);
      if (item === undefined) return undefined;
      return farm.availability.isAvailable(item) ? farm.details.get(item) : undefined;
    },
    signed: items.signed,
    upstreams: upstreams.status,
    upstream: upstreams.statusOf,
    checkUpstream: upstreams.check,
    upstreamItem: upstreams.item,
    openUpstream: upstreams.open,
    confirmUpstream: upstreams.confirm,
    lackOf(path) {
      const { availability } = farm;
      const start = graph.itemOf(path);
      if (start === undefined) return path;
      if (availability.isAvailable(start)) return undefined;
      const next = [start];
      const seen = new Set(next);
      for (const item of next) {
        if (!availability.isObtainable(item)) return graph.itemPath(item);
        for (const reference of availability.references(item)) {
          if (seen.has(reference) || availability.isAvailable(reference)) continue;
          seen.add(reference);
          next.push(reference);
        }
      }
      return undefined;
    },
    deleteItems: (by, wish) => deleteItems(core, deletions, inSlices, { actor: by.id }, wish),
    collect: collecting.collect,
    verifyItems: (by, wish) => verifyItems(core, items, { intake, upstreams }, { actor: by.id }, wish),
    async doubtItem(path, how) {
      await items.check(path, { actor: 'coordinator' }, { how });
      const item = graph.itemOf(path);
      if (item !== undefined && farm.upstreams.get(item) !== undefined)
        await upstreams.isServable(path, how === 'all' ? 'all' : 'some');
      await writer.durable();
    },
    async agentMessage(agent, message) {
      try {
        requireToken(agent);
        if (message.type !== 'started') lateAttempts.over(agent, message.build, message.attempt);
        await attempts.report(agent, message);
      } finally {
        // Also where it is refused: that is acknowledged as well, and what it is refused for may only just have been decided.
        await writer.durable();
      }
    },
    async agentOob(agent, oob) {
      requireToken(agent);
      if (oob.type === 'heartbeat') return fleet.heartbeat(agent, oob);
      if (oob.type === 'holds') return fleet.holds(agent, oob);
      await attempts.keepLog(agent, oob);
    },
    agentAnswered: (agent) => fleet.answered(agent),
  };

  return {
    application,
    access,
    farm,
    texts,
    items,
    declareHooks: hooks.declare,
    declareKept: keeping.declare,
    async finish() {
      await hooks.finish();
      await auditor.finish();
    },
    hear: (can) => (can ? fleet.leases.hear() : fleet.leases.deafen()),
    [Symbol.dispose]() {
      verifying[Symbol.dispose]();
      upstreams[Symbol.dispose]();
      schedule.stop();
      deadlines[Symbol.dispose]();
      fleet.leases[Symbol.dispose]();
      allocator[Symbol.dispose]();
      watch[Symbol.dispose]();
      room[Symbol.dispose]();
      hooks[Symbol.dispose]();
      auditor[Symbol.dispose]();
    },
  };
}
