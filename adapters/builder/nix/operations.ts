import { createHash } from 'node:crypto';
import { BuilderError, type BuildRequest, type NewItem, type PathInfo } from '../../../agent/ports/builder.ts';
import { formatHash, parseSha256 } from '../../../domain/store/hash-text.ts';
import { createWireWriter, frameHead } from '../daemon/wire-writer.ts';
import { type BuildResult, readBuildResult } from './build-result.ts';
import { drainMessages } from './daemon-messages.ts';
import type { NixConnection as Connection } from './dialect.ts';

/** Numbers of the operations that are used. */
const operation = {
  setOptions: 19,
  queryPathInfo: 26,
  queryValidPaths: 31,
  buildDerivation: 36,
  narFromPath: 38,
  addToStoreNar: 39,
} as const;

export interface BuildLimits {
  readonly timeoutSeconds: number;
  readonly maxSilentSeconds: number;
  readonly maxLogBytes: number;
}

/** Options of this connection: nothing is substituted, nothing goes to another machine, one build at a time. */
export async function setOptions(connection: Connection, limits?: BuildLimits): Promise<void> {
  const settings: [string, string][] = [['builders', '']];
  if (limits !== undefined) {
    settings.push(['timeout', String(limits.timeoutSeconds)], ['max-build-log-size', String(limits.maxLogBytes)]);
  }
  const request = createWireWriter()
    .u64(operation.setOptions)
    .bool(false) // keep failed
    .bool(false) // keep going
    .bool(false) // build where substitution fails
    .u64(0) // verbosity: errors
    .u64(1) // jobs
    .u64(limits?.maxSilentSeconds ?? 0)
    .u64(1) // once: use build hook
    .u64(0) // builders' output: to the log
    .u64(0) // once: log type
    .u64(0) // once: print build trace
    .u64(0) // cores: all
    .bool(false) // substitute
    .u64(settings.length);
  for (const [name, value] of settings) request.text(name).text(value);
  await connection.ask({ request: request.take(), answer: () => undefined });
}

/** Those of `paths` that are valid. */
export function queryValidPaths(
  connection: Connection,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<string[]> {
  return connection.ask({
    request: createWireWriter().u64(operation.queryValidPaths).texts(paths.toSorted()).bool(false).take(),
    answer: (reader) => reader.texts(),
    signal,
  });
}

export function queryPathInfo(
  connection: Connection,
  path: string,
  signal?: AbortSignal,
): Promise<PathInfo | undefined> {
  return connection.ask({
    request: createWireWriter().u64(operation.queryPathInfo).text(path).take(),
    signal,
    async answer(reader) {
      if ((await reader.u64()) === 0) return undefined;
      const deriver = await reader.text();
      const narHash = formatHash({ algo: 'sha256', digest: Buffer.from(await reader.text(), 'hex') });
      const references = (await reader.texts()).sort();
      await reader.u64(); // when it was registered
      const narSize = await reader.u64();
      await reader.u64(); // whether it was built here
      await reader.texts(); // signatures
      const ca = await reader.text();
      return { path, narHash, narSize, references, ...(deriver !== '' && { deriver }), ...(ca !== '' && { ca }) };
    },
  });
}

export async function addToStoreNar(
  connection: Connection,
  item: NewItem,
  nar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  repair = false,
): Promise<void> {
  const request = createWireWriter()
    .u64(operation.addToStoreNar)
    .text(item.path)
    .text(item.deriver ?? '')
    .text(Buffer.from(parseSha256(item.narHash)).toString('hex'))
    .texts(item.references.toSorted())
    .u64(0) // registered now
    .u64(item.narSize)
    .bool(false) // not built here
    .texts(item.signatures.toSorted())
    .text(item.ca ?? '')
    .bool(repair) // written even if it is valid
    .bool(true) // the caller has checked the signatures: the daemon need not know the cache's key
    .take();
  await connection.ask({
    request,
    signal,
    async body(send) {
      for await (const chunk of nar) {
        if (chunk.length === 0) continue;
        await send(frameHead(chunk.length));
        await send(chunk);
      }
      await send(frameHead(0));
    },
    answer: () => undefined,
  });
}

/**
 * The NAR of `info.path`. The protocol does not say where it ends, so `info.narSize` bytes are taken, and only if their hash
 * is `info.narHash` are both sides known to be in step.
 */
export function narFromPath(connection: Connection, info: PathInfo, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  return connection.stream({
    request: createWireWriter().u64(operation.narFromPath).text(info.path).take(),
    signal,
    async *answer(reader) {
      await drainMessages(reader);
      const hash = createHash('sha256');
      for (let left = info.narSize; left > 0; ) {
        const chunk = await reader.some(Math.min(left, 256 * 1024));
        left -= chunk.length;
        hash.update(chunk);
        yield chunk;
      }
      const narHash = formatHash({ algo: 'sha256', digest: hash.digest() });
      if (narHash !== info.narHash) {
        const repair = 'the store has lost or damaged it: nix-store --verify --check-contents --repair';
        throw new BuilderError(
          'protocol',
          `${info.path}: expected a NAR with ${info.narHash}, got ${narHash} (${repair})`,
        );
      }
    },
  });
}

/** @param repair outputs that are valid and gone from the disk, or damaged, are built again; others are taken as they are. */
export async function buildDerivation(
  connection: Connection,
  request: BuildRequest,
  repair = false,
): Promise<BuildResult> {
  const { derivation } = request;
  const question = createWireWriter().u64(operation.buildDerivation).text(request.derivationPath);
  question.u64(derivation.outputs.length);
  for (const output of derivation.outputs) {
    question.text(output.name).text(output.path).text(output.hashAlgo).text(output.hash);
  }
  question.texts(request.inputs.toSorted()).text(derivation.system).text(derivation.builder).texts(derivation.args);
  question.u64(derivation.env.length);
  for (const [name, value] of derivation.env) question.text(name).text(value);
  question.u64(repair ? 1 : 0); // build what is not there
  return connection.ask({
    request: question.take(),
    handlers: { onLogLine: request.onLog },
    answer: (reader) => readBuildResult(reader, connection.greeting.protocol),
    signal: request.signal,
  });
}
