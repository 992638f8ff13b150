import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import type { AttemptFiles } from '../../agent/ports/attempt-store.ts';
import { syncDirectory, writeFileDurably } from '../data-dir/durable.ts';

/** The files of one attempt, in a folder that exists. */
export async function openAttemptFiles(folder: string, compressionLevel: number): Promise<AttemptFiles> {
  const log = await open(join(folder, 'log'), 'a+', 0o600);
  let logSize = (await log.stat()).size;
  let saving: Promise<void> = Promise.resolve();
  // An output's name may hold dots and dashes, but no slash.
  const spoolPath = (output: string) => join(folder, `output-${output}.nar.zst`);

  async function close(): Promise<void> {
    await saving.catch(() => {});
    await log.close();
  }

  return {
    save(record) {
      const text = JSON.stringify(record);
      saving = saving.catch(() => {}).then(() => writeFileDurably(join(folder, 'record.json'), text));
      return saving;
    },

    get logSize() {
      return logSize;
    },
    async appendLog(bytes) {
      for (let written = 0; written < bytes.length; ) {
        written += (await log.write(bytes, written)).bytesWritten;
      }
      logSize += bytes.length;
    },
    async readLog(offset, most) {
      const size = Math.max(0, Math.min(most, logSize - offset));
      const { buffer, bytesRead } = await log.read(Buffer.alloc(size), 0, size, offset);
      return buffer.subarray(0, bytesRead);
    },

    async spool(output, nar, signal) {
      const path = spoolPath(output);
      const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: compressionLevel } });
      // `flush`: on the disk before it is closed.
      await pipeline(nar, compress, createWriteStream(`${path}.new`, { flush: true, mode: 0o600 }), { signal });
      await rename(`${path}.new`, path);
      await syncDirectory(folder);
      return (await stat(path)).size;
    },
    async spooled(output) {
      try {
        return (await stat(spoolPath(output))).size;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async *readSpool(output, offset, size) {
      if (size === 0) return;
      const path = spoolPath(output);
      let read = 0;
      const range = { start: offset, end: offset + size - 1, highWaterMark: 256 * 1024 };
      for await (const chunk of createReadStream(path, range) as AsyncIterable<Buffer>) {
        read += chunk.length;
        yield chunk;
      }
      // Whoever was promised the rest would wait for it.
      if (read < size) throw new Error(`${path}: expected ${size} bytes from ${offset} on, got ${read}`);
    },

    close,
    async remove() {
      await close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
