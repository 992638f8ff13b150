import { opendir } from 'node:fs/promises';
import { openInFolder, readInFolder } from '../../adapters/upstream/folder-file.ts';
import { maxNarinfoBytes } from '../../adapters/upstream/narinfo-text.ts';
import { CliError } from '../output/cli-error.ts';

/** Names of what is in a folder that a cache is read from, in no order: there may be millions. */
export async function* listFolder(dir: string): AsyncGenerator<string> {
  try {
    for await (const { name } of await opendir(dir, { bufferSize: 1000 })) yield name;
  } catch (error) {
    throw new CliError('unreadable', `cannot read the folder ${dir}: ${(error as Error).message}`, { exitCode: 2 });
  }
}

/** A small text of the folder; `undefined` where it is not there. */
export function readNarinfoFile(dir: string, name: string): Promise<string | undefined> {
  return readInFolder(dir, name, maxNarinfoBytes).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CliError('unreadable', error.message);
  });
}

/** A file of the folder, by a name that others gave. */
export async function openFile(dir: string, name: string): Promise<AsyncIterable<Uint8Array>> {
  const file = await openInFolder(dir, name).catch((error: Error) => {
    throw new CliError('nar-missing', error.message);
  });
  return file.createReadStream();
}
