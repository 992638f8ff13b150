import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DroverUnreachable } from '../../client/errors.ts';
import type { Http } from '../../client/http.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { createNarVerifier } from '../../domain/store/nar-verifier.ts';
import type { NarInfo } from '../../domain/store/narinfo.ts';
import { encodeNixBase32 } from '../../domain/store/nix-base32.ts';
import { syncDirectory, withPath } from '../data-dir/durable.ts';
import { createZstdDecoder } from '../pool/filesystem/zstd-decoder.ts';
import { refuseEndless } from './regular-file.ts';

/** Where the bytes are that came so far. */
export const partOf = (file: string): string => `${file}.part`;

/**
 * Brings the NAR of a narinfo to `file`, whole and verified, or not at all: hash and size of the file and of the NAR in it. What a
 * connection that was cut has left is gone on with.
 *
 * @throws FormatError if the bytes are not what the narinfo says
 * @throws DroverProblem, DroverUnreachable as the coordinator answers, or does not
 */
export async function fetchNar(
  http: Http,
  info: NarInfo,
  file: string,
  signal: AbortSignal,
  received: (bytes: number) => void,
): Promise<void> {
  const part = partOf(file);
  await refuseEndless(part);
  const size = info.fileSize as number;
  let check = createCheck(info);
  const have = Math.min((await stat(part).catch(() => undefined))?.size ?? 0, size);
  if (have > 0) for await (const chunk of createReadStream(part, { end: have - 1 })) await check.write(chunk as Buffer);

  const handle = await open(part, appended);
  try {
    await handle.truncate(have);
    if (have < size) {
      const headers = have > 0 ? { range: `bytes=${have}-` } : {};
      const response = await http.request('GET', `/${info.url}`, { headers, signal });
      if (have > 0 && response.status !== 206) {
        // Given out from its start only, as what comes from an upstream is.
        check.close();
        check = createCheck(info);
        await handle.truncate(0);
      }
      for await (const chunk of bodyOf(response)) {
        await check.write(chunk);
        // All of it, or an error: a disk that runs full takes a part first, and says nothing.
        await handle.appendFile(chunk);
        received(chunk.length);
      }
    }
    await check.end();
    const written = (await handle.stat()).size;
    // Another mirror that writes to the same folder, for example.
    if (written !== size) throw wrong('file', `${size} bytes on the disk`, `${written}`);
    await handle.sync();
  } catch (error) {
    // Only what the bytes are is reason to begin again.
    if (error instanceof FormatError || (error as Error).name === 'Refused') await rm(part, { force: true });
    throw withPath(error, part);
  } finally {
    await handle.close();
    check.close();
  }
  await rename(part, file);
  await syncDirectory(dirname(file));
}

/** Made if it is not there; never through a link, which may lead anywhere. */
const appended = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

/**
 * Reads the whole file of a NAR.
 *
 * @throws FormatError if its bytes are not what the narinfo says
 */
export async function verifyNar(info: NarInfo, file: string): Promise<void> {
  const check = createCheck(info);
  try {
    for await (const chunk of createReadStream(file)) await check.write(chunk as Buffer);
    await check.end();
  } catch (error) {
    if ((error as Error).name === 'Refused') throw new FormatError('malformed-nar', (error as Error).message);
    throw error instanceof DroverUnreachable ? wrong('file', `${info.fileSize} bytes`, 'less') : error;
  } finally {
    check.close();
  }
}

/** A body that breaks off is a connection that was lost. */
async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  try {
    yield* response.body ?? [];
  } catch (cause) {
    throw new DroverUnreachable(`the answer broke off: ${(cause as Error).message}`, { cause });
  }
}

function createCheck({ fileHash, fileSize, narHash, narSize, compression }: NarInfo) {
  const digest = createHash('sha256');
  const nar = createNarVerifier({ maxSize: narSize });
  const decoder = compression === 'zstd' ? createZstdDecoder((chunk) => nar.write(chunk), narSize) : undefined;
  let size = 0;
  return {
    async write(chunk: Uint8Array): Promise<void> {
      size += chunk.length;
      if (size > (fileSize as number)) throw wrong('file', `${fileSize} bytes`, 'more');
      digest.update(chunk);
      if (decoder) await decoder.write(chunk);
      else nar.write(chunk);
    },
    async end(): Promise<void> {
      if (size < (fileSize as number))
        throw new DroverUnreachable(`the answer ended after ${size} of ${fileSize} bytes`);
      const hash = `sha256:${encodeNixBase32(digest.digest())}`;
      if (hash !== fileHash) throw wrong('file', fileHash as string, hash);
      await decoder?.end();
      const found = nar.end();
      if (found.narHash !== narHash || found.narSize !== narSize)
        throw wrong('NAR', `${narHash}, ${narSize} bytes`, `${found.narHash}, ${found.narSize} bytes`);
    },
    close: () => decoder?.close(),
  };
}

function wrong(what: string, expected: string, got: string): FormatError {
  return new FormatError('malformed-nar', `expected a ${what} with ${expected}, got ${got}`);
}
