import { statfs } from 'node:fs/promises';
import {
  type Builder,
  type BuilderError,
  type BuilderSession,
  type BuildOutcome,
  type BuildRequest,
  isBuilderError,
  type NarIntake,
  type PathInfo,
} from '../../../agent/ports/builder.ts';
import type { StoreUpkeep } from '../../../agent/ports/store-upkeep.ts';
import { defaultSandboxPaths } from '../../../agent/sandbox-paths.ts';
import { verdictOnLastWords } from '../../../domain/build/verdicts/verdict.ts';
import { openConnection } from '../daemon/connection.ts';
import { createConnectionPool, type Lease } from '../daemon/connection-pool.ts';
import { goneFromDisk } from '../daemon/on-disk.ts';
import { addTempRoot, collectGarbage } from '../daemon/operations.ts';
import { checkStoreDatabase, largestPaths, storeBytes } from '../daemon/store-database.ts';
import { connectDaemon, type Transport } from '../daemon/transport.ts';
import { openBuildFolders } from './build-folders.ts';
import { outcomeOf } from './build-result.ts';
import { allowNewDatabase, databaseOf, restoring } from './database-place.ts';
import { type NixConnection as Connection, nixDialect } from './dialect.ts';
import { allowedEnvironment } from './environment.ts';
import { renderNixConfig } from './nix-config.ts';
import { createOneAtATime, type OneAtATime } from './one-at-a-time.ts';
import {
  addToStoreNar,
  buildDerivation,
  narFromPath,
  queryPathInfo,
  queryValidPaths,
  setOptions,
} from './operations.ts';
import { resolveSandboxPaths } from './sandbox-paths.ts';
import { spawnDaemon } from './spawn-daemon.ts';
import { parseStoreUri } from './store-uri.ts';

export interface NixBuilderOptions {
  /** `auto`, `daemon`, `unix:///path` or `local?root=/dir`. */
  readonly store: string;
  /** Default `/nix/store`. */
  readonly storeDir?: string;
  /** For a chroot store: features that builds may require. */
  readonly features?: readonly string[];
  /** For a chroot store: systems besides the machine's own. */
  readonly extraPlatforms?: readonly string[];
  /** For a chroot store: whether builds run in a sandbox. Default true. */
  readonly sandbox?: boolean;
  /** For a chroot store: variables of our environment that Nix gets besides a few harmless ones; its builders see those that a fixed output asks for. */
  readonly passEnvironment?: readonly string[];
  /** For a chroot store: what the sandbox shows besides the inputs. Default: a shell and its libraries. */
  readonly sandboxPaths?: readonly string[];
  /** For a chroot store: further settings of Nix. */
  readonly extraConfig?: Readonly<Record<string, string>>;
  /** Default `nix-daemon`, found by PATH. */
  readonly program?: string;
  /** Connections for questions, NARs in and out, besides one per attempt. Default 4. */
  readonly connections?: number;
  /** How long a daemon may take to stop a build before everything is killed. Default 10,000. */
  readonly killAfterMs?: number;
}

/** A builder that speaks to a Nix daemon by its worker protocol: one connection per attempt, kept for the next one, and a few for all. */
export function openNixBuilder(options: NixBuilderOptions): Builder & StoreUpkeep & { readonly intake: NarIntake } {
  const storeDir = options.storeDir ?? '/nix/store';
  const { connect, details, removeSandbox } = transportFor(options, storeDir);
  const alone = createOneAtATime();

  async function dial(): Promise<Connection> {
    const connection = await openConnection(await connect(), nixDialect);
    try {
      await setOptions(connection);
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }
  let first: Promise<Connection> | undefined;
  /** The first daemon makes the folders of a store that is new. It does so alone: some versions trip over each other. */
  async function open(): Promise<Connection> {
    if (first !== undefined) {
      const opened = await first.then(
        () => true,
        () => false,
      );
      return opened ? dial() : open();
    }
    first = dial();
    try {
      return await first;
    } catch (error) {
      first = undefined;
      throw error;
    }
  }
  const pool = createConnectionPool(open, { size: options.connections ?? 4 });
  const sessions = createConnectionPool(open, {
    size: Number.POSITIVE_INFINITY,
    maxUses: mostAttempts,
    maxAgeMs: 10 * 60_000,
    maxIdleMs: 30_000,
  });

  const address = parseStoreUri(options.store);
  const root = address.kind === 'socket' ? '' : address.root;
  /** Whether the store as it is seen from here is the daemon's: a socket may lead out of a container, or to a store below another root. */
  let visible = root !== '';
  const findGone = async (paths: readonly string[]): Promise<string[]> =>
    visible ? goneFromDisk(root, storeDir, paths) : [];
  /** Valid, and not on the disk: to be written although the daemon thinks that it has them. */
  const gone = new Set<string>();
  /** Valid, and not as it should be. */
  const distrusted = new Set<string>();

  /** A daemon that restarted has left connections behind that look well: what changes nothing is asked once more. */
  async function ask<Answer>(work: (connection: Connection) => Promise<Answer>): Promise<Answer> {
    try {
      return await pool.use(work);
    } catch (error) {
      if (!isBuilderError(error) || error.code !== 'unavailable') throw error;
      return await pool.use(work);
    }
  }

  /** For an attempt: one that went well before it may have left a connection, whose daemon may be gone since. */
  async function takeSession(): Promise<Lease<Connection>> {
    for (;;) {
      const lease = await sessions.take();
      if (lease.isNew) return lease;
      try {
        // Whatever the daemon says late of an earlier build comes before the answer, and is no log of this one.
        await setOptions(lease.connection);
        return lease;
      } catch {
        lease.spoil();
        await lease[Symbol.asyncDispose]();
      }
    }
  }

  return {
    storeDir,
    describe: () => pool.use(async ({ greeting }) => `nix ${greeting.nixVersion ?? '(version unknown)'}`),

    async circumstances() {
      // A daemon that is connected keeps a database open that may be gone or replaced by now, and answers from it.
      await Promise.all([pool.renew(), sessions.renew()]);
      return ask(async ({ greeting: { nixVersion, trusted } }) => ({
        ...(trusted !== undefined && { trusted }),
        details: {
          nix: nixVersion ?? 'unknown',
          store: options.store,
          trusted: trusted === undefined ? 'not said' : trusted ? 'yes' : 'no',
          ...details,
        },
      }));
    },

    async open(signal) {
      signal.throwIfAborted();
      const lease = await takeSession();
      return createSession({ lease, signal, findGone, alone, removeSandbox });
    },

    async missing(paths, signal) {
      if (paths.length === 0) return [];
      const valid = new Set(await ask((connection) => queryValidPaths(connection, paths, signal)));
      for (const path of distrusted) valid.delete(path);
      for (const path of await findGone([...valid])) {
        valid.delete(path);
        gone.add(path);
      }
      return paths.filter((path) => !valid.has(path));
    },

    intake: {
      by: 'nars',
      async addItem(item, nar, signal) {
        const repair = gone.has(item.path) || distrusted.has(item.path);
        await pool.use((connection) => addToStoreNar(connection, item, nar, signal, repair));
        gone.delete(item.path);
        distrusted.delete(item.path);
        visible ||= (await goneFromDisk(root, storeDir, [item.path])).length === 0;
      },
    },

    distrust(paths) {
      for (const path of paths) distrusted.add(path);
    },

    // Where else the database may be, nobody here knows.
    checkStore: () =>
      visible && storeDir === '/nix/store' ? checkStoreDatabase(databaseOf(root), restoring(root)) : Promise.resolve(),

    tidy: removeSandbox,

    async room(wholeStore) {
      // A store that is new has a folder and a database once a daemon has run.
      if (first === undefined) await pool.use(async () => undefined);
      const { bavail, blocks, bsize } = await statfs(`${root}${storeDir}`);
      const disk = { freeBytes: bavail * bsize, diskBytes: blocks * bsize };
      return wholeStore ? { ...disk, storeBytes: await storeBytes(databaseOf(root)) } : disk;
    },

    async collectGarbage(bytes) {
      // What was added or held through a connection is kept as long as that is open.
      await Promise.all([pool.renew(), sessions.renew()]);
      return pool.use((connection) => collectGarbage(connection, bytes));
    },

    async largest(most) {
      const paths = await largestPaths(databaseOf(root), most);
      // A database that can be read from here may be another store's than the daemon's.
      return paths.length === 0 ? [] : ask((connection) => queryValidPaths(connection, paths));
    },

    pathInfo: (path, signal) => ask((connection) => queryPathInfo(connection, path, signal)),

    async *dump(info: PathInfo, signal: AbortSignal) {
      await using lease = await pool.take();
      yield* narFromPath(lease.connection, info, signal);
    },

    async [Symbol.asyncDispose]() {
      await Promise.all([pool[Symbol.asyncDispose](), sessions[Symbol.asyncDispose]()]);
    },
  };
}

/** Attempts that share a connection, and so a daemon, one after the other: its temporary roots pile up. */
const mostAttempts = 50;

interface SessionParts {
  /** Kept for the next attempt after a success alone. */
  readonly lease: Lease<Connection>;
  /** Of the attempt: one that was stopped, even once it was built, leaves nothing to the next. */
  readonly signal: AbortSignal;
  readonly findGone: (paths: readonly string[]) => Promise<string[]>;
  /** By derivation: what one build has left is removed before the next one begins. */
  readonly alone: OneAtATime;
  readonly removeSandbox: (derivationPath: string) => Promise<void>;
}

/**
 * How often a builder that was killed is run once more, if it had run that long at most. Nix kills a builder as soon as its output is
 * closed, to be sure that it has ended: a program that closes it shortly before it ends, as those of coreutils do, is hit where the machine
 * is busy. Source: `pid.kill()` in buildDone of Nix 2.8 to 2.34.
 */
const mostAgain = 4;
const longestAgainMs = 30_000;

function createSession({ lease, signal: ofAttempt, findGone, alone, removeSandbox }: SessionParts): BuilderSession {
  const { connection } = lease;
  let built = false;

  async function build(request: BuildRequest): Promise<BuildOutcome> {
    const started = process.hrtime.bigint();
    try {
      await setOptions(connection, request);
      const outputs = request.derivation.outputs.map(({ path }) => path);
      const valid = await queryValidPaths(connection, outputs, request.signal);
      const result = await buildDerivation(connection, request, (await findGone(valid)).length > 0);
      return outcomeOf(result, Number((process.hrtime.bigint() - started) / 1_000_000n), request.timeoutSeconds);
    } catch (error) {
      // Resolves when the daemon process is gone, which kills its builder before it goes.
      if (request.signal.aborted || !isRefusal(error)) await connection.close();
      request.signal.throwIfAborted();
      if (isRefusal(error)) {
        const { failure, message, storeDamaged } = error;
        return { status: 'failed', class: failure, message, storeDamaged };
      }
      const verdict = isBuilderError(error) ? verdictOnLastWords(error.message) : undefined;
      if (verdict === undefined) throw error;
      return { status: 'failed', ...verdict };
    }
  }

  return {
    async hold(paths) {
      for (const path of paths) await addTempRoot(connection, path);
    },

    async build(request) {
      const { derivationPath, signal } = request;
      try {
        return await alone(derivationPath, signal, async () => {
          for (let again = 0; ; again++) {
            const began = performance.now();
            const outcome = await build(request).finally(() => removeSandbox(derivationPath));
            built = outcome.status === 'built' && !again;
            const killed = outcome.status === 'failed' && outcome.killed === true;
            if (!killed || again === mostAgain || performance.now() - began > longestAgainMs) return outcome;
            // Or its log would begin anew without a word.
            await request.onLog(
              Buffer.from(`drover: the builder was killed and is run again (${again + 1} of ${mostAgain})\n`),
            );
          }
        });
      } catch (error) {
        if (signal.aborted) return { status: 'canceled' };
        throw error;
      }
    },

    async [Symbol.asyncDispose]() {
      if (!built || ofAttempt.aborted) lease.spoil();
      await lease[Symbol.asyncDispose]();
    },
  };
}

/** The daemon said no, and goes on. */
function isRefusal(error: unknown): error is BuilderError {
  return isBuilderError(error) && (error.code === 'refused' || error.code === 'disk-full');
}

function transportFor(
  options: NixBuilderOptions,
  storeDir: string,
): {
  connect: () => Promise<Transport>;
  details: Record<string, string>;
  removeSandbox: (derivationPath: string) => Promise<void>;
} {
  const address = parseStoreUri(options.store);
  if (address.kind === 'socket') {
    const theirs = "the daemon's own";
    return {
      connect: () => connectDaemon(address.path, 'a Nix daemon'),
      details: { sandbox: theirs, environment: theirs },
      // Its store is not ours to tidy.
      removeSandbox: () => Promise.resolve(),
    };
  }
  const { root } = address;
  const sandbox = options.sandbox ?? true;
  const sandboxPaths = resolveSandboxPaths(options.sandboxPaths ?? defaultSandboxPaths, storeDir);
  const config = renderNixConfig({
    root,
    sandbox,
    sandboxPaths,
    features: options.features ?? [],
    extraPlatforms: options.extraPlatforms ?? [],
    ...(options.extraConfig !== undefined && { extra: options.extraConfig }),
  });
  const passed = allowedEnvironment(process.env, options.passEnvironment);
  const environment = {
    ...passed,
    NIX_CONFIG: config,
    NIX_STORE_DIR: storeDir,
    // The settings above are all: neither the machine's nor a user's come in.
    NIX_CONF_DIR: `${root}/no-configuration`,
    NIX_USER_CONF_FILES: '',
  };
  const program = options.program ?? 'nix-daemon';
  const folders = openBuildFolders(root);
  async function connect(): Promise<Transport> {
    const folder = await folders.make();
    try {
      await allowNewDatabase(root);
      return await spawnDaemon({
        program,
        environment: { ...environment, TMPDIR: folder },
        graceMs: options.killAfterMs ?? 10_000,
        gone: (pid) => folders.remove(folder, pid),
      });
    } catch (error) {
      await folders.remove(folder);
      throw error;
    }
  }
  return {
    connect,
    details: {
      sandbox: String(sandbox),
      ...(sandbox && { sandboxPaths: sandboxPaths.join(' ') }),
      environment: Object.keys(passed).join(' '),
    },
    removeSandbox: folders.removeSandbox,
  };
}
