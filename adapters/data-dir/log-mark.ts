import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { type EventStore, EventStoreError, type StreamId } from '../../coordinator/ports/event-store.ts';
import type { LogMark } from '../../coordinator/ports/log-mark.ts';
import { writeFileDurably } from './durable.ts';
import { readIfThere } from './secret-file.ts';

/** How far the log was, kept beside it: a log that lost its end looks like any other. */
export interface LogMarks extends AsyncDisposable {
  /** Everything that is remembered, the newest last. */
  read(): Promise<readonly LogMark[]>;
  /** The log is durable up to here. Written down at once, but not again before a moment has passed: then many share one write. */
  advance(mark: LogMark): void;
}

export interface LogMarksOptions {
  /** Folders that keep a mark each: they may be on disks of their own, and be restored by themselves. */
  readonly folders: readonly string[];
  readonly onError: (error: unknown) => void;
  /** Milliseconds between two writes. */
  readonly pauseMs?: number;
}

/** Its name keeps it out of backups, as the lock's does: a backup of the log is older than a mark that is copied after it. */
export const markFile = 'writer.head';

const markSchema = z.object({
  stream: z.templateLiteral([z.string(), '-', z.string()]),
  revision: z.int().min(0),
  commit: z.string(),
  position: z.string(),
});

/** What a mark's text says; `undefined` for one that cannot be read, which is as good as none. */
export function parseMark(text: string | undefined): LogMark | undefined {
  try {
    return text === undefined ? undefined : markSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function createLogMarks({ folders, onError, pauseMs = 1000 }: LogMarksOptions): LogMarks {
  let latest: LogMark | undefined;
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();
  let written: LogMark | undefined;

  async function write(mark: LogMark): Promise<void> {
    for (const folder of folders) await writeFileDurably(join(folder, markFile), `${JSON.stringify(mark)}\n`);
  }
  /** Writes what is not written; as long as there is more each time, again after each pause. */
  function flush(): void {
    timer = undefined;
    if (latest === undefined || latest === written) return;
    const mark = latest;
    written = mark;
    writing = writing.then(() => write(mark)).catch(onError);
    timer = setTimeout(flush, pauseMs).unref();
  }

  return {
    async read() {
      return [...(await readLogMarks(folders)), ...(latest === undefined ? [] : [latest])];
    },
    advance(mark) {
      latest = mark;
      if (timer === undefined) flush();
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      flush();
      clearTimeout(timer);
      await writing;
    },
  };
}

/** Whether the log has the event of a mark, or is a copy of one that has. Its position says nothing of that: on another engine it is another. */
export async function hasMark(store: Pick<EventStore, 'read'>, mark: LogMark): Promise<boolean> {
  return (await commitAt(store, mark)) === mark.commit;
}

/** Of the event that the log has in the place of a mark's; `undefined` where it has none. */
async function commitAt(store: Pick<EventStore, 'read'>, { stream, revision }: LogMark): Promise<string | undefined> {
  for await (const event of store.read(stream as StreamId, { from: revision, limit: 1 }))
    return event.revision === revision ? event.commit : undefined;
  return undefined;
}

/** Rejects with `log-behind` where the log does not have what the folder remembers of it. `data` is the folder, for the message. */
export async function checkLogMark(
  store: Pick<EventStore, 'read' | 'head'>,
  mark: LogMark,
  data: string,
): Promise<void> {
  const commit = await commitAt(store, mark);
  if (commit === mark.commit) return;
  const event = `${mark.stream}@${mark.revision}`;
  const what =
    commit === undefined
      ? `the log ends at ${(await store.head()) ?? 'nothing'}, and what is beside it has seen it go on to ${mark.position} (${event}): events that were acknowledged are missing`
      : `the log has a ${event} of the commit ${commit}, and what is beside it has seen one of ${mark.commit}: events that were acknowledged are missing, as after a backup that was written to, or a ${markFile} is damaged, in the data folder or its pool`;
  throw new EventStoreError(
    'log-behind',
    `${what}. Restore the log (with sqlite, events.db and events.db-wal belong together); or, if they are to stay lost, 'drover log accept --data ${data}' makes the folder forget them (with --store where the log is not in there)`,
  );
}

/** What the folders remember, of those that remember anything. */
export async function readLogMarks(folders: readonly string[]): Promise<readonly LogMark[]> {
  const texts = await Promise.all(folders.map((folder) => readIfThere(join(folder, markFile))));
  return texts.map(parseMark).filter((mark) => mark !== undefined);
}

/** Makes the folders forget how far the log was. */
export async function forgetLogMarks(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(join(folder, markFile), { force: true });
}
