import type { LogStore } from '../../coordinator/ports/log-store.ts';

const lines = 20;
const bytes = 8192;

/** The last lines of an attempt's log; `undefined` where there is none, or it cannot be read. */
export async function logEnd(
  logs: Pick<LogStore, 'size' | 'read'>,
  build: string,
  attempt: number,
): Promise<string | undefined> {
  try {
    const size = await logs.size(build, attempt);
    const offset = Math.max(0, size - bytes);
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await logs.read(build, attempt, { offset })) ?? []) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString().trimEnd();
    return text === '' ? undefined : text.split('\n').slice(-lines).join('\n');
  } catch {
    // Somebody waits to be told; the log can be read where it is.
    return undefined;
  }
}
