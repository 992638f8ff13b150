import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveSandboxPath, resolveSandboxPaths } from '../../../../adapters/builder/nix/sandbox-paths.ts';
import { defaultSandboxPaths } from '../../../../agent/sandbox-paths.ts';

test('a path of the sandbox names its source by where it really is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-sandbox-'));
  try {
    const at = (...names: string[]) => join(folder, ...names);
    await mkdir(at('usr', 'lib64'), { recursive: true });
    await symlink('usr/lib64', at('lib64'));
    await symlink('lib64', at('lib'));
    await writeFile(at('usr', 'dash'), '');
    await symlink('dash', at('usr', 'sh'));
    assert.equal(resolveSandboxPath(at('usr', 'lib64')), at('usr', 'lib64'));
    assert.equal(resolveSandboxPath(at('lib64')), `${at('lib64')}=${at('usr', 'lib64')}`);
    assert.equal(resolveSandboxPath(`${at('lib')}?`), `${at('lib')}=${at('usr', 'lib64')}`, 'a link to a link');
    assert.equal(resolveSandboxPath(`/bin/sh=${at('usr', 'sh')}`), `/bin/sh=${at('usr', 'dash')}`);
    assert.equal(resolveSandboxPath(`${at('lib32')}?`), undefined, 'absent, and may be');
    assert.equal(resolveSandboxPath(at('lib32')), at('lib32'), 'absent, and may not be: Nix says so');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('no path of the sandbox is below another: Nix would empty the file of the machine', () => {
  const resolve = (...entries: string[]) => resolveSandboxPaths(entries, '/nix/store');
  assert.deepEqual(resolve('/absent/a?', '/absent/ab?', '/absent/a?'), [], 'neither is below the other');
  assert.doesNotThrow(() => resolveSandboxPaths([...defaultSandboxPaths, '/usr/bin', '/etc/ssl?'], '/nix/store'));
  assert.throws(
    () => resolve('/usr/bin', '/usr/bin/env'),
    /none is below another, got \/usr\/bin\/env below \/usr\/bin:/,
  );
  assert.throws(() => resolve('/bin/sh=/usr/bin/dash', '/bin?'), /got \/bin\/sh below \/bin:/);
  assert.throws(() => resolve('/tools/=/opt/tools', '//tools/./x'), /got \/tools\/x below \/tools:/);
});

test('the sandbox shows no folder as a whole in which Nix puts files', () => {
  for (const entry of ['/etc', '/etc/?', '/=/srv/root'])
    assert.throws(
      () => resolveSandboxPaths([entry], '/nix/store'),
      /paths that \/(etc|nix\/store) is not part of, got \//,
    );
  for (const entry of ['/gnu', '/gnu/store?', '/'])
    assert.throws(() => resolveSandboxPaths([entry], '/gnu/store'), /paths that \/gnu\/store is not part of, got \//);
  assert.deepEqual(resolveSandboxPaths(['/nix/store/absent?'], '/nix/store'), []);
});
