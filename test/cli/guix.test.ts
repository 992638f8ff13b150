import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { createExportReader, writeExport } from '../../domain/guix/export.ts';
import { formatGuixPublicKey, makeGuixKey, parseAcl, parseGuixSecretKey } from '../../domain/guix/keys.ts';
import { writeNar } from '../../domain/store/nar-writer.ts';
import { makeTextPath } from '../../domain/store/store-path.ts';
import { becomes } from '../support/becomes.ts';
import { type Farm, startFarm } from '../support/e2e/farm.ts';
import { readDerivation } from '../support/fixtures.ts';
import { busyboxFolder, type GuixMachine, guixName, noGuix, openGuixMachine } from '../support/guix.ts';
import { run } from './support/run-cli.ts';

/** One derivation of every kind, and one that needs them all; another with a source of its own. What it prints: their paths, then the outputs of the first. */
const script = (busybox: string): string => `
(use-modules (guix store) (guix derivations) (gcrypt hash) (rnrs bytevectors) (ice-9 match))
(with-store store
  (let* ((bb (add-to-store store "busybox" #t "sha256" "${busybox}"))
         (sh (string-append bb "/bin/sh"))
         (note (add-text-to-store store "gx-note.txt" (string-append "added without references, like a builder's script: " bb) '()))
         (bytes (add-to-store store "gx-bytes" #f "sha256" "/etc/debian_version"))
         (hash (sha256 (string->utf8 "hello\\n")))
         (make (lambda* (name #:key (builder sh) (arguments '("-c" "echo hello > $out")) (variables '()) (sources (list bb))
                              (inputs '()) (outputs '("out")) content recursive?)
                 (derivation store name builder arguments #:env-vars variables #:sources sources #:inputs inputs #:outputs outputs
                             #:system "x86_64-linux" #:hash content #:hash-algo (and content 'sha256) #:recursive? recursive?)))
         (two (make "gx-two" #:outputs '("dev" "out")))
         (flat (make "gx-flat" #:content hash))
         (recursive (make "gx-recursive" #:content hash #:recursive? #t))
         (download (make "gx-download" #:builder "builtin:download" #:arguments '() #:sources '()
                         #:variables '(("url" . "\\"http://127.0.0.1:1/x\\"")) #:content hash))
         (git (make "gx-git" #:builder "builtin:git-download" #:arguments '() #:sources '() #:recursive? #t
                    #:variables '(("url" . "\\"http://127.0.0.1:1/x\\"") ("commit" . "v1")) #:content hash))
         (top (make "gx-top" #:sources (list bb note bytes) #:variables (list (cons "note" note))
                    #:inputs (cons (derivation-input two '("dev" "out"))
                                   (map derivation-input (list flat recursive download git)))))
         (other (make "gx-other" #:sources (list (add-text-to-store store "gx-other.txt" "another" '()) bb)))
         (third (make "gx-third")))
    (for-each (lambda (drv) (display (derivation-file-name drv)) (newline)) (list top other third two flat recursive download git))
    (for-each (match-lambda ((name . path) (format #t "~a=~a~%" name path))) (derivation->output-paths two))))
`;

describe(`drover submit of derivations by ${guixName}`, { skip: noGuix }, () => {
  const resources = new AsyncDisposableStack();
  let machine: GuixMachine;
  let farm: Farm;
  let drvs: string[];
  let outputs: string[];
  let storeRoot: string;
  const base = (path: string): string => path.slice('/gnu/store/'.length);
  const submit = (args: readonly string[], stdin?: AsyncIterable<Uint8Array>) =>
    run(['submit', '--json', '--store-root', storeRoot, ...args], {
      ...(stdin && { stdin }),
      environment: { DROVER_URL: farm.url, DROVER_TOKEN: farm.adminToken },
    });

  before(async () => {
    farm = resources.use(await startFarm({ flags: ['--other-store-dirs', '/gnu/store'] }));
    machine = resources.use(await openGuixMachine());
    const folder = dirname(machine.store);
    await machine.startDaemon('--no-substitutes');
    await writeFile(join(folder, 'make.scm'), script(await busyboxFolder(folder)));
    const said = machine.run(['guix', 'repl', '--', join(folder, 'make.scm')]).stdout.toString();
    const lines = said.trim().split('\n');
    drvs = lines.filter((line) => line.endsWith('.drv'));
    outputs = lines.filter((line) => line.includes('='));
    storeRoot = join(folder, 'root');
    await mkdir(join(storeRoot, 'gnu'), { recursive: true });
    await symlink(machine.store, join(storeRoot, 'gnu/store'));
  });
  after(() => resources[Symbol.asyncDispose]());

  it('takes them from the store, every kind of them, and those of Nix in the same submission', async () => {
    const [top = '', , third = '', two = ''] = drvs;
    const { code, out, err } = await submit(['--guix', top]);
    assert.equal(code, 0, err);
    const submitted = JSON.parse(out);
    assert.deepEqual(
      [submitted.builds, submitted.uploadedDerivations, submitted.uploadedSources, submitted.absentSources],
      [6, 6, 3, []],
    );
    const { body } = await farm.request('GET', `/v1/builds?derivation=${base(two)}`);
    const detail = (await farm.request('GET', `/v1/builds/${body.rows[0].id}`)).body;
    assert.deepEqual(
      Object.entries(detail.outputs)
        .map(([name, path]) => `${name}=/gnu/store/${path}`)
        .sort(),
      outputs.sort(),
    );

    // The text of one of Nix goes in by itself; the submission names both.
    const nix = await readDerivation('flat-sha256');
    const line = JSON.stringify({ path: nix.name, text: Buffer.from(nix.bytes).toString('base64') });
    const headers = { 'content-type': 'application/x-ndjson' };
    assert.equal((await farm.request('POST', '/v1/derivations', { raw: `${line}\n`, headers })).status, 200);
    assert.equal((await submit(['--guix', '--no-inputs', third])).code, 0);
    const both = await farm.request('POST', '/v1/submissions', {
      body: { roots: [nix.name, base(third)], options: { priority: 0 }, inputs: true, force: true },
    });
    assert.deepEqual([both.status, both.body.builds], [201, 2], JSON.stringify(both.body));
  });

  /** Now and then the program itself ends in the middle of what it writes, with an error about what its daemon sent. */
  function exported(path: string): Buffer {
    for (let tries = 1; ; tries++)
      try {
        return machine.run(['guix', 'archive', '--export', '-r', path]).stdout;
      } catch (error) {
        if (tries === 3 || !/corrupt input while restoring archive/.test(String(error))) throw error;
      }
  }

  it('takes them from an archive on standard input, with their sources, and checks its signatures', async () => {
    const [, other = ''] = drvs;
    machine.run(['guix', 'archive', '--generate-key']);
    const archive = exported(other);
    const read = createExportReader({
      storeDir: '/gnu/store',
      maxNarSize: archive.length,
      trusted: parseAcl(
        `(acl (entry ${await readFile(join(machine.configuration, 'signing-key.pub'), 'utf8')} (tag (guix import))))`,
      ),
    });
    const paths = [...read.write(archive)].flatMap((part) => ('item' in part ? [part.item.path] : []));
    read.end();
    assert.ok(paths.includes(base(other)), paths.join());

    const pieces = async function* () {
      for (let at = 0; at < archive.length; at += 10_000) yield archive.subarray(at, at + 10_000);
    };
    const { code, out, err } = await submit(['--guix', '-'], pieces());
    assert.equal(code, 0, err);
    const { builds, uploadedDerivations, uploadedSources } = JSON.parse(out);
    // The other source, BusyBox, is there already.
    assert.deepEqual([builds, uploadedDerivations, uploadedSources], [1, 1, 1]);
    const cut = await submit(['--guix', '-'], Readable.from([archive.subarray(0, -8)]));
    assert.equal(cut.code, 2);
    assert.match(cut.err, /standard input: expected 1 before an item, or 0 at the end, got the end/);
  });

  it('writes archives that it imports', async () => {
    const bytes = Buffer.from('from drover');
    const path = makeTextPath('gx-imported', createHash('sha256').update(bytes).digest(), [], '/gnu/store');
    const contents = () => Readable.from([bytes]);
    const nar = writeNar({ type: 'regular', executable: false, size: bytes.length, contents });
    const key = parseGuixSecretKey(await readFile(join(machine.configuration, 'signing-key.sec'), 'utf8'));
    const archive = await buffer(
      Readable.from(writeExport([{ path, references: [], nar }], key), { objectMode: false }),
    );
    machine.run(['sh', '-c', 'guix archive --authorize < /etc/guix/signing-key.pub']);
    machine.run(['guix', 'archive', '--import'], archive);
    assert.equal(await readFile(join(machine.store, base(path)), 'utf8'), bytes.toString());
  });

  it('takes what guix build would build of an expression and a manifest', async () => {
    const [, , third = '', two = ''] = drvs;
    const folder = dirname(machine.store);
    const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
    await writeFile(
      join(folder, 'guix'),
      `#!/bin/sh\nexec ${machine.argv(['/usr/bin/guix']).map(quote).join(' ')} "$@"\n`,
    );
    await chmod(join(folder, 'guix'), 0o755);
    const read = (path: string) => `((@ (guix derivations) read-derivation-from-file) "${path}")`;
    await writeFile(
      join(folder, 'manifest.scm'),
      `(use-modules (guix profiles)) (manifest (list (manifest-entry (name "two") (version "1") (item ${read(two)}))))`,
    );
    const before = process.env.PATH;
    process.env.PATH = `${folder}:${before}`;
    try {
      const { code, out, err } = await submit([
        '-e',
        read(third),
        '--manifest',
        join(folder, 'manifest.scm'),
        '-L',
        folder,
        '--force',
      ]);
      assert.equal(code, 0, err);
      assert.equal(JSON.parse(out).builds, 2);
      const bad = await submit(['-e', '(error "on purpose")']);
      assert.equal(bad.code, 1);
      assert.match(bad.err, /on purpose[\s\S]*guix build -d -e \(error "on purpose"\) failed with exit code 1/);
      process.env.PATH = '/nowhere';
      const none = await submit(['-e', read(third)]);
      assert.match(none.err, /cannot run guix: .*ENOENT[\s\S]*-e needs Guix on PATH/);
    } finally {
      process.env.PATH = before;
    }
  });

  it('takes what guix publish has baked, from its folder and over HTTP', async () => {
    const item = (await readdir(machine.store)).find((name) => name.endsWith('-gx-imported')) as string;
    const hash = item.slice(0, 32);
    const baked = join(machine.cache, 'gzip');
    await mkdir(baked, { recursive: true });
    const port = await machine.startPublish('--compression=gzip', '--cache=/var/cache/guix');
    const url = `http://127.0.0.1:${port}`;
    // The first question has it baked.
    await (await fetch(`${url}/${hash}.narinfo`)).text();
    await becomes(baked, () => existsSync(join(baked, `${item}.narinfo`)));
    const key = join(machine.configuration, 'signing-key.pub');
    const take = (...args: string[]) =>
      run(['import', 'nars', '--json', ...args], {
        environment: { DROVER_URL: farm.url, DROVER_TOKEN: farm.adminToken },
      });
    const other = join(dirname(machine.store), 'other.pub');
    await writeFile(other, formatGuixPublicKey(makeGuixKey(Buffer.alloc(32, 5)).publicKey));
    const refused = await take('--from', machine.cache, '--trusted-key', other);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /got one by another \(unauthorized-key\) \(bad-signature\)/);
    const first = await take('--from', machine.cache, '--trusted-key', key);
    assert.deepEqual([first.code, JSON.parse(first.out)], [0, { sent: [item], present: 0, refused: [] }], first.err);
    const again = await take('--from', url, '--trusted-key', key, `/gnu/store/${item}`);
    assert.deepEqual([again.code, JSON.parse(again.out).present], [0, 1], again.err);
    assert.equal((await farm.request('GET', `/guix/${hash}.narinfo`)).status, 200);
  });
});
