import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { CodecError } from '../../adapters/nar/codec.ts';
import { decompress } from '../../adapters/nar/decompress.ts';
import { createLimiter } from '../../agent/limiter.ts';
import { type ClosureLimit, largestClosure, mostFileBytes } from '../../domain/limits.ts';
import { parseCa, verifyContentAddress } from '../../domain/store/content-address.ts';
import { fingerprint } from '../../domain/store/fingerprint.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { type NarInfo, parseNarinfo } from '../../domain/store/narinfo.ts';
import { verify } from '../../domain/store/signature.ts';
import { CliError } from '../output/cli-error.ts';
import { atMost, type NarSource } from './nar-source.ts';
import { referencesFirst } from './references-first.ts';
import type { Refusal, Sendable } from './send-items.ts';

export interface ImportOptions {
  readonly storeDir: string;
  /** Keys of which one has to have signed what is not content-addressed; `undefined`: nobody has to. */
  readonly keys: readonly string[] | undefined;
  readonly signal: AbortSignal;
  readonly onRead: (count: number) => void;
  /** What is read beside what is wanted, as something refers to it; more than any closure has if absent. */
  readonly most?: ClosureLimit;
}

/** Narinfos that are read at a time. */
const parallel = 16;

/**
 * What a cache has of some items (hash parts) and of all that they refer to, each after what it refers to, and what of it cannot be taken, as what
 * is wanted and not there. What is only referred to and not there is for the pool to have.
 */
export async function readNarinfos(
  source: NarSource,
  hashParts: readonly string[],
  { storeDir, keys, signal, onRead, most = largestClosure }: ImportOptions,
): Promise<{ readonly items: readonly Sendable[]; readonly refused: readonly Refusal[] }> {
  const found = new Map<string, NarInfo>();
  const refused: Refusal[] = [];
  const limiter = createLimiter(parallel);
  const wanted = new Set(hashParts);
  const seen = new Set(hashParts);
  let bytes = 0;

  async function read(hashPart: string): Promise<readonly string[]> {
    try {
      const text = await limiter.run(signal, () => source.narinfo(hashPart, signal));
      if (text === undefined) {
        if (wanted.has(hashPart)) throw new CliError('narinfo-missing', 'the cache has no narinfo of it');
        return [];
      }
      if (!wanted.has(hashPart)) bytes += text.length;
      const info = parseNarinfo(text);
      const base = info.storePath.slice(info.storePath.lastIndexOf('/') + 1);
      if (info.storePath !== `${storeDir}/${base}`)
        throw new CliError('wrong-store-dir', `expected a path in ${storeDir}, got ${info.storePath}`);
      if (!base.startsWith(`${hashPart}-`))
        throw new CliError('malformed-narinfo', `expected the narinfo of ${hashPart}, got that of ${base}`);
      requireTrust(info);
      found.set(base, info);
      onRead(found.size);
      return info.references.map((reference) => reference.slice(0, 32));
    } catch (error) {
      const isItsOwn =
        error instanceof FormatError || (error instanceof CliError && error.code !== 'source-unreachable');
      if (!isItsOwn) throw error;
      refused.push({ item: hashPart, code: error.code, message: error.message });
      return [];
    }
  }

  /** The pool holds a content address against the content; a signature only says whom the rest is believed. */
  function requireTrust(info: NarInfo): void {
    if (keys === undefined) return;
    const references = info.references.map((reference) => `${storeDir}/${reference}`);
    const addressed =
      info.ca !== undefined &&
      !references.includes(info.storePath) &&
      verifyContentAddress({ path: info.storePath, references }, parseCa(info.ca), storeDir);
    const text = fingerprint(info);
    if (addressed || keys.some((key) => info.signatures.some((signature) => verify(key, text, signature)))) return;
    const by = info.signatures.map((signature) => signature.split(':', 1)[0]).join(', ') || 'nobody';
    throw new CliError('bad-signature', `${info.storePath}: expected a signature by a key that is trusted, got ${by}`);
  }

  for (let level = [...seen]; level.length > 0; ) {
    const references = (await Promise.all(level.map(read))).flat();
    level = [];
    for (const reference of references) {
      if (seen.has(reference)) continue;
      seen.add(reference);
      level.push(reference);
    }
    if (seen.size - wanted.size > most.narinfos || bytes > most.bytes)
      throw new CliError(
        'closure-too-large',
        `expected at most ${most.narinfos} items and ${most.bytes} bytes of narinfos that what is wanted refers to, directly or not, got more`,
      );
  }
  const order = referencesFirst(found, ({ references }) => references);
  return { items: order.map((info) => sendable(source, info)), refused };
}

const tooLarge = 'nar-too-large';

/** One item of a cache, as it is sent. */
export function sendable(source: NarSource, info: NarInfo): Sendable {
  const { url, compression, narHash, narSize, references, deriver, ca } = info;
  const path = info.storePath.slice(info.storePath.lastIndexOf('/') + 1);
  return {
    path,
    references,
    async pack(file, signal) {
      try {
        const bytes = atMost(await source.open(url, signal), mostFileBytes(narSize), tooLarge, `the file of ${path}`);
        // What is in zstd goes as it is.
        const isZstd = compression === 'zstd';
        const unpacked = isZstd
          ? bytes
          : atMost(decompress(compression, bytes), narSize, tooLarge, `the NAR of ${path}`);
        const nar = Readable.from(unpacked, { objectMode: false });
        if (isZstd) await pipeline(nar, createWriteStream(file), { signal });
        else await pipeline(nar, createZstdCompress(), createWriteStream(file), { signal });
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof CodecError) throw new CliError('wrong-compression', error.message, { cause: error });
        throw error;
      }
      const declaration = {
        path,
        narHash,
        narSize,
        references: [...new Set(references)].sort(),
        compression: 'zstd',
        ...(deriver !== undefined && { deriver }),
        fileSize: (await stat(file)).size,
        push: { ...(ca !== undefined && { ca }) },
      } as const;
      return { declaration, file };
    },
  };
}
