import { createHash } from 'node:crypto';
import { BuilderError, type PathInfo } from '../../../agent/ports/builder.ts';
import { formatHash } from '../../../domain/store/hash-text.ts';
import { createWireWriter } from '../daemon/wire-writer.ts';
import { type GuixConnection, type GuixHandlers, hear } from './dialect.ts';

/** Numbers of the operations that are used. */
const operation = {
  addToStore: 7,
  addTextToStore: 8,
  buildPaths: 9,
  ensurePath: 10,
  exportPath: 16,
  setOptions: 19,
  queryPathInfo: 26,
  queryValidPaths: 31,
} as const;

/** How the daemon is to make what is missing: `normal` where it is not valid, `repair` also where it is damaged or gone. */
export type BuildMode = 'normal' | 'repair';
const modes = { normal: 0, repair: 1 } as const;

/** What a connection is for. */
export type Purpose =
  | { readonly for: 'building'; readonly timeoutSeconds: number; readonly maxSilentSeconds: number }
  /** Fetching from these caches, so many at a time. */
  | { readonly for: 'substituting'; readonly urls: readonly string[]; readonly jobs: number };

/**
 * Options of this connection. One that builds substitutes nothing, and one that substitutes falls back to building nothing; neither goes to
 * another machine. What a build prints comes marked, so that none of it can look like the daemon's own words.
 */
export async function setOptions(connection: GuixConnection, purpose: Purpose): Promise<void> {
  const settings: [string, string][] = [
    ['print-extended-build-trace', '1'],
    ['multiplexed-build-output', 'true'],
    ['build-cores', '0'],
    ['build-repeat', '0'],
    ['locale', 'C.UTF-8'],
  ];
  if (purpose.for === 'building')
    settings.push(
      ['build-max-jobs', '1'],
      ['build-timeout', String(purpose.timeoutSeconds)],
      ['build-max-silent-time', String(purpose.maxSilentSeconds)],
    );
  else settings.push(['build-max-jobs', String(purpose.jobs)], ['substitute-urls', purpose.urls.join(' ')]);
  const request = createWireWriter()
    .u64(operation.setOptions)
    .bool(false) // keep failed
    .bool(false) // keep going
    .bool(false) // build where substitution fails
    .u64(0) // verbosity: errors
    .bool(false) // offload
    .u64(0) // builders' output: all of it
    .u64(2) // log type: flat
    .bool(true) // say what begins and how it ends
    .bool(purpose.for === 'substituting')
    .u64(settings.length);
  for (const [name, value] of settings) request.text(name).text(value);
  await connection.ask({ request: request.take(), answer: () => undefined });
}

/** Adds a text under its content address; gives its path. What it refers to has to be valid. */
export function addTextToStore(
  connection: GuixConnection,
  name: string,
  text: string,
  references: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  return connection.ask({
    request: createWireWriter().u64(operation.addTextToStore).text(name).text(text).texts(references.toSorted()).take(),
    answer: (reader) => reader.text(),
    signal,
  });
}

/** Adds what is in a NAR, without references, under its content address; gives its path. The daemon holds it in memory. */
export function addToStore(
  connection: GuixConnection,
  name: string,
  nar: Uint8Array,
  signal?: AbortSignal,
): Promise<string> {
  const head = createWireWriter()
    .u64(operation.addToStore)
    .text(name)
    .bool(true) // a fixed output
    .bool(true) // of its NAR
    .text('sha256')
    .take();
  return connection.ask({ request: Buffer.concat([head, nar]), answer: (reader) => reader.text(), signal });
}

/** Builds derivations and substitutes other paths, as far as they are not valid. */
export async function buildPaths(
  connection: GuixConnection,
  paths: readonly string[],
  mode: BuildMode,
  handlers: GuixHandlers,
  signal: AbortSignal,
): Promise<void> {
  await connection.ask({
    request: createWireWriter().u64(operation.buildPaths).texts(paths).u64(modes[mode]).take(),
    handlers,
    answer: (reader) => reader.u64(),
    signal,
  });
}

/** Substitutes the path where it is not valid; a derivation is not built. */
export async function ensurePath(
  connection: GuixConnection,
  path: string,
  handlers: GuixHandlers,
  signal: AbortSignal,
): Promise<void> {
  await connection.ask({
    request: createWireWriter().u64(operation.ensurePath).text(path).take(),
    handlers,
    answer: (reader) => reader.u64(),
    signal,
  });
}

/** Those of `paths` that are valid. */
export function queryValidPaths(
  connection: GuixConnection,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<string[]> {
  return connection.ask({
    request: createWireWriter().u64(operation.queryValidPaths).texts(paths.toSorted()).take(),
    answer: (reader) => reader.texts(),
    signal,
  });
}

/** `undefined` if the path is not valid: the operation itself would end with an error then. */
export async function queryPathInfo(
  connection: GuixConnection,
  path: string,
  signal?: AbortSignal,
): Promise<PathInfo | undefined> {
  if ((await queryValidPaths(connection, [path], signal)).length === 0) return undefined;
  return connection.ask({
    request: createWireWriter().u64(operation.queryPathInfo).text(path).take(),
    signal,
    async answer(reader) {
      const deriver = await reader.text();
      const narHash = formatHash({ algo: 'sha256', digest: Buffer.from(await reader.text(), 'hex') });
      const references = (await reader.texts()).sort();
      await reader.u64(); // when it was registered
      const narSize = await reader.u64();
      return { path, narHash, narSize, references, ...(deriver !== '' && { deriver }) };
    },
  });
}

/** The NAR of `info.path`: the beginning of what `guix archive --export` has of it, without a signature. */
export function exportPath(
  connection: GuixConnection,
  info: PathInfo,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { path, narSize, narHash } = info;
  return connection.stream({
    request: createWireWriter().u64(operation.exportPath).text(path).bool(false).take(),
    signal,
    async *answer(reader) {
      const hash = createHash('sha256');
      let left = narSize;
      for await (const piece of hear(reader)) {
        const chunk = piece.subarray(0, left);
        left -= chunk.length;
        if (chunk.length === 0) continue;
        hash.update(chunk);
        yield chunk;
      }
      await reader.u64();
      const got = formatHash({ algo: 'sha256', digest: hash.digest() });
      if (left === 0 && got === narHash) return;
      throw new BuilderError(
        'protocol',
        `${path}: expected a NAR of ${narSize} bytes with ${narHash}, got ${narSize - left} bytes with ${got} (the store has lost or damaged it: guix gc --verify=contents,repair)`,
      );
    },
  });
}
