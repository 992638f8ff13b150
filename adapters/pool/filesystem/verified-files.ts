import type { BigIntStats } from 'node:fs';
import type { Clock } from '../../../coordinator/ports/runtime.ts';

/** Files whose bytes were read and found right not long ago, so that they need not be read again for each reader. */
export interface VerifiedFiles {
  /** Whether the file was verified within {@link rememberMs} and was not touched since, by all that the file system says of it. */
  has(path: string, found: BigIntStats): boolean;
  /** @param found taken before the bytes were read: what changes them meanwhile is noticed then. */
  add(path: string, found: BigIntStats): void;
  forget(path: string): void;
}

/**
 * A disk can lose a bit without a trace in the file's times: then readers may get it for this long. Programs can set a file's
 * time of modification, but not that of its last change.
 */
const rememberMs = 10 * 60 * 1000;
/** About 20 MiB of memory. */
const mostFiles = 100_000;

export function createVerifiedFiles(clock: Pick<Clock, 'monotonic'>): VerifiedFiles {
  /** Oldest first. */
  const files = new Map<string, { readonly identity: string; readonly at: number }>();
  return {
    has(path, found) {
      const known = files.get(path);
      if (known === undefined || known.identity !== identityOf(found)) return false;
      return clock.monotonic() - known.at < rememberMs;
    },
    add(path, found) {
      files.delete(path);
      files.set(path, { identity: identityOf(found), at: clock.monotonic() });
      if (files.size <= mostFiles) return;
      const [oldest] = files.keys();
      if (oldest !== undefined) files.delete(oldest);
    },
    forget: (path) => void files.delete(path),
  };
}

export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}
