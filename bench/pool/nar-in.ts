import { createCipheriv, createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { openFilesystemPool } from '../../adapters/pool/filesystem/filesystem-pool.ts';
import type { Pool, UploadDeclaration } from '../../coordinator/ports/pool.ts';
import { type NarNode, writeNar } from '../../domain/store/nar-writer.ts';
import { encodeNixBase32 } from '../../domain/store/nix-base32.ts';
import type { BenchOptions, Report } from '../row.ts';

const megabyte = 1024 * 1024;
const bodyChunk = 64 * 1024;

/**
 * NARs coming in: verified, hashed, stored, fsynced, published, beside what one core's sha256 and the disk do by
 * themselves in the same minute. The NAR is 512 MiB of some 4,000 files, with 500 references to look for.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  const dir = await mkdtemp(join(work, 'nar-in-'));
  try {
    const nar = await makeNar((quick ? 32 : 512) * megabyte);
    const sha256 = rate(nar.length, () => createHash('sha256').update(nar).digest());
    report({ key: 'nar-in-sha256', name: 'nar in: sha256 of one core', value: sha256, unit: 'MB/s' });
    const packed = zstdCompressSync(nar, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
    const scan = Array.from({ length: 500 }, (_, index) => hashPart(`input ${index}`));
    for (const [compression, file] of [
      ['zstd', packed],
      ['none', nar],
    ] as const) {
      const disk = (await diskRate(dir, file)) * (nar.length / file.length);
      const note = `file of ${Math.round(file.length / megabyte)} MiB`;
      report({
        key: `nar-in-disk-${compression}`,
        name: `nar in: ${compression}, disk by itself`,
        value: disk,
        unit: 'MB/s of NAR',
        note,
      });
      await using pool = await openFilesystemPool({
        dir: join(dir, compression),
        maxNarSize: 1024 * megabyte,
        ...poolOptions,
      });
      // The first upload starts the worker, which takes longer than most uploads.
      const first = await makeNar(1_000);
      await upload(pool, declarationOf('first', first, first, 'none'), scan, first);
      const declaration = declarationOf('bench', nar, file, compression);
      const start = performance.now();
      await upload(pool, declaration, scan, file);
      const value = nar.length / 1000 / (performance.now() - start);
      const share = `${Math.round((100 * value) / sha256)} % of sha256`;
      report({ key: `nar-in-${compression}`, name: `nar in: ${compression}`, value, unit: 'MB/s of NAR', note: share });
    }
    await four(dir, nar.length / 4, scan, report);
    await small(dir, scan, report);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Nothing gets old here, and nobody waits for memory. */
const poolOptions = {
  maxUploadAgeMs: 1e12,
  perOwner: { count: 1e6, fileBytes: 1e15, declarationBytes: 1e9 },
  memory: { total: 1e12, perOwner: 1e12 },
  clock: { now: () => 0, monotonic: () => performance.now() },
  timers: { after: () => ({ [Symbol.dispose]: () => undefined }) },
};

/** As from four agents: more than one worker can do. */
async function four(dir: string, size: number, scan: readonly string[], report: Report): Promise<void> {
  await using pool = await openFilesystemPool({ dir: join(dir, 'four'), maxNarSize: 1024 * megabyte, ...poolOptions });
  async function all(name: string, size: number): Promise<() => Promise<number>> {
    const nars = await Promise.all([0, 1, 2, 3].map((seed) => makeNar(size, seed)));
    const uploads = nars.map((nar, index) => {
      const file = zstdCompressSync(nar, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
      return [declarationOf(`${name} ${index}`, nar, file, 'zstd'), file] as const;
    });
    return async () => {
      await Promise.all(uploads.map(([declaration, file]) => upload(pool, declaration, scan, file)));
      return nars.reduce((sum, nar) => sum + nar.length, 0);
    };
  }
  // The workers are started.
  await (await all('first', 1_000))();
  const work = await all('bench', size);
  const before = process.cpuUsage();
  const start = performance.now();
  const bytes = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const busy = (user + system) / 1e6;
  report({
    key: 'nar-in-four',
    name: 'nar in: four at once, zstd',
    value: bytes / 1e6 / seconds,
    unit: 'MB/s of NAR',
    note: `${((busy * 1e9) / bytes).toFixed(2)} s of processor time a GB in all threads, ${(busy / seconds).toFixed(1)} cores busy`,
  });
}

/** What most outputs are: small. Four at a time, as from four agents. */
async function small(dir: string, scan: readonly string[], report: Report): Promise<void> {
  const count = 400;
  await using pool = await openFilesystemPool({
    dir: join(dir, 'small'),
    maxNarSize: megabyte,
    ...poolOptions,
  });
  const nars = await Promise.all(Array.from({ length: count }, (_, index) => makeNar(20_000, index)));
  const start = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while (next < count) {
        const index = next++;
        const nar = nars[index] as Buffer;
        await upload(pool, declarationOf(`small ${index}`, nar, nar, 'none'), scan, nar);
      }
    }),
  );
  const value = (count * 1000) / (performance.now() - start);
  report({ key: 'nar-in-small', name: 'nar in: small ones, durable', value, unit: '/s', note: '20 kB, 4 at a time' });
}

function declarationOf(
  name: string,
  nar: Buffer,
  file: Buffer,
  compression: UploadDeclaration['compression'],
): UploadDeclaration {
  return {
    path: `${hashPart(name)}-bench`,
    narHash: `sha256:${encodeNixBase32(createHash('sha256').update(nar).digest())}`,
    narSize: nar.length,
    references: [],
    compression,
    fileSize: file.length,
  };
}

async function upload(pool: Pool, declaration: UploadDeclaration, scan: readonly string[], file: Buffer) {
  const begun = await pool.begin('bench', declaration, scan);
  if ('refused' in begun) throw new Error(begun.refused.message);
  const status = await pool.write(begun.id, 'bench', 0, chunks(file));
  if ('refused' in status) throw new Error(status.refused.message);
  await pool.publish(begun.id);
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += bodyChunk) yield bytes.subarray(start, start + bodyChunk);
}

/** Files of which a quarter is noise and the rest repeats itself: they compress to about a quarter, as most outputs do. */
async function makeNar(size: number, seed = 0): Promise<Buffer> {
  const fileSize = Math.min(128 * 1024, Math.ceil(size / 2));
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  async function* entries(): AsyncGenerator<[string, NarNode]> {
    for (let index = 0; index < size / fileSize; index++) {
      const text = `${seed} ${index} lib/gcc/x86_64-unknown-linux-gnu: the quick brown fox, /gnu/store\n`;
      const contents = Buffer.alloc(fileSize, text);
      contents.set(noise.update(contents.subarray(0, fileSize / 4)));
      const node: NarNode = { type: 'regular', executable: false, size: fileSize, contents: () => once(contents) };
      yield [String(index).padStart(6, '0'), node];
    }
  }
  const parts: Uint8Array[] = [];
  for await (const part of writeNar({ type: 'directory', entries })) parts.push(part);
  return Buffer.concat(parts);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function hashPart(text: string): string {
  return encodeNixBase32(createHash('sha256').update(text).digest().subarray(0, 20));
}

async function diskRate(dir: string, bytes: Uint8Array): Promise<number> {
  const start = performance.now();
  const file = await open(join(dir, 'disk'), 'w');
  for await (const chunk of chunks(bytes)) await file.write(chunk);
  await file.sync();
  await file.close();
  return bytes.length / 1000 / (performance.now() - start);
}

/** Bytes per microsecond, which is megabytes per second. */
function rate(bytes: number, work: () => unknown): number {
  const start = performance.now();
  work();
  return bytes / 1000 / (performance.now() - start);
}
