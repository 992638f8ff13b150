import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { DroverError } from '../../../coordinator/errors.ts';
import type { Clock, Timers } from '../../../coordinator/ports/runtime.ts';
import { mostFileBytes } from '../../../domain/limits.ts';
import { encodeNixBase32 } from '../../../domain/store/nix-base32.ts';
import { roomBesideLog } from '../../data-dir/free-space.ts';
import { CodecError } from '../../nar/codec.ts';
import { decompress } from '../../nar/decompress.ts';
import { createFileStream } from '../../runtime/file-stream.ts';
import { createLimit } from '../../runtime/limit.ts';
import { isDiskFull, isDiskTrouble, isMissing } from './system-error.ts';

export interface StagedNarsOptions {
  /** Folder of the files; made where it is missing. Nobody else writes there. */
  readonly dir: string;
  readonly maxNarSize: number;
  /** What the files of one owner may have, in bytes. */
  readonly ownerBytes: number;
  /** How many files of one owner there may be, those that come included: empty ones take room as well. */
  readonly ownerFiles: number;
  /** A file that nobody has come back for so long is removed. */
  readonly maxAgeMs: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly timers: Timers;
  readonly onError: (error: unknown) => void;
}

/**
 * NARs as `nix copy` sends them: before the narinfo that says what they are. Nothing of them is served, nobody but who sent one can use it,
 * and one that no narinfo follows is removed. They are not synced: what a power cut spoils is refused with its narinfo, and sent again.
 */
export interface StagedNars extends Disposable {
  /** Takes the file whole, or nothing of it. Rejects with a {@link DroverError}. @param size what the sender says that will come, if it does. */
  put(owner: string, name: string, body: AsyncIterable<Uint8Array>, size?: number): Promise<void>;
  /** Size in bytes; `undefined` if it is not there. */
  size(owner: string, name: string): Promise<number | undefined>;
  /** The file as the pool takes it; one that is compressed otherwise is compressed anew meanwhile. Rejects with a {@link DroverError}. */
  ready(owner: string, name: string, compression: string, narSize: number): Promise<ReadyNar | undefined>;
  remove(owner: string, name: string): Promise<void>;
}

export interface ReadyNar extends AsyncDisposable {
  readonly compression: 'none' | 'zstd';
  readonly fileSize: number;
  /** Whether it was sent under the hash of its bytes: under any other name nobody is to find it. */
  readonly isNamedRight: boolean;
  read(offset: number): AsyncIterable<Uint8Array>;
}

/** Of those that are compressed anew: a processor's worth each. */
const mostAtOnce = 2;
/** How often the folder is looked through at most, in milliseconds. */
const leastWaitMs = 1000;

const goes = 'they are removed when their narinfos come, or when they are left lying (limits.upload-idle-seconds)';

interface Staged {
  readonly size: number;
  readonly isNamedRight: boolean;
  touchedAt: number;
}

export async function openStagedNars(options: StagedNarsOptions): Promise<StagedNars> {
  const { dir, maxNarSize, ownerBytes, ownerFiles, maxAgeMs, clock, timers, onError } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  /** By owner, then by name. */
  const held = new Map<string, Map<string, Staged>>();
  /** Bytes that are coming in, by owner. */
  const coming = new Map<string, number>();
  /** Files that are. */
  const arriving = new Map<string, number>();
  const limited = createLimit(mostAtOnce);
  let parts = 0;
  let armed: Disposable | undefined;

  await load();
  arm();

  /** What a stop has cut is of no use. */
  async function load(): Promise<void> {
    for (const owner of await readdir(dir))
      for (const name of await readdir(join(dir, owner)).catch(() => [])) {
        const path = join(dir, owner, name);
        const found = await stat(path).catch(() => undefined);
        if (found?.isFile() && !name.startsWith('.')) hold(owner, name, found.size, false);
        else await rm(path, { recursive: true, force: true });
      }
  }

  function hold(owner: string, name: string, size: number, isNamedRight: boolean): void {
    const own = held.get(owner) ?? new Map<string, Staged>();
    held.set(owner, own.set(name, { size, isNamedRight, touchedAt: clock.monotonic() }));
  }

  function arm(): void {
    if (armed !== undefined) return;
    let oldest = Number.POSITIVE_INFINITY;
    for (const own of held.values()) for (const { touchedAt } of own.values()) oldest = Math.min(oldest, touchedAt);
    if (oldest === Number.POSITIVE_INFINITY) return;
    armed = timers.after(Math.max(leastWaitMs, oldest + maxAgeMs - clock.monotonic()), () => {
      expire()
        .catch(onError)
        .finally(() => {
          armed = undefined;
          arm();
        });
    });
  }

  async function expire(): Promise<void> {
    const before = clock.monotonic() - maxAgeMs;
    for (const [owner, own] of [...held])
      for (const [name, { touchedAt }] of [...own]) if (touchedAt <= before) await remove(owner, name);
  }

  async function remove(owner: string, name: string): Promise<void> {
    const own = held.get(owner);
    own?.delete(name);
    if (own?.size === 0) held.delete(owner);
    await rm(join(dir, owner, name), { force: true });
  }

  function bytesOf(owner: string): number {
    let sum = coming.get(owner) ?? 0;
    for (const { size } of held.get(owner)?.values() ?? []) sum += size;
    return sum;
  }

  function requirePlace(owner: string, name: string): void {
    const own = held.get(owner);
    if (own?.has(name) || (own?.size ?? 0) + (arriving.get(owner) ?? 0) < ownerFiles) return;
    throw new DroverError(
      'too-many-uploads',
      `expected at most ${ownerFiles} NARs of one token that no narinfo has followed yet (setting limits.token-uploads), got more; ${goes}`,
    );
  }

  /** Counts bytes that come, before they are written. */
  function take(owner: string, bytes: number): void {
    if (bytesOf(owner) + bytes > ownerBytes)
      throw new DroverError(
        'too-many-uploads',
        `expected NARs of one token that no narinfo has followed yet of at most ${ownerBytes} bytes (setting limits.token-upload-bytes), got more; ${goes}`,
      );
    coming.set(owner, (coming.get(owner) ?? 0) + bytes);
  }

  function give(owner: string, bytes: number): void {
    const left = (coming.get(owner) ?? 0) - bytes;
    if (left > 0) coming.set(owner, left);
    else coming.delete(owner);
  }

  async function refuseLackOfRoom(bytes: number): Promise<void> {
    const free = await roomBesideLog(dir);
    if (free !== undefined && bytes > free)
      throw new DroverError('disk-full', `expected room for ${bytes} bytes, but ${free} are free`);
  }

  /** A new file beside the others that none of them can be taken for. */
  async function partFor(owner: string): Promise<string> {
    const folder = join(dir, owner);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return join(folder, `.part-${parts++}`);
  }

  async function put(owner: string, name: string, body: AsyncIterable<Uint8Array>, size?: number): Promise<void> {
    const most = mostFileBytes(maxNarSize);
    const tooLarge = (got: string): DroverError =>
      new DroverError(
        'too-large',
        `expected a NAR of at most ${most} bytes (setting limits.max-nar-bytes), got ${got}`,
      );
    if (size !== undefined && size > most) throw tooLarge(`one of ${size}`);
    requirePlace(owner, name);
    let counted = size ?? 0;
    take(owner, counted);
    arriving.set(owner, (arriving.get(owner) ?? 0) + 1);
    try {
      await refuseLackOfRoom(counted);
      const part = await partFor(owner);
      let taken = 0;
      const hash = createHash('sha256');
      try {
        await pipeline(
          async function* () {
            for await (const chunk of body) {
              taken += chunk.length;
              if (taken > most) throw tooLarge('more');
              if (taken > counted) {
                take(owner, taken - counted);
                counted = taken;
              }
              hash.update(chunk);
              yield chunk;
            }
          },
          await createFileStream(part),
        );
        if (size !== undefined && taken !== size)
          throw new DroverError('invalid-request', `expected ${size} bytes, got ${taken}`);
        await rename(part, join(dir, owner, name));
      } catch (error) {
        await rm(part, { force: true }).catch(() => undefined);
        throw error;
      }
      hold(owner, name, taken, name.startsWith(`${encodeNixBase32(hash.digest())}.`));
      arm();
    } catch (error) {
      throw told(error);
    } finally {
      give(owner, counted);
      const left = (arriving.get(owner) ?? 0) - 1;
      if (left > 0) arriving.set(owner, left);
      else arriving.delete(owner);
    }
  }

  async function recompressed(
    owner: string,
    path: string,
    compression: string,
    narSize: number,
    isNamedRight: boolean,
  ): Promise<ReadyNar> {
    await refuseLackOfRoom(narSize);
    const part = await partFor(owner);
    let left = narSize;
    const bounded = new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        left -= chunk.length;
        const excess = new DroverError('wrong-nar-size', `expected a NAR of ${narSize} bytes as declared, got more`);
        done(left < 0 ? excess : null, chunk);
      },
    });
    try {
      const written = await createFileStream(part);
      const nar = decompress(compression, createReadStream(path));
      await pipeline(Readable.from(nar, { objectMode: false }), bounded, createZstdCompress(), written);
      return plainFile(part, 'zstd', (await stat(part)).size, isNamedRight, () => rm(part, { force: true }));
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      throw told(error);
    }
  }

  return {
    put,
    remove,
    async size(owner, name) {
      const staged = held.get(owner)?.get(name);
      if (staged !== undefined) staged.touchedAt = clock.monotonic();
      return staged?.size;
    },
    async ready(owner, name, compression, narSize) {
      const staged = held.get(owner)?.get(name);
      if (staged === undefined) return undefined;
      staged.touchedAt = clock.monotonic();
      const path = join(dir, owner, name);
      const found = await stat(path).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
      if (found === undefined) {
        await remove(owner, name);
        return undefined;
      }
      if (compression === 'none' || compression === 'zstd')
        return plainFile(path, compression, found.size, staged.isNamedRight, async () => undefined);
      if (narSize > maxNarSize)
        throw new DroverError(
          'too-large',
          `NarSize: expected at most ${maxNarSize} (setting limits.max-nar-bytes), got ${narSize}`,
        );
      return limited(() => recompressed(owner, path, compression, narSize, staged.isNamedRight));
    },
    [Symbol.dispose]() {
      armed?.[Symbol.dispose]();
      // Not armed again.
      armed = { [Symbol.dispose]() {} };
    },
  };
}

function plainFile(
  path: string,
  compression: ReadyNar['compression'],
  fileSize: number,
  isNamedRight: boolean,
  dispose: () => Promise<void>,
): ReadyNar {
  return {
    compression,
    fileSize,
    isNamedRight,
    read: (offset) => createReadStream(path, { start: offset }),
    [Symbol.asyncDispose]: dispose,
  };
}

function told(error: unknown): unknown {
  if (error instanceof CodecError) return new DroverError('wrong-compression', error.message);
  if (isDiskFull(error)) return new DroverError('disk-full', 'expected room for the NAR, but the disk is full');
  if (isDiskTrouble(error)) return new DroverError('pool-unavailable', (error as Error).message);
  return error;
}
