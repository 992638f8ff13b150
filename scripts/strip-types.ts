import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';

/** Hashes of the sources that were stripped, by their paths. */
const index = 'index.json';

/**
 * All sources without their types, by their paths in a folder below `root`, for test processes (test-guard/stripped.mjs): lines and columns stay.
 * What has changed since the last time is stripped anew, all of it in a second of processor time.
 */
export function stripTypes(root: string): string {
  const folder = join(root, '.cache', 'stripped');
  mkdirSync(folder, { recursive: true });
  const before = readIndex(join(folder, index));
  const now: Record<string, string> = {};
  for (const file of globSync('*/**/*.ts', { cwd: root, exclude: ['node_modules/**', 'dist/**'] })) {
    const text = readFileSync(join(root, file), 'utf8');
    const hash = createHash('sha256').update(text).digest('hex');
    if (before[file] !== hash && !strip(text, join(folder, file))) continue;
    now[file] = hash;
  }
  // What is gone must not be found, as if it were still there.
  for (const file of Object.keys(before)) if (now[file] === undefined) rmSync(join(folder, file), { force: true });
  replace(join(folder, index), JSON.stringify(now));
  return folder;
}

function readIndex(path: string): Readonly<Record<string, string>> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // The first time, or cut short.
    return {};
  }
}

/** Whether it could be; Node says what is wrong with it where it is loaded. */
function strip(text: string, to: string): boolean {
  const { emitWarning } = process;
  // That it is experimental, each time.
  process.emitWarning = () => {};
  try {
    replace(to, stripTypeScriptTypes(text));
    return true;
  } catch {
    rmSync(to, { force: true });
    return false;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** As a whole: another run may read it meanwhile. */
function replace(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, path);
}
