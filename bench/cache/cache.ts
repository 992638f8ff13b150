import { createHash } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startCoordinatorProcess } from '../coordinator-process.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';
import { startNginx } from './nginx.ts';
import { connectPlainly, type PlainClient } from './plain-client.ts';

const small = 200;

/** A real coordinator and nginx, one after the other, serve the same narinfos and the same NAR to one client on one connection. */
export async function run(report: Report, { work, seconds, quick }: BenchOptions): Promise<void> {
  const dir = await freshFolder(work, 'cache');
  const root = join(dir, 'root');
  await mkdir(join(root, 'nar'), { recursive: true });
  await using coordinator = await startCoordinatorProcess(join(dir, 'data'));
  const hashes: string[] = [];
  for (let n = 0; n < small; n++)
    hashes.push((await coordinator.add(`small-${n}`, Buffer.alloc(1000, `${n} `))).hashPart);
  const { hashPart: big, url: nar } = await coordinator.add('big', createNoise(quick ? 16 : 256));

  using drover = await connectPlainly(coordinator.url);
  for (const hash of [...hashes, big])
    await writeFile(join(root, `${hash}.narinfo`), await drover.fetch(`/${hash}.narinfo`));
  await writeFile(join(root, nar), await drover.fetch(`/${nar}`));

  const ours = await measure(drover, hashes, nar, seconds);
  const row = (key: string, name: string, value: number, unit: string, note: string): void =>
    report({ key, name, value, unit, note });
  const one = 'one connection, the client included';
  row('narinfo', 'narinfo', ours.narinfoMicros, 'µs', one);
  row('nar-out', 'NAR out', ours.narRate, 'MB/s', one);
  const file = /([0-9a-z]{2})[0-9a-z]{50}\.nar.*$/.exec(nar);
  const published = join(dir, 'data/pool/nar', file?.[1] ?? '', file?.[0] ?? '');
  const now = new Date();
  const unverified = await rate(drover, nar, seconds, () => utimes(published, now, now));
  row('nar-out-unverified', 'NAR out, verified on its way', unverified, 'MB/s', `${one}; each time as the first time`);
  try {
    await using nginx = await startNginx(dir, root);
    using client = await connectPlainly(nginx.url);
    const theirs = await measure(client, hashes, nar, seconds);
    row('narinfo-nginx', 'narinfo from nginx', theirs.narinfoMicros, 'µs', one);
    row('nar-out-nginx', 'NAR out of nginx', theirs.narRate, 'MB/s', one);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    console.log(`  without nginx beside it: ${error.message}`);
  }
}

async function measure(client: PlainClient, hashes: readonly string[], nar: string, seconds: number) {
  let requests = 0;
  for (let n = 0; n < 5 * hashes.length; n++) await client.get(`/${hashes[n % hashes.length]}.narinfo`);
  const begun = performance.now();
  for (const stop = begun + seconds * 1000; performance.now() < stop; requests++)
    await client.get(`/${hashes[requests % hashes.length]}.narinfo`);
  const narinfoMicros = ((performance.now() - begun) * 1000) / requests;
  return { narinfoMicros, narRate: await rate(client, nar, seconds) };
}

/** How fast the NAR comes, in MB/s. */
async function rate(client: PlainClient, nar: string, seconds: number, before?: () => Promise<void>): Promise<number> {
  let bytes = 0;
  await client.get(`/${nar}`);
  const begun = performance.now();
  for (const stop = begun + seconds * 1000; performance.now() < stop; ) {
    await before?.();
    bytes += await client.get(`/${nar}`);
  }
  return bytes / 1000 / (performance.now() - begun);
}

/** Bytes that no compression makes less of. */
function createNoise(megabytes: number): Buffer {
  return createHash('shake256', { outputLength: megabytes * 2 ** 20 })
    .update('bench')
    .digest();
}
