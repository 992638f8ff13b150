import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveSandboxPath } from '../../../../adapters/builder/nix/sandbox-paths.ts';

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
