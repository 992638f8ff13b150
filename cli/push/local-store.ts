import { existsSync, realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { openNixBuilder } from '../../adapters/builder/nix/nix-builder.ts';
import { createFileStream } from '../../adapters/runtime/file-stream.ts';
import { type Builder, isBuilderError, type PathInfo } from '../../agent/ports/builder.ts';
import { baseName } from '../../domain/event.ts';
import { CliError } from '../output/cli-error.ts';
import { referencesFirst } from './references-first.ts';
import type { Sendable } from './send-items.ts';

/** A Nix store on this machine, read through its daemon. */
export interface LocalStore extends AsyncDisposable {
  /** Base name of the item that a path or a link leads to, or into. Throws a {@link CliError}. */
  resolve(argument: string): string;
  /** The items (base names) and all that they refer to, each after what it refers to. */
  closure(items: readonly string[], signal: AbortSignal, onRead: (count: number) => void): Promise<Sendable[]>;
}

/** @param store `auto`, `daemon`, `unix:///path` or `local?root=/dir`. */
export function openLocalStore(store: string, storeDir: string): LocalStore {
  let builder: Builder;
  try {
    builder = openNixBuilder({ store, storeDir });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CliError('wrong-use', error.message.replace(/^store:/, '--from:'), { exitCode: 2 });
  }
  const full = (base: string): string => `${storeDir}/${base}`;
  const base = (path: string): string => path.slice(storeDir.length + 1);

  async function infoOf(item: string, signal: AbortSignal): Promise<PathInfo> {
    const info = await builder.pathInfo(full(item), signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw told(error);
    });
    if (info !== undefined) return info;
    throw new CliError('unknown-path', `${full(item)} is not in the store`, {
      hint: '--from names another one, for example local?root=/DIR',
    });
  }

  return {
    resolve(argument) {
      const path = argument.startsWith(`${storeDir}/`) ? argument : realPath(argument);
      const item = path.startsWith(`${storeDir}/`) ? base(path).split('/', 1)[0] : undefined;
      if (item !== undefined && baseName.safeParse(item).success) return item;
      throw new CliError('wrong-use', `expected a path in ${storeDir}, or a link to one, got ${argument}`, {
        exitCode: 2,
      });
    },
    async closure(items, signal, onRead) {
      const found = new Map<string, PathInfo>();
      const seen = new Set(items);
      for (let level = [...seen]; level.length > 0; ) {
        const infos = await Promise.all(level.map(async (item) => [item, await infoOf(item, signal)] as const));
        level = [];
        for (const [item, info] of infos) {
          found.set(item, info);
          for (const reference of info.references.map(base)) {
            if (seen.has(reference)) continue;
            seen.add(reference);
            level.push(reference);
          }
        }
        onRead(found.size);
      }
      return referencesFirst(found, (info) => info.references.map(base)).map((info) => sendable(info));
    },
    [Symbol.asyncDispose]: () => builder[Symbol.asyncDispose](),
  };

  function sendable(info: PathInfo): Sendable {
    const { narHash, narSize, deriver, ca } = info;
    const path = base(info.path);
    const references = info.references.map(base);
    return {
      path,
      references,
      async pack(file, signal) {
        const written = await createFileStream(file);
        const nar = Readable.from(builder.dump(info, signal), { objectMode: false });
        await pipeline(nar, createZstdCompress(), written, { signal }).catch((error: unknown) => {
          signal.throwIfAborted();
          throw told(error);
        });
        const declaration = {
          path,
          narHash,
          narSize,
          references,
          compression: 'zstd',
          ...(deriver !== undefined && { deriver: base(deriver) }),
          fileSize: (await stat(file)).size,
          push: { ...(ca !== undefined && { ca }) },
        } as const;
        return { declaration, file };
      },
    };
  }
}

function realPath(argument: string): string {
  if (!existsSync(argument)) throw new CliError('not-found', `there is no ${argument}`, { exitCode: 2 });
  return realpathSync(argument);
}

/** A store that cannot be read, in words; what is none of its doing stays as it is. */
function told(error: unknown): unknown {
  if (!isBuilderError(error)) return error;
  const hint =
    error.code === 'unavailable'
      ? 'without a daemon, --from local?root=/ reads the store of this machine as root'
      : undefined;
  return new CliError(error.code === 'unavailable' ? 'store-unreachable' : 'store-damaged', error.message, {
    hint,
    cause: error,
  });
}
