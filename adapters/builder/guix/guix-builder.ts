import { lstat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Builder,
  BuilderError,
  type BuilderSession,
  type BuildOutcome,
  type BuildRequest,
  isBuilderError,
  type SubstituteIntake,
} from '../../../agent/ports/builder.ts';
import type { StoreUpkeep } from '../../../agent/ports/store-upkeep.ts';
import type { FailureClass } from '../../../domain/build/failure-class.ts';
import { verdictOnGuix } from '../../../domain/build/verdicts/guix-verdict.ts';
import { guixStoreDir } from '../../../domain/guix/store-dir.ts';
import { openConnection } from '../daemon/connection.ts';
import { createConnectionPool } from '../daemon/connection-pool.ts';
import { goneFromDisk } from '../daemon/on-disk.ts';
import { addIndirectRoot, addTempRoot, collectGarbage } from '../daemon/operations.ts';
import { waitForEnd } from '../daemon/process-tree.ts';
import { checkStoreDatabase, largestPaths, storeBytes } from '../daemon/store-database.ts';
import { connectDaemon } from '../daemon/transport.ts';
import { createDaemonLog, type DaemonWords } from './daemon-log.ts';
import { type GuixConnection, GuixRefusal, guixDialect } from './dialect.ts';
import {
  addTextToStore,
  addToStore,
  buildPaths,
  ensurePath,
  exportPath,
  queryPathInfo,
  queryValidPaths,
  setOptions,
} from './operations.ts';
import { parseGuixStore } from './store-uri.ts';

export interface GuixBuilderOptions {
  /** `auto`, `daemon` or `unix:///path`. */
  readonly store: string;
  /** Default `/gnu/store`. */
  readonly storeDir?: string;
  /** The caches that the daemon fetches from, as it reaches them; asked for each time. */
  readonly substituteUrls: () => Promise<readonly string[]>;
  /** Items that it fetches at a time. Default 4. */
  readonly jobs?: number;
  /** Connections for questions and NARs out, besides one per attempt and per set of substitutes. Default 4. */
  readonly connections?: number;
}

export interface GuixBuilder extends Builder, StoreUpkeep {
  readonly intake: SubstituteIntake;
  /** Makes what a symbolic link leads to a root of the garbage collector, for as long as the link (its full path) is there. */
  addRoot(link: string, signal: AbortSignal): Promise<void>;
}

/** A builder that speaks to guix-daemon by its worker protocol: one connection per attempt and a few for all. */
export function openGuixBuilder(options: GuixBuilderOptions): GuixBuilder {
  const storeDir = options.storeDir ?? guixStoreDir;
  const socket = parseGuixStore(options.store);
  /** In its state folder, where the socket is, too, unless it was put elsewhere. */
  const database = join(dirname(dirname(socket)), 'db/db.sqlite');
  const jobs = options.jobs ?? 4;
  const open = async (): Promise<GuixConnection> =>
    openConnection(await connectDaemon(socket, 'a guix-daemon'), guixDialect);
  const pool = createConnectionPool(open, { size: options.connections ?? 4 });
  /** Besides those of the pool: one for each session and each set of substitutes. */
  const others = new Set<GuixConnection>();
  /** Whether the store as it is seen from here is the daemon's: a socket may lead out of a container. */
  let visible = false;
  const findGone = async (paths: readonly string[]): Promise<string[]> =>
    visible ? goneFromDisk('', storeDir, paths) : [];
  /** Valid, and not on the disk, or not as they should be. */
  const broken = new Set<string>();

  /** A daemon that restarted has left connections behind that look well: what changes nothing is asked once more. */
  async function ask<Answer>(work: (connection: GuixConnection) => Promise<Answer>): Promise<Answer> {
    const judged = () => pool.use(work).catch((error: unknown) => Promise.reject(explained(error)));
    try {
      return await judged();
    } catch (error) {
      if (!isBuilderError(error) || error.code !== 'unavailable') throw error;
      return await judged();
    }
  }

  /** On a connection of its own: what the daemon runs to fetch for one reads the keys that it trusts once. */
  async function substitute(paths: readonly string[], signal: AbortSignal): Promise<void> {
    const connection = await open();
    others.add(connection);
    try {
      await substituteBy(connection, paths, signal);
    } finally {
      await connection.close();
      others.delete(connection);
    }
  }

  async function substituteBy(
    connection: GuixConnection,
    paths: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const words = createDaemonLog();
    const handlers = { onText: words.take };
    try {
      await setOptions(connection, { for: 'substituting', urls: await options.substituteUrls(), jobs });
      // To build is what it does with a derivation that it is told to make valid by the operation below.
      for (const path of paths.filter(isDerivation)) await ensurePath(connection, path, handlers, signal);
      const items = paths.filter((path) => !isDerivation(path));
      const [damaged, lacking] = [true, false].map((is) => items.filter((path) => broken.has(path) === is)) as [
        string[],
        string[],
      ];
      if (lacking.length > 0) await buildPaths(connection, lacking, 'normal', handlers, signal);
      if (damaged.length > 0) await buildPaths(connection, damaged, 'repair', handlers, signal);
    } catch (error) {
      if (!(error instanceof GuixRefusal)) throw error;
      words.end();
      throw notFetched(error, words);
    }
    // What no cache has that the daemon trusts ends as well as what was fetched.
    const valid = new Set(await queryValidPaths(connection, paths, signal));
    const absent = paths.filter((path) => !valid.has(path));
    if (absent.length > 0) {
      words.end();
      const why = 'it found none that is signed by a key that it trusts';
      throw notFetched(new GuixRefusal(1, `${absent.join(' ')}: ${why} (guix archive --authorize)`), words);
    }
    for (const path of paths) broken.delete(path);
  }

  return {
    storeDir,
    // The protocol does not tell the version of Guix.
    describe: () => ask(async ({ greeting }) => `guix (worker protocol 0x${greeting.protocol.toString(16)})`),

    async circumstances() {
      await pool.renew();
      const theirs = "the daemon's own";
      const substitutes = (await options.substituteUrls()).join(' ');
      return ask(async () => ({ details: { store: socket, sandbox: theirs, environment: theirs, substitutes } }));
    },

    async open(signal) {
      signal.throwIfAborted();
      const connection = await open();
      others.add(connection);
      const ended = () => void others.delete(connection);
      const seen = async ([path]: readonly string[]) => {
        visible ||= path !== undefined && (await isThere(path));
      };
      return createSession({ connection, findGone, storeDir, seen, ended });
    },

    async missing(paths, signal) {
      if (paths.length === 0) return [];
      const valid = new Set(await ask((connection) => queryValidPaths(connection, paths, signal)));
      for (const path of await findGone([...valid])) broken.add(path);
      return paths.filter((path) => !valid.has(path) || broken.has(path));
    },

    intake: {
      by: 'substitutes',
      substitute,
      addText: (name, text, references, signal) =>
        ask((connection) => addTextToStore(connection, name, Buffer.from(text).toString('latin1'), references, signal)),
      addSource: (name, nar, signal) => ask((connection) => addToStore(connection, name, nar, signal)),
    },

    addRoot: (link, signal) => ask((connection) => addIndirectRoot(connection, link, signal)),

    distrust(paths) {
      for (const path of paths) broken.add(path);
    },

    checkStore: () =>
      checkStoreDatabase(database, 'restore it from a backup, or dump and load what is readable (sqlite3 .recover)'),

    // Its store is not ours to tidy.
    tidy: () => Promise.resolve(),

    async room(wholeStore) {
      const { bavail, blocks, bsize } = await statfs(storeDir);
      const disk = { freeBytes: bavail * bsize, diskBytes: blocks * bsize };
      return wholeStore ? { ...disk, storeBytes: await storeBytes(database) } : disk;
    },

    async collectGarbage(bytes) {
      // What was added through a connection is kept as long as that is open.
      await pool.renew();
      return ask((connection) => collectGarbage(connection, bytes));
    },

    async largest(most) {
      const paths = await largestPaths(database, most);
      // A database that can be read from here may be another store's than the daemon's.
      return paths.length === 0 ? [] : ask((connection) => queryValidPaths(connection, paths));
    },

    pathInfo: (path, signal) => ask((connection) => queryPathInfo(connection, path, signal)),

    async *dump(info, signal) {
      await using lease = await pool.take();
      try {
        yield* exportPath(lease.connection, info, signal);
      } catch (error) {
        throw explained(error);
      }
    },

    async [Symbol.asyncDispose]() {
      await Promise.all([pool[Symbol.asyncDispose](), ...[...others].map((connection) => connection.close())]);
    },
  };
}

interface SessionParts {
  readonly connection: GuixConnection;
  readonly storeDir: string;
  readonly findGone: (paths: readonly string[]) => Promise<string[]>;
  /** Told of outputs that were built just now. */
  readonly seen: (paths: readonly string[]) => Promise<void>;
  readonly ended: () => void;
}

function createSession({ connection, storeDir, findGone, seen, ended }: SessionParts): BuilderSession {
  async function build(request: BuildRequest): Promise<BuildOutcome> {
    const { derivation, derivationPath, inputs, maxLogBytes } = request;
    // Guix finds that out when the builder is started, and says it in the build's log.
    const { builder } = derivation;
    if (!builder.startsWith('builtin:') && !builder.startsWith(`${storeDir}/`))
      return failed('rejected', `derivation builder \`${builder}' is outside the store`);
    const began = process.hrtime.bigint();
    const over = new AbortController();
    const signal = AbortSignal.any([request.signal, over.signal]);
    let logBytes = 0;
    const log = createDaemonLog((chunk) => {
      logBytes += chunk.length;
      // Not the daemon: only a trusted user may tell it this limit.
      if (logBytes > maxLogBytes) over.abort(new Error('log limit'));
      else return request.onLog(chunk);
    });
    try {
      const needed = [derivationPath, ...inputs];
      const valid = new Set(await queryValidPaths(connection, needed, signal));
      // Or the daemon would build them.
      const lacking = needed.filter((path) => !valid.has(path));
      if (lacking.length > 0) return failed('inputs-missing', `not valid in the store: ${lacking.join(' ')}`);
      await setOptions(connection, { for: 'building', ...request });
      const outputs = derivation.outputs.map(({ path }) => path);
      const gone = await findGone(await queryValidPaths(connection, outputs, signal));
      await buildPaths(
        connection,
        [derivationPath],
        gone.length > 0 ? 'repair' : 'normal',
        { onText: log.take },
        signal,
      );
      await seen(outputs);
      return { status: 'built', durationMs: Number((process.hrtime.bigint() - began) / 1_000_000n) };
    } catch (error) {
      log.end();
      if (signal.aborted || !(error instanceof GuixRefusal)) {
        // The daemon kills what it runs for a connection when that is closed.
        await connection.close();
        await waitForEnd(buildersOf(log));
      }
      request.signal.throwIfAborted();
      if (over.signal.aborted)
        return failed('log-limit', `killed after writing more than ${maxLogBytes} bytes of log output`);
      if (!(error instanceof GuixRefusal)) throw error;
      const verdict = verdictOnGuix({ ...outcomeOf(error, log), timeoutSeconds: request.timeoutSeconds });
      // A download that did not come ends so.
      const isDownload = builder.startsWith('builtin:') && verdict.class === 'output-missing';
      return { status: 'failed', ...verdict, ...(isDownload && { class: 'builder-failed' }) };
    }
  }

  return {
    async hold(paths) {
      for (const path of paths) await addTempRoot(connection, path);
    },

    async build(request) {
      try {
        return await build(request);
      } catch (error) {
        if (request.signal.aborted) return { status: 'canceled' };
        throw error;
      }
    },

    async [Symbol.asyncDispose]() {
      await connection.close();
      ended();
    },
  };
}

const failed = (failure: FailureClass, message: string): BuildOutcome => ({
  status: 'failed',
  class: failure,
  message,
});

const isDerivation = (path: string): boolean => path.endsWith('.drv');

const outcomeOf = ({ status, message }: GuixRefusal, { lines }: DaemonWords) => ({ status, message, lines });

/** Process ids of the builders that the daemon has started. */
function buildersOf({ lines }: DaemonWords): number[] {
  return lines.flatMap((line) => {
    const started = /^@ build-started \S+ - \S+ \S* (\d+)$/.exec(line);
    return started === null ? [] : [Number(started[1])];
  });
}

/** A refusal with whose failure it is. */
function explained(error: unknown): unknown {
  if (!(error instanceof GuixRefusal)) return error;
  const {
    class: failure,
    message,
    storeDamaged = false,
  } = verdictOnGuix({ ...error, message: error.message, lines: [] });
  return new BuilderError(failure === 'disk-full' ? 'disk-full' : 'refused', message, {
    failure,
    storeDamaged,
    cause: error,
  });
}

/** Items did not come. What is not the machine's own failure is the transfer's, whatever the daemon calls it. */
function notFetched(error: GuixRefusal, words: DaemonWords): BuilderError {
  const { class: failure, message, storeDamaged = false } = verdictOnGuix(outcomeOf(error, words));
  const own = failure === 'disk-full' || failure === 'agent-error' ? failure : 'fetch-failed';
  return new BuilderError(own === 'disk-full' ? own : 'refused', `guix-daemon could not fetch: ${message}`, {
    failure: own,
    storeDamaged,
    cause: error,
  });
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
