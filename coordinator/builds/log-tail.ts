import type { LogStore } from '../ports/log-store.ts';

/** Bytes that are looked at for the last lines: a line may be as long as its builder likes. */
const mostBytes = 64 * 1024;
const lineFeed = 0x0a;

/** Where the last `lines` lines of what is held of an attempt's log begin, in bytes; no more than 64 KiB before its end. */
export async function tailOffset(
  logs: Pick<LogStore, 'size' | 'read'>,
  build: string,
  attempt: number,
  lines: number,
): Promise<number> {
  const size = await logs.size(build, attempt);
  const start = Math.max(0, size - mostBytes);
  const end = await bytesOf(logs, build, attempt, start, size);
  // The line feed at the very end begins no line.
  let at = end.length - 1;
  for (let left = lines; left > 0; left--) {
    at = at <= 0 ? -1 : end.lastIndexOf(lineFeed, at - 1);
    if (at < 0) return start;
  }
  return start + at + 1;
}

/** The last of the attempts `highest`, `highest` - 1, … of a build that has a log. */
export async function lastAttemptWithLog(
  logs: Pick<LogStore, 'size'>,
  build: string,
  highest: number,
): Promise<number | undefined> {
  for (let attempt = highest; attempt >= 1; attempt--) if ((await logs.size(build, attempt)) > 0) return attempt;
  return undefined;
}

async function bytesOf(
  logs: Pick<LogStore, 'read'>,
  build: string,
  attempt: number,
  offset: number,
  end: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let left = end - offset;
  const log = left > 0 ? await logs.read(build, attempt, { offset }) : undefined;
  for await (const chunk of log ?? []) {
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) break;
  }
  return Buffer.concat(chunks);
}
