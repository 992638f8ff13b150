import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createAgentLinkServer } from '../adapters/agent-link/server.ts';
import { createCacheSigner } from '../adapters/cache-signer/cache-signer.ts';
import { ensureAuditKey } from '../adapters/data-dir/audit-key.ts';
import { type DataDir, openDataDir } from '../adapters/data-dir/data-dir.ts';
import { DataDirError } from '../adapters/data-dir/data-dir-error.ts';
import { createDiskRoom } from '../adapters/data-dir/disk-room.ts';
import type { GuixKey } from '../adapters/data-dir/guix-key.ts';
import { logIdentity } from '../adapters/data-dir/log-identity.ts';
import { checkLogMark, createLogMarks } from '../adapters/data-dir/log-mark.ts';
import { ensureSecretFile } from '../adapters/data-dir/secret-file.ts';
import { ensureSessionKey } from '../adapters/data-dir/session-key.ts';
import { ensureSigningKey } from '../adapters/data-dir/signing-key.ts';
import { openVerifyPlace } from '../adapters/data-dir/verify-place.ts';
import { openSqliteDerivationStore } from '../adapters/derivation-store/sqlite-derivation-store.ts';
import { createThreadedPages } from '../adapters/event-feed/threaded-pages.ts';
import { openEventStore } from '../adapters/event-store/open.ts';
import { lockForWriting } from '../adapters/event-store/sqlite/lock.ts';
import { parseStoreAddress } from '../adapters/event-store/store-url.ts';
import { createHookTransport } from '../adapters/hooks/transport.ts';
import { cacheInfoText } from '../adapters/http/cache/cache-info.ts';
import { createGuixNarinfos, type GuixCache } from '../adapters/http/cache/guix/narinfos.ts';
import { narinfoText } from '../adapters/http/cache/narinfo.ts';
import { openUpstreamNar } from '../adapters/http/cache/open-upstream-nar.ts';
import type { DashboardOptions } from '../adapters/http/context.ts';
import { readDashboard } from '../adapters/http/dashboard/files.ts';
import { createKnownHosts } from '../adapters/http/dashboard/known-hosts.ts';
import { createTrustedProxies } from '../adapters/http/dashboard/proxies.ts';
import { createSealedSessions } from '../adapters/http/dashboard/sealed-sessions.ts';
import { createLogGrowth } from '../adapters/http/log-growth.ts';
import { createMetrics } from '../adapters/http/metrics/registry.ts';
import { addTraceMetrics } from '../adapters/http/metrics/trace-metrics.ts';
import { createHttpServer } from '../adapters/http/server.ts';
import { createTokenUses } from '../adapters/http/token-uses.ts';
import { openFilesystemLogStore } from '../adapters/log-store/filesystem-log-store.ts';
import { createMoments } from '../adapters/moments/processes.ts';
import { openFilesystemPool } from '../adapters/pool/filesystem/filesystem-pool.ts';
import { openSpool } from '../adapters/pool/filesystem/spool.ts';
import { openStagedNars } from '../adapters/pool/filesystem/staged-nars.ts';
import { connectionsWithin, createOpenFilesWatch, openFilesLimit } from '../adapters/runtime/open-files.ts';
import { createSystemRuntime } from '../adapters/runtime/system-runtime.ts';
import { version } from '../adapters/runtime/version.ts';
import { webFolder } from '../adapters/runtime/web-folder.ts';
import { foldFingerprint } from '../adapters/snapshots/fingerprint.ts';
import { createSnapshotFolder, removeUnfinishedSnapshots } from '../adapters/snapshots/folder.ts';
import { createSnapshotMaker } from '../adapters/snapshots/maker-process.ts';
import type { OtlpTraces } from '../adapters/traces/otlp-traces.ts';
import { traceSettings } from '../adapters/traces/settings.ts';
import { openUpstream } from '../adapters/upstream/open.ts';
import { rememberedByViews } from '../adapters/views/sqlite/remembered.ts';
import { openSqliteViews } from '../adapters/views/sqlite/sqlite-views.ts';
import { readStall, settleStall } from '../adapters/watchdog/stall-file.ts';
import { startWatchdog } from '../adapters/watchdog/watchdog.ts';
import { isSecret, newSecret } from '../coordinator/access.ts';
import type { Application } from '../coordinator/application.ts';
import { type CoordinatorConfig, parseListen, storeDirsOf, timeOfDayMs } from '../coordinator/config.ts';
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Policy, Signer } from '../coordinator/core.ts';
import { declaredHook } from '../coordinator/hooks/settings.ts';
import { createRandomIds, randomId } from '../coordinator/identifiers.ts';
import { type EventStore, EventStoreError } from '../coordinator/ports/event-store.ts';
import type { Runtime } from '../coordinator/ports/runtime.ts';
import type { Views } from '../coordinator/ports/views.ts';
import { proxySettingsOf } from '../coordinator/proxies.ts';
import { superviseCoordinator } from '../coordinator/supervisor.ts';
import { parseNoteSecret } from '../domain/audit/signed-note.ts';
import { guixStoreDir } from '../domain/guix/store-dir.ts';
import { guixCompression } from '../domain/hook/compressions.ts';
import {
  commitShortfall,
  largestUploadsPerToken,
  maxDeclarationBytesPerToken,
  mostFileBytes,
} from '../domain/limits.ts';

export interface RunningCoordinator {
  readonly url: string;
  readonly adminTokenFile: string;
  /** Why the token in that file does not give admin rights; `undefined` where it does. */
  readonly adminTokenTrouble: string | undefined;
  readonly publicKeyFile: string;
  /** As `trusted-public-keys` takes it. */
  readonly publicKey: string;
  /** Where the key is that clients of Guix trust; `undefined` where there is no `/gnu/store`. */
  readonly guixPublicKeyFile: string | undefined;
  /** Resolves if it has to stop for good by itself: another coordinator writes to the log now. */
  readonly deposed: Promise<Error>;
  close(): Promise<void>;
}

const startup = { actor: 'coordinator' } as const;

/** The composition root: a coordinator on its data folder, with everything that makes it real. Rejects with an error for the operator. */
export async function runCoordinator(config: CoordinatorConfig, logger: Logger): Promise<RunningCoordinator> {
  await using resources = new AsyncDisposableStack();
  const dir = await openDataDir(config.data);
  for (const notice of dir.notices) logger.warn(notice);
  const stallFile = dir.file('stalled.json');
  const watchdog = resources.use(
    await startWatchdog({
      seconds: config.watchdogSeconds,
      file: stallFile,
      json: config.logFormat === 'json' || (config.logFormat === 'auto' && process.stderr.isTTY !== true),
      onFailure: (error) => logger.error({ err: error }, 'the watchdog failed; nothing watches the coordinator'),
    }),
  );
  let stall = await readStall(stallFile);
  const runtime = createSystemRuntime();
  const { bytes } = runtime.random;

  const address = parseStoreAddress(config.store);
  const notPacked = (reason: string): void =>
    logger.warn(
      { reason },
      'the older part of the log could not be packed: it takes more of the disk until that is tried again',
    );
  const opening = { dir: dir.path, write: true, as: 'drover coordinator', notPacked };
  const waiting = (what: string): void => logger.warn(`waiting for the event store: ${what}`);
  // The lock of the embedded event store guards the whole folder, so it comes before anything else that writes there.
  const logDir = address.kind === 'sqlite' ? (address.dir ?? dir.path) : undefined;
  if (logDir !== dir.path) resources.use(lockForWriting(dir.path));
  let first: EventStore | undefined = await openEventStore(address, { ...opening, waiting });
  resources.defer(async () => void (await first?.[Symbol.asyncDispose]()));
  const { capabilities } = first;
  const { maxCommitBytes } = capabilities;
  const shortfall = commitShortfall(maxCommitBytes);
  if (shortfall !== undefined) throw new EventStoreError('unavailable', shortfall);
  const derivationLimits = { maxDerivationBytes: config.limits.maxDerivationBytes, maxCommitBytes };
  const openStore = async (): Promise<EventStore> => {
    // Without waiting: it is asked again, as long as it takes.
    const store = first ?? (await openEventStore(address, opening));
    first = undefined;
    return store;
  };

  const { secretKey, publicKey } = await ensureSigningKey(dir, config.keyName, bytes);
  const guix = await guixKeyOf(config, dir, bytes);
  const audit = await ensureAuditKey(dir, config.audit.name, bytes);
  const adminToken = await adminTokenOf(dir.file('admin.token'), bytes);

  const tokenUploadBytes =
    config.limits.tokenUploadBytes ?? largestUploadsPerToken * mostFileBytes(config.limits.maxNarBytes);
  const pool = resources.use(
    await openFilesystemPool({
      dir: dir.pool,
      maxNarSize: config.limits.maxNarBytes,
      maxUploadAgeMs: config.limits.uploadIdleSeconds * 1000,
      perOwner: {
        count: config.limits.tokenUploads,
        fileBytes: tokenUploadBytes,
        declarationBytes: maxDeclarationBytesPerToken,
      },
      memory: {
        total: config.limits.uploadMemoryBytes,
        perOwner: config.limits.tokenUploadMemoryBytes,
      },
      clock: runtime.clock,
      timers: runtime.timers,
      onRemade: (folder) =>
        logger.error(
          `${folder} was gone, with all that was in it, and is made again; 'drover items verify' finds what is missing`,
        ),
      onError: (error) => logger.error({ err: error }, 'an upload that is too old could not be removed'),
    }),
  );
  const stagedNars = resources.use(
    await openStagedNars({
      dir: join(dir.pool, 'staged'),
      maxNarSize: config.limits.maxNarBytes,
      ownerBytes: tokenUploadBytes,
      ownerFiles: config.limits.tokenUploads,
      maxAgeMs: config.limits.uploadIdleSeconds * 1000,
      clock: runtime.clock,
      timers: runtime.timers,
      onError: (error) => logger.error({ err: error }, 'a NAR that no narinfo followed could not be removed'),
    }),
  );
  const spool = resources.use(
    await openSpool({
      dir: dir.file('spool'),
      capacity: config.cacheSpoolBytes,
      timers: runtime.timers,
      onTrouble: (error) =>
        logger.warn({ err: error }, 'NARs that are compressed anew are sent without being kept, and without a length'),
    }),
  );
  const derivations = resources.use(
    await openSqliteDerivationStore({ dir: dir.derivations, storeDirs: storeDirsOf(config), limits: derivationLimits }),
  );
  const onError = (error: unknown): void => logger.error({ err: error }, 'a log could not be compressed');
  const logs = resources.use(await openFilesystemLogStore({ dir: dir.logs, onError }));
  const agentLink = createAgentLinkServer({ runtime, logger, session: randomId(bytes(12)) });
  const tokenUses = createTokenUses();

  // The pool is swept of what the log does not know: on the wrong log, of everything.
  const identity = logIdentity(dir.file('log-id'));

  const marks = resources.use(
    createLogMarks({
      folders: [dir.path, dir.pool],
      onError: (error) => logger.warn({ err: error }, 'how far the log is could not be written down'),
    }),
  );
  /** A log that is another one, or has lost its end, is left alone. */
  async function opened(store: EventStore): Promise<void> {
    await identity.check(store);
    const remembered = [...(await marks.read()), rememberedByViews(dir.path)];
    for (const mark of remembered) if (mark !== undefined) await checkLogMark(store, mark, dir.path);
  }

  /** A store of derivations that was lost, or is older than the log, looks like any other. */
  async function missTexts(texts: Coordinator['texts']): Promise<void> {
    const { lost, first } = await texts.check();
    if (lost === 0) return;
    logger.error(
      { derivation: first, lost },
      `${dir.derivations} lacks texts that unfinished builds need, which wait for them: submit them again, or stop and restore it from the backup`,
    );
  }

  /** A pool that was removed, or is not mounted, looks like a new one; some items are as good as all to see it. */
  async function missFiles({ graph, availability, details }: Coordinator['farm']): Promise<void> {
    const every = Math.ceil(graph.itemRows / 5000);
    let looked = 0;
    const missing: string[] = [];
    for (let item = 0; item < graph.itemRows; item += every) {
      const held = availability.isPresent(item) ? details.get(item) : undefined;
      if (held === undefined) continue;
      looked++;
      if (!(await pool.has(held.file))) missing.push(held.path);
    }
    if (missing.length === 0) return;
    logger.error(
      { items: availability.present, looked, missing: missing.length, first: missing[0] },
      `${dir.pool} lacks files of items that the log has: if it was moved or is not mounted, stop and bring it back; otherwise 'drover items verify' finds all that is missing, and what is needed is built again`,
    );
  }

  await removeUnfinishedSnapshots(dir.file('snapshots'));
  const snapshots = createSnapshotFolder({
    dir: dir.file('snapshots'),
    // Of the program that runs, now: its files may be those of another one later.
    fingerprint: foldFingerprint(),
    unusable: (error, file) =>
      logger.warn({ snapshot: file, reason: error.message }, 'a snapshot cannot be read: it is passed over'),
    ofAnotherProgram: (file) => logger.info({ snapshot: file }, 'a snapshot of another version is passed over'),
  });
  const snapshotMaker = resources.use(
    createSnapshotMaker({
      store: address,
      dir: dir.path,
      snapshots: dir.file('snapshots'),
      everyEvents: config.snapshots.everyEvents,
      logger,
    }),
  );

  let adminTokenTrouble: string | undefined;
  async function started(
    { access, farm, texts, items, application, declareHooks, declareKept }: Coordinator,
    store: EventStore,
  ): Promise<void> {
    // The file comes first: a token that is in the log and nowhere else could never be used.
    access.admit(adminToken, { name: 'admin', scope: 'admin' }, startup);
    const scope = access.authenticate(adminToken)?.scope;
    if (scope !== 'admin') adminTokenTrouble = scope === undefined ? 'is revoked' : `is of scope ${scope} only`;
    await application.settled();
    await declareHooks(config.hook.map(declaredHook));
    await declareKept(config.keep);
    await identity.remember(store);
    await missTexts(texts);
    await missFiles(farm);
    if (stall) await settleStall(stallFile);
    stall = undefined;
    // What an agent has finished counts when it comes back, however long it was away, as long as the build is not finished.
    const isAwaited = (path: string): boolean => {
      const item = farm.graph.itemOf(path);
      let found = false;
      if (item !== undefined)
        farm.graph.eachProducer(item, (drv) => {
          found ||= farm.queue.unfinished(drv) !== undefined;
          return found;
        });
      return found;
    };
    const swept = await pool.sweep(items.holdsFile, isAwaited);
    if (swept.files + swept.uploads > 0) logger.info(swept, 'removed what a stop had left in the pool');
  }

  const traces = await tracesOf(config, dir.file('traces.json'), logger);
  resources.defer(async () => void (await traces?.[Symbol.asyncDispose]()));

  /** Resolves once there is one to ask. */
  const running = Promise.withResolvers<{ readonly application: Application }>();
  const hookTransport = resources.use(
    createHookTransport({
      logger,
      version: version(),
      storeDir: config.storeDir,
      publicUrl: config.publicUrl,
      logs,
      cache: {
        info: cacheInfoText(config.storeDir, config.cachePriority),
        pool: dir.pool,
        folders: logDir === undefined ? [dir.path] : [dir.path, logDir],
        storeDirs: storeDirsOf(config),
        narinfo: async (hashPart, forGuix) =>
          narinfoText((await running.promise).application, pool, hashPart, forGuix ? guixNarinfos : undefined),
        upstreamNar: async (url, signal) => openUpstreamNar((await running.promise).application, url, signal),
        lackOf: async (path) => (await running.promise).application.lackOf(path),
        doubt(path) {
          running.promise
            .then(({ application }) => application.doubtItem(path, 'all'))
            .catch((error) => logger.error({ err: error }, 'could not check a file'));
        },
      },
    }),
  );
  const id = randomId(bytes(12));
  const upstreams = await Promise.all(config.upstream.map((settings) => openUpstream(settings, id)));
  for (const { cache } of upstreams) resources.use(cache);
  const { moments: momentSettings } = config;
  const moments =
    momentSettings.atATime === 0
      ? undefined
      : resources.use(
          createMoments({
            store: address,
            dir: dir.path,
            snapshots: dir.file('snapshots'),
            logs: dir.logs,
            policy: policyOf(config, maxCommitBytes),
            upstreams: config.upstream,
            limits: { body: config.limits.maxBodyBytes, derivations: derivationLimits },
            memoryBytes: momentSettings.memoryBytes,
            diskBytes: momentSettings.diskBytes,
            atATime: momentSettings.atATime,
            idleMs: momentSettings.idleSeconds * 1000,
            logger,
          }),
        );
  const deposed = Promise.withResolvers<Error>();
  const signer = resources.use(createCacheSigner({ secret: secretKey, guixSecret: guix?.secretKey }));
  const guixCache = guix && guixCacheOf(config, guix, signer);
  const guixNarinfos = guixCache && createGuixNarinfos(guixCache);
  let views: Views | undefined;
  const logGrowth = createLogGrowth(runtime.clock);
  const supervisor = resources.use(
    await superviseCoordinator({
      openStore,
      opened,
      seed: Buffer.from(bytes(4)).readInt32LE(),
      snapshots,
      replayed: snapshotMaker.grown,
      stored(mark, events) {
        marks.advance(mark);
        snapshotMaker.grown(events);
        views?.stored(mark.position);
        logGrowth.grown(events);
      },
      started,
      deposed: deposed.resolve,
      policy: policyOf(config, maxCommitBytes),
      runtime,
      links: agentLink.links,
      tokenUses,
      pool,
      derivations,
      logs,
      signer,
      auditKey: parseNoteSecret(audit.secretKey),
      verifyPlace: openVerifyPlace(dir.file('verify.json'), (error) =>
        logger.warn({ err: error }, 'how far the verification of the pool is could not be written down'),
      ),
      hookTransport,
      upstreams,
      traces,
      logger,
      work: watchdog.work,
      stalled: () => stall,
    }),
  );
  running.resolve(supervisor);
  const onFailure = (error: unknown): void => logger.error({ err: error }, 'the views failed and start again');
  views = resources.use(
    await openSqliteViews({
      dir: dir.path,
      feed: logDir === undefined ? { kind: 'port', store: supervisor.store } : { kind: 'sqlite', dir: logDir },
      onFailure,
    }),
  );
  const stored = supervisor.application.position();
  if (stored !== undefined) views.stored(stored);
  agentLink.serve(supervisor.application);
  const openFiles = openFilesLimit();
  const metrics = createMetrics();
  if (traces) addTraceMetrics(metrics, traces);
  const server = await createHttpServer({
    application: supervisor.application,
    views,
    pool,
    stagedNars,
    spool,
    logs,
    eventStore: supervisor.store,
    logGrowth,
    diskRoom: createDiskRoom(dir.pool, logDir, runtime.clock.monotonic),
    openFiles: createOpenFilesWatch(runtime.clock.monotonic),
    ...(logDir !== undefined && { pageSource: createThreadedPages(logDir) }),
    moments,
    itemOfFile: supervisor.itemOfFile,
    itemOf: supervisor.itemOf,
    producersOf: supervisor.producersOf,
    guix: guixCache,
    dashboard: await dashboardOf(config, dir, runtime, logger),
    runtime,
    metrics,
    logger,
    agentLink,
    tokenUses,
    version: version(),
    newId: createRandomIds(bytes, 16),
    limits: {
      body: config.limits.maxBodyBytes,
      tokenRequests: config.limits.tokenRequests,
      ...(openFiles !== undefined && { connections: connectionsWithin(openFiles) }),
      derivations: derivationLimits,
    },
    allowedOrigins: config.http.allowedOrigins,
    cache: {
      id,
      public: config.cachePublic,
      priority: config.cachePriority,
      ttlSeconds: config.cacheTtlSeconds,
      ...(config.cacheAccelLocation !== undefined && { accelLocation: config.cacheAccelLocation }),
    },
  });
  resources.defer(() => server.close());
  const url = await server.listen(parseListen(config.listen));
  supervisor.listening();
  if (capabilities.durabilityNote !== undefined) logger.warn(capabilities.durabilityNote);
  const { durableAck: durable } = capabilities;
  logger.info(
    { url, data: dir.path, store: address.kind, publicKey, auditKey: audit.publicKey, durable },
    'coordinator is up',
  );
  const owned = resources.move();
  return {
    url: config.publicUrl ?? url,
    adminTokenFile: join(dir.path, 'admin.token'),
    adminTokenTrouble,
    publicKeyFile: join(dir.path, 'cache-key.pub'),
    publicKey,
    guixPublicKeyFile: guix && join(dir.path, 'guix-key.pub'),
    deposed: deposed.promise,
    close: () => owned.disposeAsync(),
  };
}

/** Nothing of OpenTelemetry is loaded where there are to be no traces. */
async function tracesOf({ traces }: CoordinatorConfig, file: string, logger: Logger): Promise<OtlpTraces | undefined> {
  const settings = traceSettings(traces, process.env);
  if (settings === undefined) return undefined;
  const { openOtlpTraces } = await import('../adapters/traces/otlp-traces.ts');
  return openOtlpTraces({ ...settings, version: version(), file, logger });
}

/** Nothing of Guix's keys is loaded where there is nothing of Guix. */
async function guixKeyOf(
  config: CoordinatorConfig,
  dir: DataDir,
  random: (length: number) => Uint8Array,
): Promise<GuixKey | undefined> {
  if (!storeDirsOf(config).includes(guixStoreDir)) return undefined;
  const { ensureGuixKey } = await import('../adapters/data-dir/guix-key.ts');
  return ensureGuixKey(dir, random);
}

function guixCacheOf(config: CoordinatorConfig, { publicKey, point }: GuixKey, signer: Signer): GuixCache | undefined {
  const { signForGuix } = signer;
  if (signForGuix === undefined) return undefined;
  const { publicUrl, cacheGuixCompressions, cacheNegativeTtlSeconds: negativeTtlSeconds } = config;
  const host = publicUrl === undefined ? hostname() : new URL(publicUrl).hostname;
  const compressions = cacheGuixCompressions.map(guixCompression);
  return { publicKey, point, host, compressions, negativeTtlSeconds, sign: signForGuix };
}

async function dashboardOf(
  { dashboard, publicUrl }: CoordinatorConfig,
  dir: DataDir,
  { clock, random }: Runtime,
  logger: Logger,
): Promise<DashboardOptions | undefined> {
  if (!dashboard.enabled) return undefined;
  const [key, made] = await Promise.all([ensureSessionKey(dir, random.bytes), readDashboard(webFolder())]);
  // What builds goes on without pages.
  if (made.files === undefined && made.isDamaged) logger.warn(made.problem);
  const proxy = proxySettingsOf(dashboard);
  const host = publicUrl && new URL(publicUrl).hostname;
  return {
    ...made,
    sessions: createSealedSessions({ key, seconds: dashboard.sessionSeconds, clock }),
    public: dashboard.public,
    knownHosts: createKnownHosts([...dashboard.hosts, hostname(), ...(host === undefined ? [] : [host])]),
    proxies: proxy && createTrustedProxies(proxy),
  };
}

async function adminTokenOf(file: string, random: (length: number) => Uint8Array): Promise<string> {
  const token = (await ensureSecretFile(file, () => `${newSecret(random)}\n`)).text.trim();
  if (isSecret(token)) return token;
  throw new DataDirError(
    'unusable-token',
    `${file}: expected a token, drover_<id>_<secret>, got ${token.length} other characters. Restore it from the backup, or remove it: the next start makes another one`,
  );
}

function policyOf(config: CoordinatorConfig, maxCommitBytes: number): Policy {
  const { storeDir, leaseSeconds, heartbeatSeconds, limits, build, retry, quarantine, audit, gc } = config;
  return {
    storeDir,
    storeDirs: storeDirsOf(config),
    leaseSeconds,
    heartbeatSeconds,
    retry: { maxAttempts: build.maxAttempts, builder: retry, infrastructure: retry },
    timeoutSeconds: build.timeoutSeconds,
    maxSilentSeconds: build.maxSilentSeconds,
    maxLogBytes: limits.maxLogBytes,
    maxNarBytes: limits.maxNarBytes,
    rememberedBuilds: limits.rememberedBuilds,
    maxCommitBytes,
    quarantine,
    cacheTtlSeconds: config.cacheTtlSeconds,
    verify: config.verify,
    collection: {
      dailyAtMs: gc.dailyAt === undefined ? undefined : timeOfDayMs(gc.dailyAt),
      olderThanSeconds: gc.olderThanSeconds,
      maxFreed: gc.maxFreedBytes,
      keepFree: gc.keepFreeBytes,
      buildInputs: gc.buildInputs,
      perTurn: 100,
    },
    checkpointSeconds: audit.checkpointSeconds,
    trustHooksOfApi: config.hooks.trustApi,
  };
}
