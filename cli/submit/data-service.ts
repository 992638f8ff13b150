import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { CodecError } from '../../adapters/nar/codec.ts';
import { decompress } from '../../adapters/nar/decompress.ts';
import { openHttpGet } from '../../adapters/upstream/http-get.ts';
import { createLimiter } from '../../agent/limiter.ts';
import { UpstreamError } from '../../coordinator/ports/upstream.ts';
import { mostDerivationBytes } from '../../domain/limits.ts';
import { parseDerivation } from '../../domain/store/derivation.ts';
import { excerpt, FormatError } from '../../domain/store/format-error.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import { readCacheItem } from '../push/cache-item.ts';
import { sendable } from '../push/import-nars.ts';
import { atMost, type NarPlace, type NarSource, openNarSource } from '../push/nar-source.ts';
import { type DerivationSource, openDerivationSource } from './derivation-source.ts';
import { fileInNar } from './nar-file.ts';
import { missingDerivations } from './upload-derivations.ts';
import { refuseFolder } from './upload-sources.ts';

/** All packages of Guix on seven systems are 20 MB. */
const longestList = 256 * 1024 * 1024;
/** It asks its database first, which takes a while for all packages of a revision. */
const timeoutMs = 300_000;
const parallel = 16;

interface Listed {
  readonly derivation: string;
  readonly target?: string;
}

/**
 * Store paths of the derivations of all packages of a revision that a Guix Data Service has processed, those that are cross-compiled left out.
 *
 * Source: Guix Data Service, `web/revision/controller.scm`, `package-derivations`.
 *
 * @param systems all of them if none is given.
 */
export async function listRevision(
  url: string,
  revision: string,
  systems: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  using http = openHttpGet({ url, timeoutMs, connections: 1, allowPrivate: true });
  const query = new URLSearchParams([
    ...systems.map((system): [string, string] => ['system', system]),
    ['field', 'target'],
    ['all_results', 'on'],
  ]);
  const path = `revision/${encodeURIComponent(revision)}/package-derivations.json?${query}`;
  const where = new URL(path, http.base).href;
  try {
    const answer = await http.get(path, signal);
    if (answer === undefined)
      throw new CliError('unknown-revision', `${url} has not processed the revision ${revision}`, {
        hint: `${new URL(`revision/${encodeURIComponent(revision)}`, http.base).href} says what it knows of it`,
      });
    const text = await buffer(atMost(answer, longestList, 'malformed-answer', where));
    return readList(text.toString(), where).flatMap(({ derivation, target = '' }) =>
      target === '' ? [derivation] : [],
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof UpstreamError)) throw error;
    throw new CliError('source-unreachable', error.message, { mayPass: { untouched: true }, cause: error });
  }
}

function readList(text: string, where: string): readonly Listed[] {
  const wrong = (expected: string) =>
    new CliError('malformed-answer', `${where}: expected ${expected}, got ${excerpt(text, 100)}`);
  let value: { readonly derivations?: unknown; readonly error?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('JSON');
  }
  if (typeof value?.error === 'string') throw wrong('derivations');
  if (!Array.isArray(value?.derivations)) throw wrong('an object with "derivations"');
  for (const one of value.derivations as Partial<Record<keyof Listed, unknown>>[])
    if (typeof one?.derivation !== 'string' || !['string', 'undefined'].includes(typeof one.target))
      throw wrong('each of "derivations" to have a text "derivation"');
  return value.derivations;
}

export interface FetchedSource extends AsyncDisposable {
  readonly source: DerivationSource;
}

export interface FetchOptions {
  readonly url: string;
  /** Asked first, for what is on this machine. */
  readonly local: DerivationSource;
  readonly client: Client;
  readonly signal: AbortSignal;
  readonly onFetched: (count: number) => void;
}

/**
 * Derivations (base names) with what they need, and sources, from where a Guix Data Service serves them as substitutes: what neither this machine nor the
 * coordinator has. Texts are fetched into a temporary folder, which goes with the source; sources as they are asked for.
 *
 * Source: Guix Data Service, `web/nar/controller.scm`.
 */
export async function fetchDerivations(
  roots: readonly string[],
  { url, local, client, signal, onFetched }: FetchOptions,
): Promise<FetchedSource> {
  const { storeDir } = local;
  const cache = openNarSource(url);
  const folder = await mkdtemp(join(tmpdir(), 'drover-submit-')).catch(refuseFolder);
  const fetched = openDerivationSource({ storeDir, folder });
  const limiter = createLimiter(parallel);
  let count = 0;

  async function fetchOne(base: string): Promise<readonly string[]> {
    const text = await limiter.run(signal, () => derivationText(cache, base, storeDir, signal));
    await writeFile(join(folder, base), text).catch(refuseFolder);
    onFetched(++count);
    return parseDerivation(text, { storeDir }).inputDerivations.map(({ path }) => path.slice(storeDir.length + 1));
  }

  const result: FetchedSource = {
    source: {
      ...local,
      read: (base) => fetched.read(base) ?? local.read(base),
      async pack(base, candidates, file, signal = new AbortController().signal) {
        const here = await local.pack(base, candidates, file, signal);
        if (here !== undefined) return here;
        const text = await cache.narinfo(base.slice(0, 32), signal);
        if (text === undefined) return undefined;
        const { declaration } = await sendable(cache, readCacheItem(text, storeDir, undefined), false).pack(
          file,
          signal,
        );
        const { push: _, ...source } = declaration;
        return source;
      },
    },
    async [Symbol.asyncDispose]() {
      cache[Symbol.dispose]?.();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    const seen = new Set(roots);
    for (let level = [...seen]; level.length > 0; ) {
      const lacking = await missingDerivations(
        client,
        level.filter((base) => local.read(base) === undefined),
      );
      const inputs = (await Promise.all(lacking.map(fetchOne))).flat();
      level = inputs.filter((base) => !seen.has(base) && seen.add(base));
    }
    return result;
  } catch (error) {
    await result[Symbol.asyncDispose]();
    throw told(error);
  }
}

async function derivationText(
  cache: NarSource,
  base: string,
  storeDir: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const narinfo = await cache.narinfo(base.slice(0, 32), signal);
  if (narinfo === undefined) throw new CliError('not-found', `the data service has no ${base}`);
  const { base: said, narSize, nars } = readCacheItem(narinfo, storeDir, undefined);
  if (said !== base) throw new FormatError('malformed-narinfo', `expected the narinfo of ${base}, got that of ${said}`);
  const nar = nars[0] as NarPlace;
  const most = Math.min(narSize, mostDerivationBytes + 1024);
  const bytes = decompress(nar.compression, await cache.open(nar, signal));
  const text = fileInNar(await buffer(atMost(bytes, most, 'nar-too-large', `the NAR of ${base}`)));
  if (text === undefined) throw new FormatError('malformed-derivation', `${base}: expected a file, got something else`);
  return text;
}

/** What a data service got wrong, in words of the command. */
function told(error: unknown): unknown {
  if (error instanceof FormatError)
    return new CliError(error.code, `the data service: ${error.message}`, { cause: error });
  if (error instanceof CodecError) return new CliError('wrong-compression', error.message, { cause: error });
  return error;
}
