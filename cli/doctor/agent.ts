import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dialCoordinator } from '../../adapters/agent-link/client-socket.ts';
import { folderHolder } from '../../adapters/agent-state/folder-lock.ts';
import { removeTree } from '../../adapters/builder/nix/remove-tree.ts';
import type { StoreAddress } from '../../adapters/builder/nix/store-uri.ts';
import type { CacheRootOf } from '../../adapters/coordinator-client/cache-root.ts';
import { openTokenFile } from '../../adapters/coordinator-client/token-file.ts';
import { createSystemRuntime } from '../../adapters/runtime/system-runtime.ts';
import type { AgentConfig } from '../../agent/config.ts';
import type { Builder } from '../../agent/ports/builder.ts';
import { selfTest } from '../../agent/self-test.ts';
import type { Randomness } from '../../coordinator/ports/runtime.ts';
import {
  cacheUrl,
  isGuix,
  linkUrl,
  openBuilder,
  storeOf,
  substituteCheck,
  systemsOf,
  userName,
} from '../../programs/agent.ts';
import { cacheRootsOf } from '../http/store-dir.ts';
import { printable } from '../output/text.ts';
import { bad, check, type Finding, type Found, failure, good, warning } from './finding.ts';
import { asItsUser, checkFolder, checkRoom, isForeign, type RoomOf, roomOf } from './folders.ts';
import { checkReach, checkStoreDir, clientOf, ownToken, type ReachEdges, reachEdges, type Target } from './reach.ts';

/** The outside of the checks, for tests to stand in for. */
export interface AgentEdges extends ReachEdges {
  readonly room: RoomOf;
  openBuilder(config: AgentConfig, rootOf: CacheRootOf): Builder;
  /** Opens the WebSocket of the agent link and closes it before a word is said, which displaces nobody. */
  tryLink(url: string, token: string): Promise<void>;
  exists(path: string): boolean;
  readonly random: Randomness;
}

export const agentEdges: AgentEdges = {
  ...reachEdges,
  room: roomOf,
  openBuilder,
  tryLink,
  exists: existsSync,
  random: createSystemRuntime().random,
};

/** How long a daemon may take for what takes it a second. */
const patienceMs = 120_000;

/** Everything that an agent with this config needs, in the order in which it would miss it. */
export async function checkAgent(config: AgentConfig, edges: AgentEdges = agentEdges): Promise<readonly Finding[]> {
  const store = storeOf(config);
  const state = await check('state folder', () => checkState(config.state));
  const building = checkBuilder(config, store, edges);
  const [found, builder] = await Promise.all([checkCoordinator(config, edges), building]);
  return [...state, ...found, ...builder, ...(await checkDisks(config, store, edges))];
}

async function checkState(folder: string): Promise<readonly Found[]> {
  const usable = await checkFolder(folder, 'the first start');
  const holder = await folderHolder(folder);
  if (holder === undefined) return [usable];
  return [usable, good(`the agent of process ${holder} runs on it`)];
}

async function checkCoordinator(config: AgentConfig, edges: AgentEdges): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let token: string | undefined;
  const file = await check('token file', async () => {
    try {
      token = (await openTokenFile(config.tokenFile)).current;
      return good(`${config.tokenFile} has one`);
    } catch (error) {
      if (isForeign(error)) return bad((error as Error).message, asItsUser);
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      const todo = `with a token of scope admin: drover agents add NAME --token-file ${config.tokenFile}`;
      return bad((error as Error).message, `${todo}; rotate-token instead of add, where the agent is known`);
    }
  });
  findings.push(...file);
  const target: Target = { url: config.coordinator, token };
  const { findings: reach, reached } = await checkReach('coordinator', target, edges);
  findings.push(...reach);
  if (!reached || token === undefined) return findings;
  const held = token;
  let known = false;
  findings.push(
    ...(await check('token', async () => {
      const own = await ownToken(target).catch((error: unknown) => error);
      if (own instanceof Error)
        return { ...failure(own), todo: `drover agents rotate-token NAME --token-file ${config.tokenFile}` };
      const { name, scope, agent } = own as Awaited<ReturnType<typeof ownToken>>;
      if (agent === undefined)
        return bad(
          `expected the token of an agent, got ${printable(name)} of scope ${scope}`,
          `drover agents add NAME --token-file FILE makes one`,
        );
      known = true;
      return good(`of the agent ${printable(agent)}`);
    })),
  );
  if (!known) return findings;
  findings.push(
    ...(await check('agent link', async () => {
      await edges.tryLink(linkUrl(new URL(config.coordinator)), held);
      return good('WebSockets come through');
    })),
    ...(await check('store directory', () =>
      checkStoreDir(
        target,
        config.storeDir,
        'set store-dir to one that the coordinator has, or use another coordinator',
      ),
    )),
  );
  return findings;
}

/** Of the agent's store directory, without a token, as a guix-daemon sees it. */
function rootOf({ coordinator, storeDir }: AgentConfig): CacheRootOf {
  return async () => {
    const root = (await cacheRootsOf(clientOf({ url: coordinator }))).get(storeDir);
    if (root !== undefined) return root;
    throw new Error(`the coordinator has no cache of ${storeDir} (its setting other-store-dirs)`);
  };
}

async function checkBuilder(given: AgentConfig, store: StoreAddress, edges: AgentEdges): Promise<readonly Finding[]> {
  // A store that is not there yet is the agent's to make, and not that of who looks.
  const isNew = store.kind === 'chroot' && !edges.exists(store.root);
  const trial = isNew ? await mkdtemp(join(tmpdir(), 'drover-doctor-')) : undefined;
  const config = trial === undefined ? given : { ...given, store: `local?root=${trial}` };
  const user = userName();
  const signal = AbortSignal.timeout(patienceMs);
  try {
    await using builder = edges.openBuilder(config, rootOf(config));
    const daemon = await check('builder', async () => {
      const { trusted, details } = await builder.circumstances();
      const name = await builder.describe();
      const trust = store.kind === 'chroot' ? 'a daemon of its own' : trusted === false ? 'does not trust' : 'trusts';
      const told =
        store.kind === 'chroot'
          ? trust
          : isGuix(config)
            ? 'takes what is signed by keys that it trusts'
            : trusted === undefined
              ? `does not say whether it trusts ${user}`
              : `${trust} ${user}`;
      const where = isNew ? `${given.store}, which the agent's start makes` : given.store;
      return good(`${name} on ${where}: ${told}; sandbox: ${details.sandbox ?? 'not said'}`);
    });
    if (daemon.some(({ verdict }) => verdict !== 'ok')) return daemon.map(withDaemonHelp(store, isGuix(config)));
    const findings = [...daemon];
    for (const system of systemsOf(config))
      findings.push(
        ...(await check('trial build', async () => {
          const test = selfTest({ builder, system, sandbox: config.sandbox, user, random: edges.random });
          await test.run(signal);
          return good(
            `${system}: adds, builds${config.sandbox ? ' in a sandbox' : ' (no sandbox is asked for)'}, reads`,
          );
        })),
      );
    if (isGuix(config))
      findings.push(
        ...(await check('substitutes', async () => {
          await substituteCheck(config, rootOf(config)).run(signal);
          return good(`it can fetch from ${await cacheUrl(config, rootOf(config))}, whose key it trusts`);
        })),
      );
    if (!config.sandbox)
      findings.push(
        ...(await check('sandbox', async () =>
          warning('builds may see and change this machine', 'remove "sandbox = false" unless that is meant'),
        )),
      );
    findings.push(...(await check('features', async () => featuresOf(config, edges))));
    if (trial === undefined)
      findings.push(
        ...(await check('store database', async () => {
          await builder.checkStore();
          return good('is as it should be, as far as it can be seen from here');
        })),
      );
    return findings;
  } finally {
    if (trial !== undefined) await removeTree(trial);
  }
}

function withDaemonHelp(store: StoreAddress, isOfGuix: boolean) {
  const todo =
    store.kind === 'chroot'
      ? "install Nix, so that nix-daemon is in the agent's PATH"
      : `start the ${isOfGuix ? 'Guix daemon (systemctl start guix-daemon' : 'Nix daemon (systemctl start nix-daemon.socket'}, where systemd is), or set --store to where it listens; it was looked for at ${store.path}`;
  return (finding: Finding): Finding => (finding.verdict === 'to do' ? { todo, ...finding } : finding);
}

/** What can be said of features without a build that requires them. */
function featuresOf({ features, systems }: AgentConfig, { exists }: AgentEdges): Found {
  const list = features.join(', ') || 'none';
  if (features.includes('kvm') && !exists('/dev/kvm'))
    return bad(
      `${list}: kvm is among them, and there is no /dev/kvm`,
      'load kvm_intel or kvm_amd, or leave the feature out',
    );
  const all = systemsOf({ systems }).join(', ');
  return good(`builds for ${all}; features: ${list}`);
}

async function checkDisks(
  config: AgentConfig,
  store: StoreAddress,
  { room, exists }: AgentEdges,
): Promise<readonly Finding[]> {
  const root = store.kind === 'chroot' ? store.root : '';
  // Since Nix 2.30 the daemon builds there, before in its TMPDIR.
  const newer = join(root || '/', 'nix/var/nix/builds');
  const places = {
    'room for state': config.state,
    'room for the store': join(root || '/', config.storeDir),
    'room for builds': exists(newer) ? newer : tmpdir(),
  };
  const found = Object.entries(places).map(([name, path]) => check(name, () => checkRoom(path, room)));
  return (await Promise.all(found)).flat();
}

async function tryLink(url: string, token: string): Promise<void> {
  const closed = Promise.withResolvers<void>();
  const handlers = { frame: () => {}, asked: () => {}, closed: () => closed.resolve() };
  const socket = await dialCoordinator(url, token, handlers, AbortSignal.timeout(35_000));
  socket.close(1000, 'only looking');
  await closed.promise;
}
