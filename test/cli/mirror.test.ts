import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockCacheFolder } from '../../adapters/mirror/folder-lock.ts';
import { run } from './support/run-cli.ts';

const root = mkdtempSync(join(tmpdir(), 'drover-mirror-cli-'));
after(() => rmSync(root, { recursive: true, force: true }));

it('says of --keys what was expected, where it is neither a key nor a file', async () => {
  const { code, err } = await run([
    'mirror',
    '--to',
    join(root, 'keys'),
    '--keys',
    'zz',
    '--url',
    'http://127.0.0.1:1',
  ]);
  assert.equal(code, 2);
  assert.match(err, /--keys: expected NAME:BASE64, or a file with that, got zz: ENOENT.* \(unusable-key\)$/m);
});

/** Nobody is asked before the folder is looked at. */
const mirror = (folder: string) =>
  run(['mirror', '--to', folder, '--once', '--url', 'http://127.0.0.1:1'], { environment: { DROVER_TOKEN: 't' } });

describe('drover mirror on a folder that it cannot have', () => {
  it('names who writes there, and where to look', async () => {
    using _ = lockCacheFolder(root);
    const { code, err } = await mirror(root);
    assert.equal(code, 1);
    assert.match(
      err,
      new RegExp(`process ${process.pid} on .* does to ${root}.*\\(folder-in-use\\)\nhint: .*'drover hooks list'`),
    );
  });

  it('takes no data folder of a coordinator, whose keys a web server would give out', async () => {
    for (const name of ['events.db', 'log-id']) {
      const data = join(root, `with-${name}`);
      mkdirSync(data);
      writeFileSync(join(data, name), '');
      const { code, err } = await mirror(data);
      assert.equal(code, 1);
      assert.match(err, /expected a folder for a cache, got the data folder of a coordinator: .*\(unusable-folder\)/);
      assert.deepEqual(readdirSync(data), [name]);
    }
  });

  it('says what is in the way, without a stack', async () => {
    const newer = join(root, 'newer');
    mkdirSync(newer);
    writeFileSync(join(newer, '.drover-mirror.json'), '{"version":2}');
    const linked = join(root, 'linked');
    mkdirSync(linked);
    symlinkSync(newer, join(linked, 'nar'));
    const piped = join(root, 'piped');
    const stated = join(root, 'stated');
    for (const [folder, name] of [
      [piped, `${'0'.repeat(32)}.narinfo`],
      [stated, '.drover-mirror.json'],
    ] as const) {
      mkdirSync(folder);
      execFileSync('mkfifo', [join(folder, name)]);
    }
    for (const [folder, expected] of [
      [piped, /0\.narinfo: expected a regular file, got a named pipe \(unusable-folder\)$/m],
      [stated, /mirror\.json: expected a regular file, got a named pipe \(unusable-folder\)$/m],
      [newer, /expected version 1, got 2.*\(unusable-folder\)$/m],
      [linked, /expected a folder, got a symbolic link.*\(unusable-folder\)$/m],
    ] as const) {
      const { code, err } = await mirror(folder);
      assert.equal(code, 1);
      assert.match(err, expected);
      assert.doesNotMatch(err, /unexpected error|^ {4}at /m);
    }
  });
});
