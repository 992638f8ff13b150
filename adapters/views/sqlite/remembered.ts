import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isInLog } from '../../../coordinator/log/log-mark.ts';
import type { EventStore, Position } from '../../../coordinator/ports/event-store.ts';
import type { LogMark } from '../../../coordinator/ports/log-mark.ts';
import { parseMark } from '../../data-dir/log-mark.ts';

export const viewsFile = (dir: string): string => join(dir, 'views.db');

/** The last event that is in the views of a folder, before anybody keeps them; `undefined` where there are none that can be read. */
export const rememberedByViews = (dir: string): LogMark | undefined => rememberedIn(viewsFile(dir));

/**
 * Position of the last event that is in the views of a file, from which they can go on. `undefined` where the log has another event there,
 * or none: then it is another log, or lost its end, or is a copy of theirs on another server, where all positions are others. The checkpoint,
 * which may be beyond that event, is no help: a log that lost what came after the event goes on with others before it.
 */
export async function lastInLog(file: string, log: Pick<EventStore, 'read'>): Promise<Position | undefined> {
  const last = rememberedIn(file);
  return last !== undefined && (await isInLog(log, last)) ? last.position : undefined;
}

function rememberedIn(file: string): LogMark | undefined {
  if (!existsSync(file)) return undefined;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 5000 });
    const last = db.prepare('SELECT last FROM meta WHERE one = 1').get()?.last;
    return typeof last === 'string' ? parseMark(last) : undefined;
  } catch {
    // Damaged, or of a version that did not remember: they are made anew.
    return undefined;
  } finally {
    db?.close();
  }
}
