import { join } from 'node:path';

/**
 * Where the log of an attempt may lie; it moves on from one to the next, a small one to the last at once:
 *
 *     <first two characters>/<build>/<attempt>.log        growing (after a crash, also beside the last, which counts then)
 *     <first two characters>/<build>/<attempt>.log.done   finished, to be compressed (after a crash, beside the next)
 *     <first two characters>/<build>/<attempt>.log.zst    finished, in frames (framed-log.ts)
 */
export interface LogPaths {
  readonly folder: string;
  readonly growing: string;
  readonly done: string;
  readonly compressed: string;
}

const identifier = /^[0-9a-zA-Z][0-9a-zA-Z._-]{0,63}$/;

/** Throws a TypeError for what is no identifier: it becomes a part of a path. */
export function logPaths(dir: string, build: string, attempt: number): LogPaths {
  if (!identifier.test(build)) {
    throw new TypeError(`expected a build id, got ${JSON.stringify(String(build).slice(0, 80))}`);
  }
  if (!Number.isSafeInteger(attempt) || attempt < 0)
    throw new TypeError(`expected an attempt's number, got ${attempt}`);

  const folder = join(dir, build.slice(0, 2), build);
  const growing = join(folder, `${attempt}.log`);
  return { folder, growing, done: `${growing}.done`, compressed: `${growing}.zst` };
}
