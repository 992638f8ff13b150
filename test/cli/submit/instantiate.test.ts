import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readClosure } from '../../../cli/submit/closure.ts';
import { openDerivationSource } from '../../../cli/submit/derivation-source.ts';
import { evaluateFlake } from '../../../cli/submit/flake.ts';
import { instantiate } from '../../../cli/submit/instantiate.ts';
import { readRequests } from '../../../cli/submit/requested.ts';
import { noNix } from '../../support/nix-store.ts';
import { nixVersions } from '../../support/nix-versions.ts';

describe('instantiate', { skip: noNix }, () => {
  let folder: string;
  let file: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-instantiate-'));
    file = join(folder, 'default.nix');
    const drv = (name: string, rest = '') =>
      `derivation { name = "${name}"; system = "x"; builder = "/bin/sh"; ${rest} }`;
    await writeFile(join(folder, 'source.txt'), 'hello');
    await writeFile(
      file,
      `rec { a = ${drv('a')}; b = ${drv('b', 'inherit a; src = ./source.txt;')}; bad = throw "on purpose"; named = name: derivation { inherit name; system = "x"; builder = "/bin/sh"; }; }`,
    );
  });
  after(() => {
    spawnSync('chmod', ['-R', 'u+w', folder]);
    return rm(folder, { recursive: true, force: true });
  });

  it('gives derivations of a chroot store, which can be read there with their sources', async () => {
    const storeRoot = join(folder, 'root');
    const messages: string[] = [];
    const paths = await instantiate({
      from: { file },
      attributes: ['b'],
      storeRoot,
      onMessage: (text) => messages.push(text),
    });
    assert.equal(paths.length, 1);
    assert.deepEqual(
      messages.filter((text) => /error/.test(text)),
      [],
    );
    const source = openDerivationSource({ storeDir: '/nix/store', storeRoot });
    const [{ derivation, outputs } = { derivation: '' }] = readRequests(paths, source);
    assert.deepEqual(outputs, new Set(['out']));
    const closure = await readClosure([derivation], source);
    assert.deepEqual(
      closure.order.map((base) => base.slice(33)),
      ['a.drv', 'b.drv'],
    );
    assert.deepEqual(
      [...closure.sources].map((base) => base.slice(33)),
      ['source.txt'],
    );
  });

  it('passes arguments on as nix-instantiate takes them, and takes the text of an expression', async () => {
    const storeRoot = join(folder, 'root');
    const text = `{ n, t }: (import ${file}).named "n${'$'}{toString n}-${'$'}{t}"`;
    const extra = ['--arg', 'n', '-1 + 3', '--argstr', 't', '-x'];
    const [path = ''] = await instantiate({ from: { text }, attributes: [], extra, storeRoot, onMessage: () => {} });
    assert.equal(path.slice('/nix/store/'.length + 33), 'n2--x.drv!out');
  });

  it('passes on what the evaluator says, and fails with it', async () => {
    let messages = '';
    const onMessage = (text: string) => {
      messages += text;
    };
    await assert.rejects(
      instantiate({ from: { file }, attributes: ['bad'], storeRoot: join(folder, 'root'), onMessage }),
      {
        code: 'evaluation-failed',
      },
    );
    assert.match(messages, /on purpose/);
  });
});

describe('evaluateFlake', () => {
  let folder: string;
  let reference: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-flake-'));
    reference = `path:${folder}/flake`;
    await mkdir(join(folder, 'flake'));
    const drv = `derivation { name = "d"; system = "x"; builder = "/bin/sh"; outputs = [ "out" "bin" ]; }`;
    await writeFile(
      join(folder, 'flake/flake.nix'),
      `{ outputs = { self }: rec { d = ${drv}; some = d // { meta.outputsToInstall = [ "bin" ]; }; one = d.bin // { outputSpecified = true; }; five = 5; }; }`,
    );
  });
  after(() => {
    spawnSync('chmod', ['-R', 'u+w', folder]);
    return rm(folder, { recursive: true, force: true });
  });

  for (const { name, skip, bin } of nixVersions)
    it(`gives a derivation with the outputs that nix build builds: ${name}`, { skip }, async (context) => {
      const path = process.env.PATH;
      context.after(() => {
        process.env.PATH = path;
      });
      process.env.PATH = [...(bin === undefined ? [] : [bin]), path].join(':');
      let messages = '';
      const onMessage = (text: string) => {
        messages += text;
      };
      const evaluate = async (attribute: string) => {
        const storeRoot = join(folder, 'root');
        const drv = await evaluateFlake({ reference: `${reference}#${attribute}`, storeRoot, onMessage });
        return readRequests([drv], openDerivationSource({ storeDir: '/nix/store', storeRoot }))[0];
      };
      const derivation = (await evaluate('d'))?.derivation ?? '';
      assert.equal(derivation.slice(33), 'd.drv');
      const onlyBin = { derivation, outputs: new Set(['bin']) };
      assert.deepEqual(await evaluate('d^bin'), onlyBin);
      if (bin !== undefined) return;
      assert.deepEqual(await evaluate('some'), onlyBin);
      assert.deepEqual(await evaluate('one'), onlyBin);
      assert.deepEqual(await evaluate('d'), { derivation, outputs: new Set(['out']) });
      assert.deepEqual(await evaluate('d^*'), { derivation });
      await assert.rejects(evaluate('five'), { code: 'evaluation-failed' });
      assert.match(messages, /expected a derivation/);
    });

  it('says that a Nix without flakes has none', async (context) => {
    const path = process.env.PATH;
    context.after(() => {
      process.env.PATH = path;
    });
    // As Nix 2.3.7 of Debian 11 was seen to say it, which is too old to be set up here.
    await writeFile(join(folder, 'nix'), `#!/bin/sh\necho "error: unrecognised flag '$1'" >&2\nexit 1\n`, {
      mode: 0o755,
    });
    process.env.PATH = `${folder}:${path}`;
    await assert.rejects(evaluateFlake({ reference, onMessage: () => {} }), { code: 'no-flakes' });
    process.env.PATH = join(folder, 'nowhere');
    await assert.rejects(evaluateFlake({ reference, onMessage: () => {} }), {
      code: 'no-nix',
      hint: '--flake needs Nix on PATH',
    });
  });
});
