import { readdir } from 'node:fs/promises';
import { openInFolder, readInFolder } from '../../adapters/upstream/folder-file.ts';
import { maxNarinfoBytes } from '../../adapters/upstream/narinfo-text.ts';
import { CliError } from '../output/cli-error.ts';

/** Names of what is in a folder that a cache is read from. */
export function listFolder(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: Error) => {
    throw new CliError('unreadable', `cannot read the folder ${dir}: ${error.message}`, { exitCode: 2 });
  });
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
