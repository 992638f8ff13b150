import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openInFolder, readInFolder } from '../../adapters/upstream/folder-file.ts';
import { maxNarinfoBytes } from '../../adapters/upstream/narinfo-text.ts';
import { CliError } from '../output/cli-error.ts';

/** A binary cache that NARs are taken from. */
export interface NarSource {
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

function overHttp(base: string): NarSource {
  async function get(path: string, signal: AbortSignal): Promise<Response | undefined> {
    const url = new URL(path, base);
    const answer = await fetch(url, { signal }).catch((error: Error) => {
      signal.throwIfAborted();
      const why = error.cause instanceof Error ? error.cause.message : error.message;
      throw new CliError('source-unreachable', `${url.href}: ${why}`, { mayPass: { untouched: true } });
    });
    if (answer.ok) return answer;
    await answer.body?.cancel();
    if (answer.status === 404 || answer.status === 403) return undefined;
    throw new CliError('source-unreachable', `${url.href}: expected 200, got ${answer.status}`);
  }
  return {
    narinfo: async (hashPart, signal) => (await get(`${hashPart}.narinfo`, signal))?.text(),
    async open(path, signal) {
      const body = (await get(path, signal))?.body;
      if (!body) throw new CliError('nar-missing', `${new URL(path, base).href} is not there`);
      return body;
    },
  };
}
