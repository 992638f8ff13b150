import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { CodecError } from '../../adapters/nar/codec.ts';
import { decompress } from '../../adapters/nar/decompress.ts';
import { createFileStream } from '../../adapters/runtime/file-stream.ts';
import { createLimiter } from '../../agent/limiter.ts';
import { type ClosureLimit, largestClosure, mostFileBytes } from '../../domain/limits.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { CliError } from '../output/cli-error.ts';
import { type CacheItem, readCacheItem } from './cache-item.ts';
import { type Asked, openItemSpool } from './item-spool.ts';
import { atMost, type NarPlace, type NarSource } from './nar-source.ts';
import type { Refusal, Sendable } from './send-items.ts';
import type { TrustedKeys } from './trusted-keys.ts';

export interface ImportOptions {
  readonly storeDir: string;
  /** Whether the store directory is another one than that of which a coordinator takes what does not say which. */
  readonly isOther: boolean;
  /** Keys of which one has to have signed what is not content-addressed; `undefined`: nobody has to. */
  readonly keys: TrustedKeys | undefined;
  readonly signal: AbortSignal;
  readonly onRead: (count: number) => void;
  /** What is read beside what is wanted, as something refers to it; more than any closure has if absent. */
  readonly most?: ClosureLimit;
}

/** Narinfos that are read at a time, and those that are taken from the list for it. */
const parallel = 16;
const perRound = 1000;

/** What a cache has, each after what it refers to, and what of it cannot be taken. */
export interface ReadNarinfos extends Disposable {
  /** Items that can be sent. */
  readonly size: number;
  readonly refused: readonly Refusal[];
  /** Where they are, in order: some bytes for each, as the rest is in a file. */
  readonly order: Uint32Array;
  name(place: number): string;
  item(place: number): Sendable;
}

/**
 * What a cache has of some items (hash parts) and of all that they refer to, and what of it cannot be taken, as what is wanted and not there. What is
 * only referred to and not there is for the pool to have.
 */
export async function readNarinfos(
  source: NarSource,
  hashParts: Iterable<string> | AsyncIterable<string>,
  { storeDir, isOther, keys, signal, onRead, most = largestClosure }: ImportOptions,
): Promise<ReadNarinfos> {
  const spool = openItemSpool();
  const refused: Refusal[] = [];
  const limiter = createLimiter(parallel);
  let bytes = 0;

  async function read({ hashPart, wanted }: Asked): Promise<CacheItem | undefined> {
    try {
      const text = await limiter.run(signal, () => source.narinfo(hashPart, signal));
      if (text === undefined) {
        if (wanted) throw new CliError('narinfo-missing', 'the cache has no narinfo of it');
        return undefined;
      }
      if (!wanted) bytes += text.length;
      const item = readCacheItem(text, storeDir, keys);
      if (!item.base.startsWith(`${hashPart}-`))
        throw new CliError('malformed-narinfo', `expected the narinfo of ${hashPart}, got that of ${item.base}`);
      return item;
    } catch (error) {
      const isItsOwn =
        error instanceof FormatError || (error instanceof CliError && error.code !== 'source-unreachable');
      if (!isItsOwn) throw error;
      refused.push({ item: hashPart, code: error.code, message: error.message });
      return undefined;
    }
  }

  try {
    let some: string[] = [];
    for await (const hashPart of hashParts) {
      if (some.push(hashPart) < perRound) continue;
      spool.want(some);
      some = [];
    }
    spool.want(some);
    for (let round = spool.next(perRound); round.length > 0; round = spool.next(perRound)) {
      const items = await Promise.all(round.map(read));
      spool.together(() => {
        for (const [index, item] of items.entries()) if (item) spool.add(round[index] as Asked, item);
      });
      onRead(spool.size);
      if (spool.referred > most.narinfos || bytes > most.bytes)
        throw new CliError(
          'closure-too-large',
          `expected at most ${most.narinfos} items and ${most.bytes} bytes of narinfos that what is wanted refers to, directly or not, got more`,
        );
    }
    return {
      size: spool.size,
      refused,
      order: spool.referencesFirst(),
      name: spool.name,
      item: (place) => sendable(source, spool.item(place), isOther),
      [Symbol.dispose]: () => spool[Symbol.dispose](),
    };
  } catch (error) {
    spool[Symbol.dispose]();
    throw error;
  }
}

const tooLarge = 'nar-too-large';

/** One item of a cache, as it is sent. @param isOther whether it has to say in which store directory it is */
export function sendable(source: NarSource, item: CacheItem, isOther: boolean): Sendable {
  const { base, storeDir, narHash, narSize, references, deriver, ca, nars } = item;

  async function write(nar: NarPlace, file: string, signal: AbortSignal): Promise<void> {
    const bytes = atMost(await source.open(nar, signal), mostFileBytes(narSize), tooLarge, `the file of ${base}`);
    // What is in zstd goes as it is.
    const isZstd = nar.compression === 'zstd';
    const unpacked = isZstd
      ? bytes
      : atMost(decompress(nar.compression, bytes), narSize, tooLarge, `the NAR of ${base}`);
    const stream = Readable.from(unpacked, { objectMode: false });
    const written = await createFileStream(file);
    if (isZstd) await pipeline(stream, written, { signal });
    else await pipeline(stream, createZstdCompress(), written, { signal });
  }

  return {
    path: base,
    references,
    async pack(file, signal) {
      for (const [index, nar] of nars.entries())
        try {
          await write(nar, file, signal);
          break;
        } catch (error) {
          signal.throwIfAborted();
          const isMissing = error instanceof CliError && error.code === 'nar-missing';
          if (isMissing && index + 1 < nars.length) continue;
          if (error instanceof CodecError) throw new CliError('wrong-compression', error.message, { cause: error });
          throw error;
        }
      const declaration = {
        path: base,
        narHash,
        narSize,
        references: [...new Set(references)].sort(),
        compression: 'zstd',
        ...(deriver !== undefined && { deriver }),
        fileSize: (await stat(file)).size,
        push: { ...(ca !== undefined && { ca }), ...(isOther && { storeDir }) },
      } as const;
      return { declaration, file };
    },
  };
}
