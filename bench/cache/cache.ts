import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeNar } from '../../domain/store/nar-writer.ts';
import { encodeNixBase32 } from '../../domain/store/nix-base32.ts';
import { makeSourcePath } from '../../domain/store/store-path.ts';
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
  for (let n = 0; n < small; n++) hashes.push(await coordinator.add(`small-${n}`, Buffer.alloc(1000, `${n} `)));
  const big = await coordinator.add('big', createNoise(quick ? 16 : 256));

  using drover = await connectPlainly(coordinator.url);
  for (const hash of [...hashes, big])
    await writeFile(join(root, `${hash}.narinfo`), await drover.fetch(`/${hash}.narinfo`));
  const nar = /^URL: (.*)$/m.exec((await drover.fetch(`/${big}.narinfo`)).toString())?.[1];
  if (nar === undefined) throw new Error('expected a URL in the narinfo');
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

async function startCoordinatorProcess(dir: string) {
  const child = fork(new URL('./serve.ts', import.meta.url), [dir], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const early = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the coordinator ended with ${code}`)));
  early.catch(() => undefined);
  const [told] = (await Promise.race([once(child, 'message'), early])) as [{ url: string; tokenFile: string }];
  const url = new URL(told.url);
  const authorization = `Bearer ${(await readFile(told.tokenFile, 'utf8')).trim()}`;
  async function send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer>,
  ): Promise<{ id: string; finished: boolean }> {
    const answer = await fetch(new URL(path, url), { method, headers: { authorization, ...headers }, body });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as { id: string; finished: boolean };
  }
  return {
    url,
    /** Uploads one file as a source, uncompressed; returns the hash part of its path. */
    async add(name: string, contents: Buffer): Promise<string> {
      const nar = await packed(contents);
      const digest = createHash('sha256').update(nar).digest();
      const path = makeSourcePath(name, digest, [], false, '/nix/store').slice('/nix/store/'.length);
      const sizes = { narSize: nar.length, fileSize: nar.length, narHash: `sha256:${encodeNixBase32(digest)}` };
      const declaration = JSON.stringify({ path, ...sizes, references: [], compression: 'none' });
      const { id } = await send('POST', '/v1/uploads', { 'content-type': 'application/json' }, declaration);
      const headers = { 'content-type': 'application/octet-stream', 'upload-offset': '0' };
      const { finished } = await send('PATCH', `/v1/uploads/${id}`, headers, new Uint8Array(nar));
      if (!finished) throw new Error(`expected the upload of ${path} to be finished`);
      return path.slice(0, 32);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.disconnect();
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(late);
    },
  };
}

async function packed(contents: Buffer): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  async function* once(): AsyncGenerator<Uint8Array> {
    yield contents;
  }
  for await (const part of writeNar({ type: 'regular', executable: false, size: contents.length, contents: once }))
    parts.push(part);
  return Buffer.concat(parts);
}

/** Bytes that no compression makes less of. */
function createNoise(megabytes: number): Buffer {
  return createHash('shake256', { outputLength: megabytes * 2 ** 20 })
    .update('bench')
    .digest();
}
