import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataDir } from '../../../adapters/data-dir/data-dir.ts';
import { explainDataDirError } from '../../../adapters/data-dir/data-dir-error.ts';
import { writeFileDurably } from '../../../adapters/data-dir/durable.ts';
import { ensureSecretFile } from '../../../adapters/data-dir/secret-file.ts';

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'drover-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('the data folder', () => {
  it('is made with its subfolders, for the owner only', async () => {
    await using folder = await temporaryFolder();
    const dir = await openDataDir(join(folder.path, 'a', 'b'));
    for (const path of [dir.path, dir.pool, dir.logs, dir.derivations]) assert.equal(await modeOf(path), 0o700, path);
    assert.equal(dir.file('events.db'), join(folder.path, 'a', 'b', 'events.db'));
    assert.deepEqual((await readdir(dir.path)).sort(), ['derivations', 'logs', 'pool']);
    await openDataDir(dir.path);
  });

  it('that is a file, or below one, is refused', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    for (const path of [file, join(file, 'below')]) {
      await assert.rejects(openDataDir(path), {
        name: 'DataDirError',
        code: 'not-a-directory',
        message: new RegExp(path),
      });
    }
  });

  it('says what is wrong with it', () => {
    for (const [systemCode, code] of [
      ['EROFS', 'read-only'],
      ['EACCES', 'no-permission'],
      ['ENOSPC', 'disk-full'],
      ['EIO', 'unreadable'],
    ]) {
      const cause = Object.assign(new Error('failed'), { code: systemCode });
      const explained = explainDataDirError('/data', cause);
      assert.equal(explained.code, code);
      assert.match(explained.message, /^expected .*\/data/);
      assert.equal(explained.cause, cause);
    }
  });
});

describe('a secret file', () => {
  it('is made once, for the owner only, and never again', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'admin-token');
    assert.deepEqual(await ensureSecretFile(path, () => 'first'), { text: 'first', created: true });
    assert.deepEqual(await ensureSecretFile(path, () => assert.fail('made again')), { text: 'first', created: false });
    assert.equal(await modeOf(path), 0o600);
    assert.deepEqual(await readdir(folder.path), ['admin-token']);
  });

  it('that somebody else makes meanwhile is taken as it is', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'admin-token');
    const made = await ensureSecretFile(path, async () => {
      await writeFile(path, 'theirs');
      return 'ours';
    });
    assert.deepEqual(made, { text: 'theirs', created: false });
    assert.equal(await readFile(path, 'utf8'), 'theirs');
  });

  it('is not hindered by what a crash left', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'cache-key.sec');
    await writeFile(`${path}.tmp`, 'half');
    assert.equal((await ensureSecretFile(path, () => 'whole')).text, 'whole');
    assert.deepEqual(await readdir(folder.path), ['cache-key.sec']);
  });

  it('where none can be is refused with a reason', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'file'), '');
    await assert.rejects(
      ensureSecretFile(join(folder.path, 'file', 'key'), () => 'x'),
      { code: 'not-a-directory' },
    );
    await assert.rejects(
      ensureSecretFile(folder.path, () => 'x'),
      { name: 'DataDirError' },
    );
  });
});

it('a durable write replaces the whole file or nothing', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'file');
  await writeFileDurably(path, 'one');
  await writeFileDurably(path, 'two');
  assert.equal(await readFile(path, 'utf8'), 'two');
  await assert.rejects(writeFileDurably(folder.path, 'x'), { code: 'EISDIR' });
  assert.deepEqual(await readdir(folder.path), ['file']);
});
