import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { narUrl } from '../adapters/http/cache/nar-url.ts';
import { writeNar } from '../domain/store/nar-writer.ts';
import { encodeNixBase32 } from '../domain/store/nix-base32.ts';
import { makeSourcePath } from '../domain/store/store-path.ts';

/** A real coordinator in a process of its own, on a fresh folder. */
export async function startCoordinatorProcess(dir: string) {
  const child = fork(new URL('./cache/serve.ts', import.meta.url), [dir], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const early = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the coordinator ended with ${code}`)));
  early.catch(() => undefined);
  const [told] = (await Promise.race([once(child, 'message'), early])) as [{ url: string; tokenFile: string }];
  const url = new URL(told.url);
  const token = (await readFile(told.tokenFile, 'utf8')).trim();
  const authorization = `Bearer ${token}`;
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
    token,
    pid: child.pid as number,
    /** Uploads one file as a source, uncompressed; returns the hash part of its path, and where its NAR is. */
    async add(name: string, contents: Buffer): Promise<{ readonly hashPart: string; readonly url: string }> {
      const nar = await packed(contents);
      const digest = createHash('sha256').update(nar).digest();
      const path = makeSourcePath(name, digest, [], false, '/nix/store').slice('/nix/store/'.length);
      const sizes = { narSize: nar.length, fileSize: nar.length, narHash: `sha256:${encodeNixBase32(digest)}` };
      const declaration = JSON.stringify({ path, ...sizes, references: [], compression: 'none' });
      const { id } = await send('POST', '/v1/uploads', { 'content-type': 'application/json' }, declaration);
      const headers = { 'content-type': 'application/octet-stream', 'upload-offset': '0' };
      const { finished } = await send('PATCH', `/v1/uploads/${id}`, headers, new Uint8Array(nar));
      if (!finished) throw new Error(`expected the upload of ${path} to be finished`);
      return { hashPart: path.slice(0, 32), url: narUrl({ hash: sizes.narHash, compression: 'none' }) };
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
