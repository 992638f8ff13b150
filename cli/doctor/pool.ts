import { createHash, randomInt } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createLayout, hashOfNarName } from '../../adapters/pool/filesystem/layout.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { plural, size } from '../output/text.ts';
import { bad, type Found, good } from './finding.ts';

const mostFiles = 20;
const mostBytes = 256 * 1024 * 1024;

/** Reads some files of the pool, chosen by chance, and compares them with the hashes that they are called by. */
export async function checkPool(dir: string): Promise<Found> {
  const { nars } = createLayout(dir);
  const folders = shuffled(await list(nars));
  let files = 0;
  let bytes = 0;
  for (const folder of folders) {
    for (const name of shuffled(await list(join(nars, folder))).slice(0, Math.ceil(mostFiles / folders.length))) {
      const expected = hashOfNarName(name);
      const path = join(nars, folder, name);
      // What was deleted meanwhile is no fault.
      const found = await stat(path).catch(ifGone);
      if (expected === undefined || found === undefined || bytes + found.size > mostBytes) continue;
      const got = await hashOf(path).catch(ifGone);
      if (got === undefined) continue;
      if (got !== expected)
        return bad(
          `${path}: expected a file with ${expected}, got ${got}`,
          'drover items verify, while the coordinator runs, finds all that is damaged; what is needed is built again',
        );
      files++;
      bytes += found.size;
      if (files === mostFiles) break;
    }
    if (files === mostFiles) break;
  }
  if (files === 0) return good('nothing is in it yet that was small enough to look at');
  return good(
    `${plural(files, 'file')} chosen by chance (${size(bytes)}) are as they were; drover items verify reads all`,
  );
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return formatHash({ algo: 'sha256', digest: hash.digest() });
}

async function list(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(ifGone)) ?? [];
}

function ifGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function shuffled<Value>(values: readonly Value[]): Value[] {
  const all = [...values];
  for (let at = all.length - 1; at > 0; at--) {
    const other = randomInt(at + 1);
    [all[at], all[other]] = [all[other] as Value, all[at] as Value];
  }
  return all;
}
