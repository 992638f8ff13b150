import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { openHttpGet } from '../../adapters/upstream/http-get.ts';
import { maxNarinfoBytes } from '../../adapters/upstream/narinfo-text.ts';
import { UpstreamError } from '../../coordinator/ports/upstream.ts';
import { narinfoType } from '../../domain/store/narinfo.ts';
import { CliError } from '../output/cli-error.ts';
import { isGuixPublishCache, openGuixPublishCache } from './guix-publish-cache.ts';
import { openNarHerder } from './nar-herder.ts';
import { listFolder, openFile, readNarinfoFile } from './read-folder.ts';

/** A binary cache that NARs are taken from. */
export interface NarSource extends Partial<Disposable> {
  /** Hash parts of all that it has; absent where nothing lists them. */
  readonly list?: () => AsyncIterable<string>;
  /** Text of a narinfo; `undefined` if it has none. */
  narinfo(hashPart: string, signal: AbortSignal): Promise<string | undefined>;
  /** The file of a NAR, as it is. Rejects with a {@link CliError}, `nar-missing`, where it is not there. */
  open(nar: NarPlace, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Store directory of what it has, where that goes without asking. */
  readonly storeDir?: string;
}

/** Where a narinfo says that a NAR is. */
export interface NarPlace {
  /** Relative to the cache, or another address. */
  readonly url: string;
  readonly compression: string;
}

/**
 * @param from a folder, `file://` of one, or the address of a cache over HTTP.
 * @param narHerder database of a nar-herder whose narinfos are taken; `from` has the files then.
 */
export function openNarSource(from: string, narHerder?: string): NarSource {
  const files = openFiles(from);
  return narHerder === undefined ? files : openNarHerder(narHerder, files);
}

function openFiles(from: string): NarSource {
  if (/^https?:\/\//i.test(from)) return overHttp(from.replace(/\/*$/, '/'));
  const dir = from.startsWith('file://') ? fileURLToPath(from) : resolve(from);
  return isGuixPublishCache(dir) ? openGuixPublishCache(dir) : inFolder(dir);
}

function inFolder(dir: string): NarSource {
  return {
    async *list() {
      for await (const name of listFolder(dir)) {
        const hashPart = /^([0-9a-z]{32})\.narinfo$/.exec(name)?.[1];
        if (hashPart !== undefined) yield hashPart;
      }
    },
    narinfo: (hashPart) => readNarinfoFile(dir, `${hashPart}.narinfo`),
    open: ({ url }) => openFile(dir, url.split('?', 1)[0] as string),
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
    async open({ url: path }, signal) {
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
