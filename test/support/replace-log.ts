import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Puts a copy of a log that nobody writes in its place, as a restore from a backup does: whoever has the old files open still reads those. */
export function replaceLog(dir: string): void {
  const there = ['', '-wal'].filter((end) => existsSync(join(dir, `events.db${end}`)));
  for (const end of there) cpSync(join(dir, `events.db${end}`), join(dir, `restored.db${end}`));
  for (const end of ['', '-wal', '-shm']) rmSync(join(dir, `events.db${end}`), { force: true });
  for (const end of there) renameSync(join(dir, `restored.db${end}`), join(dir, `events.db${end}`));
}
