import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import type { NarNode } from '../../domain/store/nar-writer.ts';
import { CliError } from '../output/cli-error.ts';

/**
 * What lies at `path`, as the tree of a NAR. Names are bytes, so that those that are not UTF-8 stay as they are.
 *
 * @returns `undefined` if nothing is there.
 */
export async function readTree(path: string | Buffer): Promise<NarNode | undefined> {
  const stat = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (stat === undefined) return undefined;
  if (stat.isSymbolicLink()) return { type: 'symlink', target: await readlink(path, 'buffer') };
  if (stat.isFile()) {
    return {
      type: 'regular',
      executable: (stat.mode & 0o100) !== 0,
      size: stat.size,
      contents: () => createReadStream(path),
    };
  }
  if (!stat.isDirectory()) {
    throw new CliError(
      'unsupported-file',
      `expected files, folders and symbolic links, got something else at ${path.toString()}`,
    );
  }
  return {
    type: 'directory',
    async *entries() {
      const names = await readdir(path, { encoding: 'buffer' });
      for (const name of names.sort(Buffer.compare)) {
        const node = await readTree(Buffer.concat([Buffer.from(path), Buffer.from('/'), name]));
        if (node !== undefined) yield [name, node] as const;
      }
    },
  };
}
