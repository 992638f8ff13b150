import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readClosure } from '../../../cli/submit/closure.ts';
import { openDerivationSource } from '../../../cli/submit/derivation-source.ts';
import { instantiate } from '../../../cli/submit/instantiate.ts';
import { readRequests } from '../../../cli/submit/requested.ts';
import { noNix } from '../../support/nix-store.ts';

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
      `rec { a = ${drv('a')}; b = ${drv('b', 'inherit a; src = ./source.txt;')}; bad = throw "on purpose"; }`,
    );
  });
  after(() => {
    spawnSync('chmod', ['-R', 'u+w', folder]);
    return rm(folder, { recursive: true, force: true });
  });

  it('gives derivations of a chroot store, which can be read there with their sources', async () => {
    const storeRoot = join(folder, 'root');
    const messages: string[] = [];
    const paths = await instantiate({ file, attributes: ['b'], storeRoot, onMessage: (text) => messages.push(text) });
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

  it('passes on what the evaluator says, and fails with it', async () => {
    let messages = '';
    const onMessage = (text: string) => {
      messages += text;
    };
    await assert.rejects(instantiate({ file, attributes: ['bad'], storeRoot: join(folder, 'root'), onMessage }), {
      code: 'evaluation-failed',
    });
    assert.match(messages, /on purpose/);
  });
});
