import assert from 'node:assert/strict';
import { lstat, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryFolder } from '../support/agent-harness.ts';
import { fakeCoordinator } from './support/fake-coordinator.ts';
import { run, testNow } from './support/run-cli.ts';

const coordinator = () =>
  fakeCoordinator({
    'POST /v1/agents': () => ({ status: 201, json: { name: 'w', secret: 'drover_1_new' } }),
    'POST /v1/tokens': () => ({ status: 201, json: { id: 't-1', secret: 'drover_1_new' } }),
    'POST /v1/agents/w/rotate-token': () => ({
      status: 201,
      json: { name: 'w', id: '1', secret: 'drover_1_new', replaced: ['0'], until: testNow + 7_200_000 },
    }),
  });

const makers = ['agents add w', 'tokens create ci --scope read', 'agents rotate-token w'];

describe('a new token', () => {
  it('goes to a file that only its owner can read, and is printed nowhere', async () => {
    await using server = await coordinator();
    for (const words of makers) {
      await using folder = await temporaryFolder();
      const file = join(folder.path, 'new.token');
      for (const json of [[], ['--json']]) {
        const args = [...words.split(' '), '--url', server.url, '--token-file', file, '--force', ...json];
        const { code, out, err } = await run(args);
        assert.equal(code, 0, err);
        assert.doesNotMatch(out + err, /drover_1_new/, words);
        assert.equal(await readFile(file, 'utf8'), 'drover_1_new\n');
        assert.equal((await lstat(file)).mode & 0o777, 0o600);
        assert.deepEqual(await readdir(folder.path), ['new.token']);
      }
    }
  });

  it('fills an empty file, whose mode becomes 0600', async () => {
    await using server = await coordinator();
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'empty');
    await writeFile(file, '', { mode: 0o644 });
    assert.equal((await run(['agents', 'add', 'w', '--url', server.url, '--token-file', file])).code, 0);
    assert.equal((await lstat(file)).mode & 0o777, 0o600);
    assert.equal(await readFile(file, 'utf8'), 'drover_1_new\n');
  });

  it('is not asked for where it cannot be written', async () => {
    await using server = await coordinator();
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'notes');
    const link = join(folder.path, 'link');
    await writeFile(file, 'mine\n');
    await symlink(file, link);
    for (const [target, message] of [
      [file, /the file exists, and is not empty/],
      [link, /expected a file or nothing/],
      [folder.path, /expected a file or nothing/],
      [join(folder.path, 'none', 'such'), /ENOENT/],
    ] as const)
      for (const words of makers) {
        const { code, err } = await run([...words.split(' '), '--url', server.url, '--token-file', target]);
        assert.equal(code, 2);
        assert.match(err, message);
      }
    assert.equal(server.seen.length, 0);
    assert.equal(await readFile(file, 'utf8'), 'mine\n');
  });

  it('takes the place of the one that a rotation ends', async () => {
    await using server = await coordinator();
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'w.token');
    await writeFile(file, 'drover_0_old\n', { mode: 0o644 });
    const add = await run(['agents', 'add', 'w', '--url', server.url, '--token-file', file]);
    assert.equal(add.code, 2, 'a new agent gets no file of another');
    assert.match(add.err, /--admin-token-file/);
    const { code, err } = await run(['agents', 'rotate-token', 'w', '--url', server.url, '--token-file', file]);
    assert.equal(code, 0, err);
    assert.match(err, /Revoked in 2h: 0\. The agent has to have the new token by then\./);
    assert.equal(await readFile(file, 'utf8'), 'drover_1_new\n');
    assert.equal((await lstat(file)).mode & 0o777, 0o600);
  });

  it('leaves nothing behind where the coordinator refuses', async () => {
    await using server = await fakeCoordinator({
      'POST /v1/agents': () => ({ status: 409, json: { code: 'agent-exists', detail: 'there is one' } }),
    });
    await using folder = await temporaryFolder();
    const { code } = await run(['agents', 'add', 'w', '--url', server.url, '--token-file', join(folder.path, 'x')]);
    assert.equal(code, 1);
    assert.deepEqual(await readdir(folder.path), []);
  });

  it('comes with a warning where standard output is a file that others can read', async () => {
    await using server = await coordinator();
    const add = ['agents', 'add', 'w', '--url', server.url];
    assert.match((await run(add, { outFileMode: 0o644 })).err, /warning: .*mode 0644.*--token-file/);
    assert.doesNotMatch((await run(add, { outFileMode: 0o600 })).err, /warning/);
    assert.doesNotMatch((await run(add)).err, /warning/);
  });

  it('is made with the token of --admin-token-file', async () => {
    await using server = await coordinator();
    await using folder = await temporaryFolder();
    const admin = join(folder.path, 'admin.token');
    await writeFile(admin, 'drover_9_admin\n', { mode: 0o600 });
    const where = ['--admin-token-file', admin, '--token-file', join(folder.path, 'w')];
    assert.equal((await run(['agents', 'add', 'w', '--url', server.url, ...where])).code, 0);
    assert.equal(server.seen[0]?.headers.authorization, 'Bearer drover_9_admin');
  });

  it('overlaps for a time that is understood, or is refused', async () => {
    for (const wrong of ['-1', '1w', '31d', 'soon', '']) {
      const { code, err } = await run(['agents', 'rotate-token', 'w', '--overlap', wrong]);
      assert.equal(code, 2, wrong);
      assert.match(err, /Expected a time of at most 2592000 seconds like/);
    }
  });
});
