import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of the program in a clone: all that a fold depends on. As the package has it, in few files, any of these may be where it lies. */
const folding = ['domain', 'projections', 'coordinator/audit', 'coordinator/log', 'adapters/snapshots'];

/** A file that esbuild has named by its content (scripts/bundle.ts): to read and hash all of them took 60 ms of each start. */
const namedByContent = /-[A-Z0-9]{8}\.js$/;

/**
 * What a program that folds otherwise than this one does not have: a hash over the texts of the program, or over the names of its files where
 * these say as much. So nobody has to think of a version, and a fold that was mended is never begun with what it was before.
 */
export function foldFingerprint(url: string = import.meta.url): string {
  const ending = extname(url);
  const root = fileURLToPath(new URL('../../', url));
  const hash = createHash('sha256').update(process.version);
  for (const folder of existsSync(join(root, 'domain')) ? folding : ['.'])
    for (const file of filesBelow(join(root, folder), ending))
      hash
        .update(`\0${relative(root, file)}\0`)
        .update(namedByContent.test(file) ? `${statSync(file).size}` : readFileSync(file));
  return hash.digest('hex').slice(0, 32);
}

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
}
