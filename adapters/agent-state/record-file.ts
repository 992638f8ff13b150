import { open } from 'node:fs/promises';
import { replaceFile } from '../data-dir/durable.ts';

/**
 * A file of which the last whole line counts. To add one is a single call, where to put a new file in the place of the old takes five, and an inode
 * each time: file systems look past those that went a short while ago, for each file that is made.
 */
export interface RecordFile {
  /** One call at a time. With `sync` it outlives a power cut; rejects where the file is gone. @param line of JSON */
  write(line: string, sync: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Lines after which there is a new file for the newest. */
const mostLines = 32;

export async function openRecordFile(path: string): Promise<RecordFile> {
  let file = await open(path, 'a', 0o600);
  let lines = 0;
  return {
    async write(line, sync) {
      // What a kill or a full disk has left of the one before ends here.
      const text = `\n${line}\n`;
      if (++lines > mostLines) {
        await replaceFile(path, text, { sync });
        await file.close();
        file = await open(path, 'a', 0o600);
        lines = 1;
        return;
      }
      await file.appendFile(text);
      if (!sync) return;
      await file.datasync();
      // It would be written to for as long as it is open.
      if ((await file.stat()).nlink === 0) throw new Error(`${path} is gone`);
    },
    close: () => file.close(),
  };
}

/** The last whole line of such a file, or a file as older versions wrote it, as JSON; `none` where there never was one, `damaged` where none is whole. */
export function lastRecord(text: string): { readonly value: unknown } | 'none' | 'damaged' {
  let found: 'none' | 'damaged' = 'none';
  for (const line of text.split('\n').reverse()) {
    // Room that was made and, at a power cut, not yet filled.
    if (/^\0*$/.test(line)) continue;
    try {
      return { value: JSON.parse(line) };
    } catch {
      found = 'damaged';
    }
  }
  return found;
}
