import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import type { AttemptRecord } from '../../agent/attempt-record.ts';
import { type AttemptFiles, syncedSpoolBytes } from '../../agent/ports/attempt-store.ts';
import { formatHash } from '../../domain/store/hash-text.ts';
import { syncDirectory, syncFile } from '../data-dir/durable.ts';
import { createFileStream } from '../runtime/file-stream.ts';
import { openRecordFile } from './record-file.ts';

/** Whether the compressed file has the NAR of that hash in it. */
async function holds(path: string, narHash: string): Promise<boolean> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), createZstdDecompress(), hash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    return false;
  }
  return formatHash({ algo: 'sha256', digest: hash.digest() }) === narHash;
}

/** The files of one attempt, in a folder that exists. */
export async function openAttemptFiles(folder: string, compressionLevel: number): Promise<AttemptFiles> {
  const log = await open(join(folder, 'log'), 'a+', 0o600);
  const kept = await openRecordFile(join(folder, 'record.json')).catch(async (error: unknown) => {
    await log.close();
    throw error;
  });
  let logSize = (await log.stat()).size;
  let saving: Promise<void> = Promise.resolve();
  /** Whether the folder and a record in it would outlive a power cut. */
  let durable = false;
  // An output's name may hold dots and dashes, but no slash.
  const spoolPath = (output: string) => join(folder, `output-${output}.nar.zst`);

  async function write(phase: AttemptRecord['phase'], text: string): Promise<void> {
    // What dies with the agent need not outlive the machine. Of what is built, the first record is the one that counts: from an older
    // one all that comes later follows again; and a failure that is lost is a build that is done once more.
    const isBuilt = phase === 'uploading' || phase === 'ended';
    await kept.write(text, isBuilt);
    if (durable || phase !== 'uploading') return;
    await syncDirectory(folder);
    await syncDirectory(dirname(folder));
    durable = true;
  }

  async function close(): Promise<void> {
    await saving.catch(() => {});
    await kept.close();
    await log.close();
  }

  return {
    save(record) {
      const text = JSON.stringify(record);
      saving = saving.catch(() => {}).then(() => write(record.phase, text));
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
      const written = await createFileStream(`${path}.new`);
      await pipeline(nar, compress, written, { signal });
      const size = written.bytesWritten;
      if (size >= syncedSpoolBytes) await syncFile(`${path}.new`);
      await rename(`${path}.new`, path);
      if (size >= syncedSpoolBytes) await syncDirectory(folder);
      return size;
    },
    async spooled(output, narHash) {
      try {
        const { size } = await stat(spoolPath(output));
        return size >= syncedSpoolBytes || (await holds(spoolPath(output), narHash)) ? size : undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async *readSpool(output, offset, size) {
      if (size === 0) return;
      const path = spoolPath(output);
      let read = 0;
      const range = { start: offset, end: offset + size - 1, highWaterMark: Math.min(256 * 1024, size) };
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
