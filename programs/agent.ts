import { randomBytes } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { arch, availableParallelism, hostname, loadavg, platform, userInfo } from 'node:os';
import type { Logger } from 'pino';
import { openAgentLink } from '../adapters/agent-link/client.ts';
import { openAttemptStore } from '../adapters/agent-state/attempt-store.ts';
import { openGuixBuilder } from '../adapters/builder/guix/guix-builder.ts';
import { parseGuixStore } from '../adapters/builder/guix/store-uri.ts';
import { checkSubstitutes } from '../adapters/builder/guix/trusted-keys.ts';
import { openNixBuilder } from '../adapters/builder/nix/nix-builder.ts';
import { parseStoreUri, type StoreAddress } from '../adapters/builder/nix/store-uri.ts';
import { openCache } from '../adapters/coordinator-client/cache.ts';
import { type CacheRootOf, findCacheRoot } from '../adapters/coordinator-client/cache-root.ts';
import { openDerivationTexts } from '../adapters/coordinator-client/derivation-texts.ts';
import { createHttpClient } from '../adapters/coordinator-client/http-request.ts';
import { openTokenFile, watchTokenFile } from '../adapters/coordinator-client/token-file.ts';
import { openUploads } from '../adapters/coordinator-client/uploads.ts';
import { ensureFolder } from '../adapters/data-dir/data-dir.ts';
import { readPressure } from '../adapters/runtime/pressure.ts';
import { createSystemRuntime } from '../adapters/runtime/system-runtime.ts';
import { createDirectUpstreams } from '../adapters/upstream/direct.ts';
import { startAgent } from '../agent/agent.ts';
import type { AgentConfig } from '../agent/config.ts';
import type { FitnessCheck } from '../agent/fitness.ts';
import { deafLimits, type MachineLoad } from '../agent/load-limit.ts';
import type { Builder } from '../agent/ports/builder.ts';
import type { StoreUpkeep } from '../agent/ports/store-upkeep.ts';
import { sandboxPathsOf } from '../agent/sandbox-paths.ts';
import { selfTest } from '../agent/self-test.ts';
import { guixStoreDir } from '../domain/guix/store-dir.ts';

/** Exit code where the agent's token is not accepted (any more): starting it again helps only with another token. EX_NOPERM of sysexits.h. */
const exitLockedOut = 77;
const lockedOut: ReadonlySet<string> = new Set(['token-unknown', 'agent-retired']);
/** Path of the agent link below the coordinator's address. */
const linkPath = 'v1/agent-link';
const version = '0.1.0';

/**
 * Runs an agent until it leaves: drained, stopped by SIGTERM or SIGINT (a second one leaves at once, with what runs going
 * on from disk at the next start), or refused by the coordinator. Resolves with the exit code. `signal` does what SIGTERM does.
 */
export async function runAgent(config: AgentConfig, logger: Logger, signal?: AbortSignal): Promise<number> {
  // What waits for a coordinator that is away has nothing but a timer.
  const runtime = createSystemRuntime({ keepAlive: true });
  const token = await openTokenFile(config.tokenFile);
  const notice = await ensureFolder(config.state);
  if (notice !== undefined) logger.warn(notice);
  const tokenWatch = watchTokenFile(config.tokenFile, logger);
  const slots = config.slots ?? availableParallelism();
  const address = storeOf(config);
  const folders = [config.state, `${address.kind === 'socket' ? '' : address.root}${config.storeDir}`];
  const systems = systemsOf(config);
  const base = new URL(config.coordinator);
  using http = createHttpClient(base, token);
  const cacheRoot = findCacheRoot(http, config.storeDir);
  await using builder = openBuilder(config, cacheRoot);
  const user = userName();
  const builds = selfTest({
    builder,
    system: systems[0] as string,
    sandbox: config.sandbox,
    user,
    random: runtime.random,
  });
  let builderName = `${isGuix(config) ? 'guix' : 'nix'} (no answer yet)`;
  const builderCheck: FitnessCheck = {
    ...builds,
    async run(checking) {
      // Before it is tried: what it runs with explains what comes of it.
      const { details } = await builder.circumstances();
      const name = await builder.describe();
      if (name !== builderName) logger.info({ ...details, user }, `builds with ${name}`);
      builderName = name;
      await builds.run(checking);
    },
  };
  await using store = await openAttemptStore(config.state, config.compressionLevel);
  for (const setting of deafLimits({ load1: 0, pressure: await readPressure() }, config))
    logger.warn(`${setting} has no effect: this kernel does not say how much is waited for (/proc/pressure)`);
  using upstreams = createDirectUpstreams(runtime, logger);

  await using agent = await startAgent({
    builder,
    store,
    runtime,
    logger,
    slots,
    maxConcurrentFetches: config.maxConcurrentFetches,
    maxConcurrentUploads: config.maxConcurrentUploads,
    uploadPartBytes: config.uploadPartBytes,
    cache: openCache(http, cacheRoot),
    texts: openDerivationTexts(http),
    upstreams,
    uploads: openUploads(http),
    health: async () => {
      await tokenWatch();
      return health(folders);
    },
    loadLimits: config,
    room: { upkeep: builder, limits: config },
    checks: [
      { what: 'state folder', run: () => store.check() },
      builderCheck,
      ...(isGuix(config) ? [substituteCheck(config, cacheRoot)] : []),
      // After that: only then it is known whether the store can be seen from here.
      { what: 'store database', run: () => builder.checkStore() },
    ],
    openLink: (handlers) =>
      openAgentLink(
        {
          url: linkUrl(base),
          token,
          session: randomBytes(12).toString('hex'),
          hello: {
            version,
            // As it is at each connect.
            get builder() {
              return builderName;
            },
            storeDir: config.storeDir,
            place: { host: hostname(), pid: process.pid },
            abilities: {
              systems: [...systems],
              features: config.features,
              mandatoryFeatures: config.mandatoryFeatures,
              slots,
            },
          },
          runtime,
          logger,
        },
        handlers,
      ),
  });
  logger.info({ builder: builderName, slots, systems, user }, 'the agent runs');
  // Now, as one that is killed leaves nothing for its next start.
  flushCompileCache();

  let asked = 0;
  const leave = () => {
    asked++;
    logger.info(asked === 1 ? `leaving: ${config.onShutdown}` : 'leaving at once');
    void agent.stop(asked === 1 ? config.onShutdown : 'leave');
  };
  // SIGHUP too: a closed terminal is no reason to lose what runs.
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, leave);
  signal?.addEventListener('abort', leave, { once: true });
  try {
    const end = await agent.ended;
    logger.info({ reason: end.reason }, 'the agent has left');
    if (end.reason !== 'refused') return 0;
    return lockedOut.has(end.code) ? exitLockedOut : 1;
  } finally {
    for (const name of signals) process.off(name, leave);
    signal?.removeEventListener('abort', leave);
  }
}

/** The systems that the agent builds for, its own first where nothing else is said. */
export function systemsOf({ systems }: Pick<AgentConfig, 'systems'>): readonly string[] {
  return systems ?? [currentSystem()];
}

/** Whether it builds beside a guix-daemon: what is in its store directory no other builds. */
export function isGuix({ storeDir }: Pick<AgentConfig, 'storeDir'>): boolean {
  return storeDir === guixStoreDir;
}

/** Where its store is and how it is reached. */
export function storeOf(config: Pick<AgentConfig, 'store' | 'storeDir'>): StoreAddress {
  return isGuix(config) ? { kind: 'socket', path: parseGuixStore(config.store) } : parseStoreUri(config.store);
}

/** The address of the coordinator's cache, for programs that are told one. */
export async function cacheUrl(config: Pick<AgentConfig, 'coordinator'>, rootOf: CacheRootOf): Promise<string> {
  const { href } = new URL(config.coordinator);
  return `${href.endsWith('/') ? href : `${href}/`}${await rootOf(AbortSignal.timeout(60_000))}`.replace(/\/$/, '');
}

/** Whether the guix-daemon can fetch from the coordinator: without a token, as it has none, and with a key that it takes. */
export function substituteCheck(config: Pick<AgentConfig, 'coordinator'>, rootOf: CacheRootOf): FitnessCheck {
  return { what: 'substitutes', run: async (signal) => checkSubstitutes(await cacheUrl(config, rootOf), signal) };
}

/** What the agent builds with; nothing is asked or started yet. */
export function openBuilder(config: AgentConfig, rootOf: CacheRootOf): Builder & StoreUpkeep {
  if (isGuix(config))
    return openGuixBuilder({
      store: config.store,
      substituteUrls: async () => [await cacheUrl(config, rootOf)],
      jobs: config.maxConcurrentFetches,
      connections: config.maxConcurrentFetches + config.maxConcurrentUploads,
    });
  return openNixBuilder({
    store: config.store,
    storeDir: config.storeDir,
    features: config.features,
    extraPlatforms: systemsOf(config).filter((system) => system !== currentSystem()),
    extraConfig: config.nixConfig,
    connections: config.maxConcurrentFetches + config.maxConcurrentUploads,
    sandbox: config.sandbox,
    passEnvironment: config.passEnvironment,
    sandboxPaths: sandboxPathsOf(config),
  });
}

/** Where the agent opens its link. */
export function linkUrl(base: URL): string {
  const url = new URL(linkPath, base.href.endsWith('/') ? base : `${base.href}/`);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** As Nix names it: `x86_64-linux`. */
function currentSystem(): string {
  const machines: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686', riscv64: 'riscv64' };
  return `${machines[arch()] ?? arch()}-${platform()}`;
}

/** Who a daemon sees us as. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `${process.getuid?.()}`;
  }
}

/** What is free is said of the folder with the least room. */
export async function health(folders: readonly string[]): Promise<MachineLoad & { freeBytes?: number }> {
  const free = async (folder: string) => {
    // A store of its own is not there before its first build; one of a daemon may be out of sight.
    const found = await statfs(folder).catch(() => undefined);
    return found === undefined ? [] : [found.bavail * found.bsize];
  };
  const [bytes, pressure] = await Promise.all([Promise.all(folders.map(free)), readPressure()]);
  const least = Math.min(...bytes.flat());
  return { load1: loadavg()[0] ?? 0, ...(least !== Number.POSITIVE_INFINITY && { freeBytes: least }), pressure };
}
