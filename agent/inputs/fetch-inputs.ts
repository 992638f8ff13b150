import type { Logger } from 'pino';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import { type ClosureLimit, largestClosure } from '../../domain/limits.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { type NarInfo, renderNarinfo } from '../../domain/store/narinfo.ts';
import { verify } from '../../domain/store/signature.ts';
import { parseStorePath } from '../../domain/store/store-path.ts';
import { createLimiter } from '../limiter.ts';
import {
  type Builder,
  type BuilderSession,
  isBuilderError,
  type NarIntake,
  type NewItem,
  type SubstituteIntake,
} from '../ports/builder.ts';
import type { Cache } from '../ports/cache.ts';
import type { DirectUpstreams } from '../ports/direct-upstreams.ts';
import { isTransferError, mayPass, TransferError } from '../ports/transfer-error.ts';
import { retry } from '../retry.ts';
import type { Waits } from '../waits.ts';
import { referencesFirst } from './references-first.ts';
import { createSharedWork } from './shared-work.ts';
import { verifiedNar } from './verified-nar.ts';

export interface InputFetcherOptions {
  readonly builder: Builder;
  readonly cache: Cache;
  readonly runtime: Runtime;
  /** Keys of which one has to have signed an item, as the coordinator said last. */
  readonly publicKeys: () => readonly string[];
  /** From which items come where their narinfo says so and it goes well; otherwise from the cache. */
  readonly upstreams?: Pick<DirectUpstreams, 'of'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** Transfers at a time, over all attempts. */
  readonly concurrency: number;
  /** Tries per request. Default 10, with pauses of up to 15 s: a coordinator may restart meanwhile. */
  readonly tries?: number;
  /** What is looked at for one build; more than any closure has if absent. */
  readonly most?: ClosureLimit;
}

/**
 * Brings what builds need into the store, from the coordinator's cache, and from upstreams where that says so; or has the store's daemon
 * fetch it, which then checks what the cache has signed.
 */
export interface InputFetcher {
  /**
   * Makes `paths` (full) and their closures valid, and holds them. Resolves with those that neither the store nor the
   * cache has; none of them missing means all is there. Rejects where a transfer failed for good; a coordinator that is away
   * is waited for.
   */
  fetch(
    session: BuilderSession,
    paths: readonly string[],
    signal: AbortSignal,
    waits: Waits,
  ): Promise<{ readonly missing: readonly string[] }>;
  /**
   * Compares what the store has of `paths` (full) and their closures with what the cache says of them. Resolves with what is
   * wrong, for people; it counts as missing from now on, so that the next attempt brings it again. Rejects where it cannot be told.
   */
  audit(paths: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
}

export function createInputFetcher(options: InputFetcherOptions): InputFetcher {
  const { builder, cache, runtime } = options;
  const transfers = createLimiter(options.concurrency);
  const shared = createSharedWork();
  const retrying = { runtime, pause: { first: 500, most: 15_000 }, tries: options.tries ?? 10 };

  /** The paths and all that is found of what they refer to, each once, level by level. Throws where narinfos refer on and on. */
  function createWalk(paths: readonly string[]) {
    const { most = largestClosure } = options;
    const seen = new Set(paths);
    let bytes = 0;
    let next = [...seen];
    return {
      follow(info: NarInfo): void {
        bytes += renderNarinfo(info).length;
        for (const reference of referencesOf(info)) {
          if (seen.has(reference)) continue;
          seen.add(reference);
          next.push(reference);
        }
        if (seen.size <= most.narinfos && bytes <= most.bytes) return;
        throw new TransferError(
          'wrong-narinfo',
          `${info.storePath}: expected a closure of at most ${most.narinfos} narinfos of ${most.bytes} bytes, got one with more`,
          { status: 1 },
        );
      },
      /** What was found since it was asked last. */
      level(): string[] {
        const found = next;
        next = [];
        return found;
      },
    };
  }

  /** What the cache says of each path of the closure that the store lacks. */
  async function discover(session: BuilderSession, paths: readonly string[], signal: AbortSignal, waits: Waits) {
    const found = new Map<string, NarInfo>();
    const missing: string[] = [];
    const walk = createWalk(paths);
    for (let level = walk.level(); level.length > 0; level = walk.level()) {
      // Held before they are looked for: what is valid then stays valid.
      await session.hold(level);
      const lacking = await builder.missing(level, signal);
      await Promise.all(
        lacking.map(async (path) => {
          const away = awayOf(path, waits);
          const info = await retry({ ...retrying, signal, away }, () =>
            transfers.run(signal, () => narinfoOf(path, signal)),
          );
          if (info === undefined) {
            missing.push(path);
            return;
          }
          found.set(path, info);
          walk.follow(info);
        }),
      );
    }
    return { found, missing };
  }

  async function narinfoOf(path: string, signal: AbortSignal): Promise<NarInfo | undefined> {
    const { hash } = parseStorePath(path, builder.storeDir);
    const info = await cache.narinfo(hash, signal);
    if (info === undefined) return undefined;
    if (info.storePath !== path) {
      throw new TransferError('wrong-narinfo', `expected the narinfo of ${path}, got that of ${info.storePath}`, {
        status: 1,
      });
    }
    if (!isSignedBy(info, options.publicKeys()))
      throw new TransferError('bad-signature', `${path}: expected a signature by a key of the cache`, { status: 1 });
    return info;
  }

  /** Everything of `found`, references first. Resolves with what turned out to be missing. */
  async function transferAll(
    intake: NarIntake,
    found: ReadonlyMap<string, NarInfo>,
    signal: AbortSignal,
    waits: Waits,
  ): Promise<readonly string[]> {
    const missing: string[] = [];
    const started = new Map<string, Promise<void>>();
    for (const path of inOrder(found)) {
      const info = found.get(path) as NarInfo;
      const before = referencesOf(info).map((reference) => started.get(reference));
      const task = Promise.all(before).then(async () => {
        if (missing.length > 0) return;
        await shared
          .run(path, signal, (sharedSignal) => transfer(intake, info, sharedSignal, waits))
          .catch((error: unknown) => {
            if (!isTransferError(error) || error.code !== 'nar-missing') throw error;
            missing.push(path);
          });
      });
      // Its failure is that of everything, below.
      task.catch(() => {});
      started.set(path, task);
    }
    await Promise.all(started.values());
    return missing;
  }

  async function transfer(intake: NarIntake, info: NarInfo, signal: AbortSignal, waits: Waits): Promise<void> {
    let isTriedDirectly = false;
    await retry({ ...retrying, signal, worth: worthAgain(info), away: awayOf(info.storePath, waits) }, () =>
      transfers.run(signal, async () => {
        const [lacking] = await builder.missing([info.storePath], signal);
        if (lacking === undefined) return;
        const item = {
          path: info.storePath,
          narHash: info.narHash,
          narSize: info.narSize,
          references: info.references.map((reference) => `${builder.storeDir}/${reference}`),
          signatures: info.signatures,
          ...(info.deriver !== undefined && { deriver: `${builder.storeDir}/${info.deriver}` }),
          ...(info.ca !== undefined && { ca: info.ca }),
        };
        const isFirst = !isTriedDirectly;
        isTriedDirectly = true;
        if (isFirst && (await addDirectly(intake, info, item, signal))) return;
        const nar = await cache.nar(info, signal);
        if (nar === undefined)
          throw new TransferError('nar-missing', `${info.storePath}: the NAR is gone`, { status: 404 });
        await intake.addItem(item, verifiedNar(info, nar), signal);
      }),
    );
  }

  /** Whether it came from the upstream itself. Where it did not, the coordinator has it, or finds out that the upstream has lost it. */
  async function addDirectly(intake: NarIntake, info: NarInfo, item: NewItem, signal: AbortSignal): Promise<boolean> {
    const { elsewhere } = info;
    const upstream = elsewhere && options.upstreams?.of(elsewhere.upstream);
    if (elsewhere === undefined || upstream === undefined || !isSignedBy(info, upstream.publicKeys)) return false;
    try {
      const nar = await upstream.nar({ ...elsewhere, narSize: info.narSize }, signal);
      if (nar === undefined) return false;
      await intake.addItem(item, verifiedNar(info, nar), signal);
      return true;
    } catch (error) {
      if (signal.aborted || isBuilderError(error)) throw error;
      const { message } = error as Error;
      options.logger.warn(
        { item: info.storePath, upstream: elsewhere.upstream },
        `fetched from the coordinator instead: ${message}`,
      );
      return false;
    }
  }

  /** Full paths, without the item itself. */
  function referencesOf(info: NarInfo): string[] {
    return info.references.map((base) => `${builder.storeDir}/${base}`).filter((path) => path !== info.storePath);
  }

  function inOrder(found: ReadonlyMap<string, NarInfo>): string[] {
    return referencesFirst(found, referencesOf, (path, reference) => {
      throw new TransferError('wrong-narinfo', `${path}: refers to itself by ${reference}`, { status: 1 });
    });
  }

  /** The same, by the daemon itself. A coordinator that goes away meanwhile is waited for, and then it is tried again. */
  async function substituteAll(
    intake: SubstituteIntake,
    found: ReadonlyMap<string, NarInfo>,
    signal: AbortSignal,
    waits: Waits,
  ): Promise<void> {
    const paths = [...found.keys()];
    const [first] = paths;
    if (first === undefined) return;
    let failures = 0;
    await retry(
      { ...retrying, tries: substituteTries, signal, worth: mayPassByItself, away: awayOf(first, waits) },
      () =>
        transfers.run(signal, async () => {
          if (failures > 0) await narinfoOf(first, signal);
          failures++;
          const lacking = await builder.missing(paths, signal);
          if (lacking.length > 0) await intake.substitute(lacking, signal);
        }),
    );
  }

  /** What is wrong with the path in the store, by its narinfo; `undefined`: nothing. */
  async function faultOf(info: NarInfo, signal: AbortSignal): Promise<string | undefined> {
    const { storePath } = info;
    const [lacking] = await builder.missing([storePath], signal);
    const known = lacking === undefined ? await builder.pathInfo(storePath, signal) : undefined;
    if (known === undefined) return `${storePath}: expected it to be there, got nothing`;
    const base = (path: string): string => path.slice(builder.storeDir.length + 1);
    const [wanted, got] = [info.references.toSorted(), known.references.map(base).sort()];
    if (wanted.join() !== got.join())
      return `${storePath}: expected references ${wanted.join(' ') || '(none)'}, got ${got.join(' ') || '(none)'}`;
    if (known.narHash !== info.narHash) return `${storePath}: expected ${info.narHash}, got ${known.narHash}`;
    return undefined;
  }

  async function audit(paths: readonly string[], signal: AbortSignal): Promise<string[]> {
    const faults: string[] = [];
    const walk = createWalk(paths);
    for (let level = walk.level(); level.length > 0; level = walk.level()) {
      const look = async (path: string): Promise<void> => {
        const info = await transfers.run(signal, () => narinfoOf(path, signal));
        // No longer in the cache: nothing to compare it with.
        if (info === undefined) return;
        const fault = await faultOf(info, signal);
        if (fault !== undefined) {
          faults.push(fault);
          builder.distrust([path]);
        }
        walk.follow(info);
      };
      await Promise.all(level.map(look));
    }
    return faults.sort();
  }

  return {
    audit,
    async fetch(session, paths, signal, waits) {
      const { found, missing } = await discover(session, paths, signal, waits);
      if (missing.length > 0) return { missing: missing.sort() };
      const { intake } = builder;
      if (intake.by === 'nars') return { missing: await transferAll(intake, found, signal, waits) };
      await substituteAll(intake, found, signal, waits);
      return { missing: [] };
    },
  };
}

function isSignedBy(info: NarInfo, publicKeys: readonly string[]): boolean {
  const signed = fingerprint(info);
  return publicKeys.some((key) => info.signatures.some((signature) => verify(key, signed, signature)));
}

function awayOf(path: string, waits: Waits): (reason: string | undefined) => void {
  return (reason) => (reason === undefined ? waits.over(path) : waits.begin(path, 'inputs', reason));
}

/** How often a daemon is asked to fetch what it does not get: what it says then is for an operator. */
const substituteTries = 3;

/** Whether a daemon that fetches may be luckier a little later. */
function mayPassByItself(error: unknown): boolean {
  return (
    mayPass(error) || (isBuilderError(error) && (error.code === 'unavailable' || error.failure === 'fetch-failed'))
  );
}

/** How often a NAR is fetched whose bytes are wrong: the network may have done it once or twice, then it is the cache. */
const damagedTries = 3;

/** Which failures of a transfer are worth another try; the last of wrong bytes says whose they were. */
function worthAgain({ storePath }: NarInfo): (error: unknown) => boolean {
  let damaged = 0;
  return (error) => {
    if (!isDamage(error)) return mayPass(error) || (isBuilderError(error) && error.code === 'unavailable');
    if (++damaged < damagedTries) return true;
    throw new TransferError('wrong-nar', (error as Error).message, { status: 1, damaged: storePath }, { cause: error });
  };
}

/** Other bytes than the narinfo says, or none that are a NAR. */
function isDamage(error: unknown): boolean {
  if (isTransferError(error)) return error.code === 'wrong-nar';
  return error instanceof Error && error.name === 'FormatError';
}
