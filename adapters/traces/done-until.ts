import * as z from 'zod';
import { writeFileDurably } from '../data-dir/durable.ts';
import { readIfThere } from '../data-dir/secret-file.ts';

/** Up to when spans are dealt with, kept in a file: after a kill, what had ended and was not exported is made from the log once more. */
export interface DoneUntil extends AsyncDisposable {
  /** Milliseconds since the Unix epoch; the beginning, where nobody has exported before: what is past then is not exported. */
  readonly until: number;
  /** Written down soon, many in one. */
  advance(at: number): void;
}

const contents = z.object({ until: z.int().min(0) });

export async function createDoneUntil(
  file: string,
  onError: (error: unknown) => void,
  now: () => number = Date.now,
): Promise<DoneUntil> {
  const text = await readIfThere(file);
  const before = read(text);
  // One that is yet to come was written when the clock was ahead, or is damage: what ends until then would be made by nobody after a kill.
  const isAhead = before !== undefined && before > now();
  let latest = isAhead ? 0 : (before ?? 0);
  let written = latest;
  let writing: Promise<void> | undefined;

  async function write(): Promise<void> {
    while (latest > written) {
      written = latest;
      await writeFileDurably(file, `${JSON.stringify({ until: written })}\n`).catch(onError);
    }
    writing = undefined;
  }

  function advance(at: number): void {
    latest = Math.max(latest, at);
    writing ??= write();
  }
  if (before === undefined || isAhead) advance(now());

  return {
    get until() {
      return latest;
    },
    advance,
    async [Symbol.asyncDispose]() {
      await writing;
    },
  };
}

function read(text: string | undefined): number | undefined {
  try {
    return text === undefined ? undefined : contents.parse(JSON.parse(text)).until;
  } catch {
    return undefined;
  }
}
