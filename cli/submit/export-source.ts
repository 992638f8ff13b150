import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { createFileStream } from '../../adapters/runtime/file-stream.ts';
import { createExportReader, type ExportedItem } from '../../domain/guix/export.ts';
import { mostDerivationBytes } from '../../domain/limits.ts';
import { parseDerivation } from '../../domain/store/derivation.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { CliError } from '../output/cli-error.ts';
import { type DerivationSource, openDerivationSource } from './derivation-source.ts';
import { fileInNar } from './nar-file.ts';
import { refuseFolder } from './upload-sources.ts';

export interface ExportSource extends AsyncDisposable {
  readonly source: DerivationSource;
  /** Base names of the derivations that no other in the archive needs, in its order. */
  readonly tops: readonly string[];
}

/** What is too large for the pool is for the coordinator to say, whose setting that is; the disk is the bound here. */
const largestNar = 2 ** 40;
/** A NAR that is a derivation. */
const largestDerivationNar = mostDerivationBytes + 1024;

/**
 * Reads what `guix archive --export` has written into a temporary folder, which goes with the source. What is in it is not believed: the coordinator
 * takes derivations and sources only at the paths that their content gives them, so nobody's signature is needed.
 */
export async function readExportSource(
  chunks: AsyncIterable<Uint8Array>,
  { storeDir, onRead }: { readonly storeDir: string; readonly onRead: (items: number) => void },
): Promise<ExportSource> {
  const folder = await mkdtemp(join(tmpdir(), 'drover-submit-')).catch(refuseFolder);
  const narOf = (base: string): string => join(folder, `${base}.nar`);
  const unnamed = join(folder, 'nar');
  const items = new Map<string, ExportedItem>();
  const needed = new Set<string>();
  const derivations: string[] = [];
  const remove = () => rm(folder, { recursive: true, force: true });

  /** The NAR is in the file that has no name yet. */
  async function keep(item: ExportedItem): Promise<void> {
    const { path, narSize } = item;
    items.set(path, item);
    if (!path.endsWith('.drv')) return rename(unnamed, narOf(path));
    if (narSize > largestDerivationNar)
      throw new FormatError('too-large', `${path}: expected a derivation of at most ${mostDerivationBytes} bytes`);
    const text = fileInNar(await readFile(unnamed));
    if (text === undefined)
      throw new FormatError('malformed-derivation', `${path}: expected a file, got a folder or link`);
    for (const { path: input } of parseDerivation(text, { storeDir }).inputDerivations)
      needed.add(input.slice(storeDir.length + 1));
    derivations.push(path);
    await writeFile(join(folder, path), text);
  }

  try {
    const reader = createExportReader({ storeDir, maxNarSize: largestNar });
    let nar: FileHandle | undefined;
    try {
      for await (const chunk of chunks)
        for (const part of reader.write(chunk)) {
          if ('nar' in part) {
            nar ??= await open(unnamed, 'w');
            await nar.writeFile(part.nar);
          } else {
            await nar?.close();
            nar = undefined;
            await keep(part.item);
            onRead(items.size);
          }
        }
      reader.end();
    } finally {
      await nar?.close();
    }
  } catch (error) {
    await remove();
    if (error instanceof FormatError)
      throw new CliError(error.code, `standard input: ${error.message}`, {
        hint: 'nothing was submitted; guix archive --export -r DRV writes what is expected',
        exitCode: 2,
        cause: error,
      });
    const { code, syscall } = error as NodeJS.ErrnoException;
    throw code !== undefined && syscall !== undefined && syscall !== 'read' ? refuseFolder(error as Error) : error;
  }
  return {
    tops: derivations.filter((base) => !needed.has(base)),
    source: {
      ...openDerivationSource({ storeDir, folder }),
      async pack(base, _candidates, file, signal) {
        const item = items.get(base);
        if (item === undefined || base.endsWith('.drv')) return undefined;
        const written = await createFileStream(file);
        await pipeline(createReadStream(narOf(base)), createZstdCompress(), written, {
          ...(signal && { signal }),
        });
        const { narHash, narSize } = item;
        const references = [...new Set(item.references)].sort();
        return { path: base, narHash, narSize, references, compression: 'zstd', fileSize: (await stat(file)).size };
      },
    },
    [Symbol.asyncDispose]: remove,
  };
}
