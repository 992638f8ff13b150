import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, cp, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

describe('cli/bin.js', () => {
  let folder: string;
  let oldNode: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-launcher-'));
    // Makes this process say that it is Node 20; the one that it starts in its place does not load this.
    oldNode = join(folder, 'old-node.cjs');
    await writeFile(oldNode, `Object.defineProperty(process.versions, 'node', { value: '20.0.0' });\n`);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function start(argv: readonly string[], script = bin) {
    return spawnSync(
      process.execPath,
      [...argv.slice(0, argv.indexOf('--')), script, ...argv.slice(argv.indexOf('--') + 1)],
      {
        encoding: 'utf8',
      },
    );
  }

  it('runs the command line', () => {
    const { status, stdout } = start(['--', '--version']);
    assert.equal(status, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('runs it by the Node of the package where its own is too old, and passes the exit code on', () => {
    const good = start(['--require', oldNode, '--', '--version']);
    assert.equal(good.status, 0, good.stderr);
    assert.match(good.stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal(start(['--require', oldNode, '--', 'nonsense']).status, 2);
  });

  it('works through a link, as npm makes it', async () => {
    const link = join(folder, 'drover');
    await symlink(bin, link);
    assert.equal(start(['--require', oldNode, '--', '--version'], link).status, 0);
  });

  it('keeps what it has compiled in a folder of the user alone', async () => {
    const cacheOf = async (home: string) => {
      await mkdir(home, { recursive: true });
      const { PATH } = process.env;
      const { status } = spawnSync(process.execPath, [bin, '--version'], { env: { PATH, HOME: home } });
      assert.equal(status, 0);
      return join(home, '.cache/drover/compiled');
    };
    const cache = await cacheOf(join(folder, 'own'));
    assert.equal((await stat(cache)).mode & 0o777, 0o700);
    assert.notDeepEqual(await readdir(cache, { recursive: true }), []);

    // Nobody else's, who could write what is run.
    if (process.getuid?.() === 0) {
      const theirs = join(folder, 'theirs');
      await mkdir(theirs);
      await chown(theirs, 12345, 12345);
      assert.equal(existsSync(await cacheOf(theirs)), false);
    }
  });

  it('says what to do where there is no Node for it', async () => {
    const alone = join(folder, 'alone');
    await cp(bin, join(alone, 'bin.mjs'));
    const { status, stderr } = start(['--require', oldNode, '--', '--version'], join(alone, 'bin.mjs'));
    assert.equal(status, 1);
    assert.match(stderr, /^drover: Node\.js 24 or newer is needed, .*\nhint: in a clone, run "npm run setup"/);
  });
});
