import { createHash } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startCoordinatorProcess } from '../coordinator-process.ts';
import { residentMiB } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';
import { startNginx } from './nginx.ts';
import { connectPlainly } from './plain-client.ts';

const small = 200;
const turns = 8;
/** Seconds until the code for narinfos is compiled as well as it will be: what comes before is the first seconds of a process that runs for months. */
const warming = 5;

/** A real coordinator and nginx, in turns, serve the same narinfos and the same NAR to one client on one connection. */
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

  const row = (key: string, name: string, value: number, unit: string, note?: string): void =>
    report({ key, name, value, unit, ...(note !== undefined && { note }) });
  const one = 'one connection, the client included';
  let nginx: Awaited<ReturnType<typeof startNginx>> | undefined;
  try {
    nginx = await startNginx(dir, root);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    console.log(`  without nginx beside it: ${error.message}`);
  }
  await using _nginx = nginx ?? { async [Symbol.asyncDispose]() {} };
  using theirs = nginx && (await connectPlainly(nginx.url));
  const clients = [drover, ...(theirs === undefined ? [] : [theirs])];

  // In turns, so that what else the machine does is no advantage of one of them.
  const getNarinfo = (client: Awaited<ReturnType<typeof connectPlainly>>, n: number): Promise<number> =>
    client.get(`/${hashes[n % hashes.length]}.narinfo`);
  const narinfos = await inTurns(clients, seconds, getNarinfo, warming);
  const nars = await inTurns(clients, seconds, (client) => client.get(`/${nar}`));
  const micros = ({ ms, count }: Taken) => (ms * 1000) / count;
  const rate = ({ ms, bytes }: Taken) => bytes / 1000 / ms;
  const [narinfo, narinfoNginx] = narinfos.map(micros);
  const [narOut, narOutNginx] = nars.map(rate);
  const warm = `${one}; after ${warming} s that do not count`;
  row('narinfo', 'narinfo', narinfo as number, 'µs', warm);
  if (narinfoNginx !== undefined) row('narinfo-nginx', 'narinfo from nginx', narinfoNginx, 'µs', warm);
  row('nar-out', 'NAR out', narOut as number, 'MB/s', one);
  if (narOutNginx !== undefined) row('nar-out-nginx', 'NAR out of nginx', narOutNginx, 'MB/s', one);

  const file = /([0-9a-z]{2})[0-9a-z]{50}\.nar.*$/.exec(nar);
  const published = join(dir, 'data/pool/nar', file?.[1] ?? '', file?.[0] ?? '');
  const [unverified] = await inTurns([drover], seconds, async (client) => {
    const now = new Date();
    await utimes(published, now, now);
    return client.get(`/${nar}`);
  });
  const asFirst = `${one}; each time as the first time`;
  row('nar-out-unverified', 'NAR out, verified on its way', rate(unverified as Taken), 'MB/s', asFirst);

  await many(report, coordinator, nginx?.url, nar, quick ? 50 : 500);
}

/**
 * Readers of the same NAR at once, the last fifth of which goes away half-way: how fast the rest have it, and what the coordinator gets larger by.
 */
async function many(
  report: Report,
  coordinator: { readonly url: URL; readonly pid: number },
  nginx: URL | undefined,
  nar: string,
  count: number,
): Promise<void> {
  const note = `${count} connections at once, of which a fifth goes away half-way`;
  const before = residentMiB(coordinator.pid);
  let most = before;
  let isDone = false;
  const watching = (async () => {
    for (; !isDone; await setTimeout(20)) most = Math.max(most, residentMiB(coordinator.pid));
  })();
  const ours = await readAtOnce(coordinator.url, nar, count);
  isDone = true;
  await watching;
  report({ key: 'nar-out-many', name: 'NAR out, many at once', value: ours, unit: 'MB/s', note });
  if (nginx !== undefined) {
    const value = await readAtOnce(nginx, nar, count);
    report({ key: 'nar-out-many-nginx', name: 'NAR out of nginx, many at once', value, unit: 'MB/s', note });
  }
  report({ key: 'nar-out-memory', name: 'NAR out, memory for it', value: most - before, unit: 'MiB', note });
}

/** MB/s of all of them together. */
async function readAtOnce(url: URL, nar: string, count: number): Promise<number> {
  /** Of each; a NAR is larger than that. */
  const enough = 8 * 2 ** 20;
  let bytes = 0;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: count }, (_, n) => {
      const most = n < count * 0.8 ? enough : enough / 2;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let left = most;
      const range = n < count * 0.8 ? `Range: bytes=0-${enough - 1}\r\n` : '';
      const socket = connect({ host: url.hostname, port: Number(url.port) });
      socket.write(`GET /${nar} HTTP/1.1\r\nHost: bench\r\n${range}\r\n`);
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        left -= chunk.length;
        if (left <= 0) socket.destroy();
      });
      socket.on('error', reject).on('close', () => (left <= 0 ? resolve() : reject(new Error('cut'))));
      return promise;
    }),
  );
  return bytes / 1000 / (performance.now() - begun);
}

interface Taken {
  readonly ms: number;
  readonly bytes: number;
  readonly count: number;
}

/** Each client for some time in each turn, after a turn that does not count. @param first how long that one takes, in seconds */
async function inTurns<Client>(
  clients: readonly Client[],
  seconds: number,
  get: (client: Client, n: number) => Promise<number>,
  first = seconds / turns,
): Promise<Taken[]> {
  const sums = clients.map(() => ({ ms: 0, bytes: 0, count: 0 }));
  for (let turn = 0; turn <= turns; turn++)
    for (const [index, client] of clients.entries()) {
      const sum = sums[index] as { ms: number; bytes: number; count: number };
      const begun = performance.now();
      const length = turn === 0 ? first : seconds / turns;
      for (const stop = begun + length * 1000; performance.now() < stop; sum.count++)
        sum.bytes += await get(client, sum.count);
      sum.ms += performance.now() - begun;
      if (turn === 0) Object.assign(sum, { ms: 0, bytes: 0, count: 0 });
    }
  return sums;
}

/** Bytes that no compression makes less of. */
function createNoise(megabytes: number): Buffer {
  return createHash('shake256', { outputLength: megabytes * 2 ** 20 })
    .update('bench')
    .digest();
}
