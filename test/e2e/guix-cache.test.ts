import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { renderNarinfo } from '../../domain/store/narinfo.ts';
import { makeOutputPath } from '../../domain/store/store-path.ts';
import { narOf, sha256Of, type Tree } from '../adapters/pool/nars.ts';
import { startDrover } from '../support/e2e/process.ts';
import { guixName, noGuix, openGuixMachine } from '../support/guix.ts';

/** A package whose derivation is as small as can be: nothing of Guix's own distribution has to be computed. */
const manifest = `
(use-modules (guix packages) (guix build-system) (guix derivations) (guix store) (guix profiles)
             ((guix licenses) #:prefix license:))
(define raw
  (build-system (name 'raw) (description "")
    (lower (lambda* (name #:key system #:allow-other-keys)
      (bag (name name) (system system)
           (build (lambda* (name inputs #:key system #:allow-other-keys)
                    (raw-derivation name "/bin/sh" '() #:system system))))))))
(packages->manifest
  (list (package (name "drover") (version "1") (source #f) (build-system raw)
                 (synopsis "") (description "") (home-page "") (license license:gpl3+))))
`;
const text = 'Derive([("out","","","")],[],[],"x86_64-linux","/bin/sh",[],[("out","")])';
const modulo = createHash('sha256').update(text).digest('hex');
const output = makeOutputPath('drover-1', 'out', modulo, guixStoreDir).slice(guixStoreDir.length + 1);
const input = `${'a'.repeat(32)}-drover-c++`;

test(`${guixName} fetches closures once it trusts the key, and not before`, { skip: noGuix }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-guix-cache-'));
  const data = join(folder, 'data');
  const coordinator = startDrover([
    'coordinator',
    ...['--data', data],
    ...['--listen', '127.0.0.1:0'],
    ...['--other-store-dirs', guixStoreDir],
  ]);
  await using machine = await openGuixMachine();
  try {
    const [, url] = (await coordinator.says(/"url":"(http:[^"]+)"/)) ?? [];
    assert.ok(url, coordinator.said());
    const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim();
    await push(`${url}/guix/`, token, input, 'hello\n'.repeat(1000), []);
    await push(`${url}/guix/`, token, output, { bin: { hello: `${guixStoreDir}/${input}` } }, [input]);

    await machine.startDaemon(`--substitute-urls=${url}/guix`);
    const isThere = (path: string): boolean => existsSync(join(machine.store, path));
    // Ends well whether anything could be fetched or not.
    await said(machine.start('guix', 'build', `${guixStoreDir}/${output}`));
    assert.deepEqual([isThere(output), isThere(input)], [false, false]);

    machine.run(['guix', 'archive', '--authorize'], await readFile(join(data, 'guix-key.pub')));
    const build = await said(machine.start('guix', 'build', `${guixStoreDir}/${output}`));
    assert.deepEqual([isThere(output), isThere(input)], [true, true], build);
    assert.equal(await readFile(join(machine.store, output, 'bin/hello'), 'utf8'), `${guixStoreDir}/${input}`);

    // The real server of Guix says the same of them, with the same key, but for the size that it gives for one of two.
    for (const part of ['pub', 'sec'])
      await copyFile(join(data, `guix-key.${part}`), join(machine.configuration, `signing-key.${part}`));
    const port = await machine.startPublish('-C', 'gzip:0', '-C', 'gzip', '--ttl=1h');
    for (const path of [input, output]) {
      const texts: Promise<string>[] = [`${url}/guix`, `http://127.0.0.1:${port}`].map(
        async (cache): Promise<string> => {
          const answer = await fetch(`${cache}/${path.slice(0, 32)}.narinfo`);
          assert.equal(answer.headers.get('content-type')?.replace(' ', ''), 'application/x-nix-narinfo;charset=utf-8');
          return (await answer.text()).replaceAll(/^FileSize: .*\n/gm, '');
        },
      );
      const [ours, theirs]: string[] = await Promise.all(texts);
      assert.equal(ours, theirs);
    }

    const file = join(dirname(machine.store), 'manifest.scm');
    await writeFile(file, manifest);
    const weather = ['guix', 'weather', '-s', 'x86_64-linux', `--substitute-urls=${url}/guix`, '-m', file];
    const forecast = await said(machine.start(...weather));
    assert.match(forecast, /100\.0% substitutes available \(1 out of 1\)/);
    assert.doesNotMatch(forecast, /unauthorized/);
  } finally {
    await coordinator.killGroup();
    await rm(folder, { recursive: true, force: true });
  }
});

/** What it wrote until its end, however that was. */
function said(child: ChildProcess): Promise<string> {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  return new Promise((resolve) => child.once('close', () => resolve(text)));
}

/** As `nix copy` does it. */
async function push(cache: string, token: string, path: string, tree: Tree, references: string[]): Promise<void> {
  const nar = await narOf(tree);
  const hash = sha256Of(nar);
  const url = `nar/${hash.slice('sha256:'.length)}.nar`;
  const facts = { narHash: hash, narSize: nar.length, fileHash: hash, fileSize: nar.length, references };
  const info = { storePath: `${guixStoreDir}/${path}`, url, compression: 'none', ...facts, signatures: [] };
  for (const [name, body] of [
    [url, nar],
    [`${path.slice(0, 32)}.narinfo`, renderNarinfo(info)],
  ] as const) {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(cache + name, {
      method: 'PUT',
      headers,
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
    assert.ok(answer.ok, `${name}: ${answer.status} ${await answer.text()}`);
  }
}
