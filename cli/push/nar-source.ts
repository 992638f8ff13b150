import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { openInFolder, readInFolder } from '../../adapters/upstream/folder-file.ts';
import { openHttpGet } from '../../adapters/upstream/http-get.ts';
import { maxNarinfoBytes } from '../../adapters/upstream/narinfo-text.ts';
import { UpstreamError } from '../../coordinator/ports/upstream.ts';
import { narinfoType } from '../../domain/store/narinfo.ts';
import { CliError } from '../output/cli-error.ts';

/** A binary cache that NARs are taken from. */
export interface NarSource extends Partial<Disposable> {
  /** Hash parts of all that it has; absent where nothing lists them. */
  readonly list?: () => Promise<readonly string[]>;
  /** Text of a narinfo; `undefined` if it has none. */
  narinfo(hashPart: string, signal: AbortSignal): Promise<string | undefined>;
  /** The file at a URL of a narinfo, as it is. Rejects with a {@link CliError} where it is not there. */
  open(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** @param from a folder, `file://` of one, or the address of a cache over HTTP. */
export function openNarSource(from: string): NarSource {
  if (/^https?:\/\//i.test(from)) return overHttp(from.replace(/\/*$/, '/'));
  return inFolder(from.startsWith('file://') ? fileURLToPath(from) : resolve(from));
}

function inFolder(dir: string): NarSource {
  return {
    async list() {
      const names = await readdir(dir).catch((error: Error) => {
        throw new CliError('unreadable', `cannot read the folder ${dir}: ${error.message}`, { exitCode: 2 });
      });
      return names.flatMap((name) => /^([0-9a-z]{32})\.narinfo$/.exec(name)?.[1] ?? []).sort();
    },
    narinfo: (hashPart) =>
      readInFolder(dir, `${hashPart}.narinfo`, maxNarinfoBytes).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw new CliError('unreadable', error.message);
      }),
    async open(url) {
      const file = await openInFolder(dir, url.split('?', 1)[0] as string).catch((error: Error) => {
        throw new CliError('nar-missing', error.message);
      });
      return file.createReadStream();
    },
  };
}

/** Files that are asked for at a time, and how long one may say nothing. */
const connections = 16;
const timeoutMs = 30_000;

function overHttp(url: string): NarSource {
  // Where it leads is the business of whoever named it.
  const http = openHttpGet({ url, timeoutMs, connections, allowPrivate: true });

  /** What the cache fails with, in words of the command. */
  async function told<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
    return work.catch((error: Error) => {
      signal.throwIfAborted();
      if (!(error instanceof UpstreamError)) throw error;
      throw new CliError('source-unreachable', error.message, { mayPass: { untouched: true }, cause: error });
    });
  }

  async function* read(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const each = bytes[Symbol.asyncIterator]();
    try {
      for (let next = await told(each.next(), signal); !next.done; next = await told(each.next(), signal))
        yield next.value;
    } finally {
      await each.return?.();
    }
  }

  return {
    async narinfo(hashPart, signal) {
      const answer = await told(http.get(`${hashPart}.narinfo`, signal, { accept: narinfoType }), signal);
      if (answer === undefined) return undefined;
      const text = await buffer(
        atMost(read(answer, signal), maxNarinfoBytes, 'malformed-narinfo', `${hashPart}.narinfo`),
      );
      return text.toString();
    },
    async open(path, signal) {
      const answer = await told(http.get(path, signal), signal);
      if (answer === undefined) throw new CliError('nar-missing', `${new URL(path, http.base).href} is not there`);
      return read(answer, signal);
    },
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}

/** The bytes; more than so many end with a {@link CliError} of that code. */
export async function* atMost(
  bytes: AsyncIterable<Uint8Array>,
  most: number,
  code: string,
  what: string,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > most) throw new CliError(code, `${what}: expected at most ${most} bytes, got more`);
    yield chunk;
  }
}
