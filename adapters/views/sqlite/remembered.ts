import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LogMark } from '../../../coordinator/ports/log-mark.ts';
import { parseMark } from '../../data-dir/log-mark.ts';

export const viewsFile = (dir: string): string => join(dir, 'views.db');

/** The last event that is in the views of a folder, before anybody keeps them; `undefined` where there are none that can be read. */
export function rememberedByViews(dir: string): LogMark | undefined {
  const file = viewsFile(dir);
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
