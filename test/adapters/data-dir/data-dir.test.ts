import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ensureAuditKey } from '../../../adapters/data-dir/audit-key.ts';
import { openDataDir } from '../../../adapters/data-dir/data-dir.ts';
import { explainDataDirError } from '../../../adapters/data-dir/data-dir-error.ts';
import { writeFileDurably } from '../../../adapters/data-dir/durable.ts';
import { ensureGuixKey, readGuixKey } from '../../../adapters/data-dir/guix-key.ts';
import { ensureSecretFile } from '../../../adapters/data-dir/secret-file.ts';
import { ensureSessionKey } from '../../../adapters/data-dir/session-key.ts';
import { formatGuixPublicKey, makeGuixKey } from '../../../domain/guix/keys.ts';

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

/** Somebody else; whoever runs these tests as root can be told apart from them. */
const stranger = 12_345;
const notRoot = process.geteuid?.() !== 0 && 'only root can give files to others';

describe('a data folder that was there before', () => {
  const made = async (path: string, mode: number) => {
    await mkdir(path);
    await chmod(path, mode);
  };
  const refused = (path: string, code: string, message: RegExp) =>
    assert.rejects(openDataDir(path), { name: 'DataDirError', code, message });

  it('is closed to others who could read it, and says so', async () => {
    await using folder = await temporaryFolder();
    for (const mode of [0o755, 0o750, 0o711, 0o704]) {
      const path = join(folder.path, mode.toString(8));
      await made(path, mode);
      await writeFile(join(path, 'events.db'), '');
      const { notices } = await openDataDir(path);
      assert.equal(await modeOf(path), 0o700);
      assert.match(notices.join(), new RegExp(`${path} could be read by others \\(mode 0${mode.toString(8)}\\)`));
      assert.deepEqual((await openDataDir(path)).notices, []);
    }
  });

  it('is closed while it is empty, where others could write to it, and refused once there is something in it', async () => {
    await using folder = await temporaryFolder();
    for (const mode of [0o777, 0o1777, 0o770, 0o702]) {
      const path = join(folder.path, mode.toString(8));
      await made(path, mode);
      await openDataDir(path);
      assert.equal(await modeOf(path), 0o700);
      await chmod(path, mode);
      await refused(path, 'unsafe-permissions', new RegExp(`then: chmod 700 ${path}$`));
      assert.equal(await modeOf(path), mode & 0o777, 'it stays as it was');
    }
  });

  it('may be behind a link of its own', async () => {
    await using folder = await temporaryFolder();
    const real = join(folder.path, 'real');
    await made(real, 0o755);
    await symlink(real, join(folder.path, 'link'));
    await openDataDir(join(folder.path, 'link'));
    assert.equal(await modeOf(real), 0o700);
  });

  it("that is somebody else's is refused, and what is in it", { skip: notRoot }, async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'data');
    await made(path, 0o700);
    await chown(path, stranger, stranger);
    await refused(path, 'foreign-owner', new RegExp(`belongs to uid ${stranger}.*chown 0 ${path}$`));
    await chown(path, 0, 0);
    await openDataDir(path);
    for (const name of ['admin.token', 'cache-key.sec', 'events.db']) {
      const file = join(path, name);
      await writeFile(file, 'planted', { mode: 0o600 });
      await chown(file, stranger, stranger);
      await refused(path, 'foreign-owner', new RegExp(`chown -h 0 ${file}$`));
      await rm(file);
      await symlink('/etc/hostname', file);
      await lchown(file, stranger, stranger);
      await refused(path, 'foreign-owner', new RegExp(file));
      await rm(file);
    }
    await chown(join(path, 'pool'), stranger, stranger);
    await refused(path, 'foreign-owner', /pool/);
  });

  it("behind somebody else's link is refused", { skip: notRoot }, async () => {
    await using folder = await temporaryFolder();
    const link = join(folder.path, 'link');
    await made(join(folder.path, 'real'), 0o700);
    await symlink('real', link);
    await lchown(link, stranger, stranger);
    await refused(link, 'foreign-owner', /chown -h 0 .*link$/);
  });
});

describe('a secret that was there before', () => {
  const read = (path: string) => ensureSecretFile(path, () => assert.fail('there is one'));

  it('that others can read is refused', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'admin token');
    await writeFile(path, 'secret');
    for (const mode of [0o644, 0o640, 0o604, 0o620, 0o666]) {
      await chmod(path, mode);
      const message = new RegExp(`mode 0${mode.toString(8)} at .*: chmod 600 '${path}'$`);
      await assert.rejects(read(path), { code: 'unsafe-permissions', message });
    }
    await chmod(path, 0o400);
    assert.equal((await read(path)).text, 'secret');
  });

  it("that is somebody else's is refused, also behind a link", { skip: notRoot }, async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'token');
    await writeFile(path, 'planted', { mode: 0o600 });
    await chown(path, stranger, stranger);
    await symlink(path, join(folder.path, 'link'));
    for (const name of ['token', 'link'])
      await assert.rejects(read(join(folder.path, name)), { code: 'foreign-owner', message: /chown 0 / });
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

it('the key of sessions is made once, for its owner only, and is one or is refused', async () => {
  await using folder = await temporaryFolder();
  const dir = await openDataDir(folder.path);
  const first = await ensureSessionKey(dir, (length) => Buffer.alloc(length, 1));
  assert.equal(first.length, 32);
  assert.deepEqual(await ensureSessionKey(dir, (length) => Buffer.alloc(length, 2)), first);
  assert.equal(await modeOf(dir.file('session.key')), 0o600);
  await writeFile(dir.file('session.key'), 'x');
  await assert.rejects(ensureSessionKey(dir, Buffer.alloc), { code: 'unusable-key', message: /session\.key: .*log/ });
});

describe('the audit key', () => {
  it('is made once, under a name of its own or the one that is set, and read again', async () => {
    await using folder = await temporaryFolder();
    const dir = { file: (name: string) => join(folder.path, name) };
    const seed = (length: number) => new Uint8Array(length).fill(3);
    const first = await ensureAuditKey(dir, 'farm.example/drover', seed);
    assert.match(first.publicKey, /^farm\.example\/drover\+[0-9a-f]{8}\+A/);
    assert.deepEqual(await ensureAuditKey(dir, undefined, seed), first);
    assert.equal(await readFile(dir.file('audit-key.pub'), 'utf8'), `${first.publicKey}\n`);
    assert.equal(await modeOf(dir.file('audit-key.sec')), 0o600);
    await rm(dir.file('audit-key.sec'));
    await assert.rejects(ensureAuditKey(dir, undefined, seed), {
      code: 'unusable-key',
      message: /auditors trust its other half/,
    });
    await rm(dir.file('audit-key.pub'));
    assert.match((await ensureAuditKey(dir, undefined, seed)).publicKey, /^drover-[0-9a-z]{10}\+/);
    await writeFile(dir.file('audit-key.sec'), 'x');
    await assert.rejects(ensureAuditKey(dir, undefined, seed), {
      message: /audit-key\.sec: expected an Ed25519 key.*Restore it/,
    });
  });
});

describe('the key of the cache for Guix', () => {
  const seed = (length: number) => new Uint8Array(length).fill(3);

  it('is made once, in files that Guix reads, and read again however its public half is laid out', async () => {
    await using folder = await temporaryFolder();
    const dir = { file: (name: string) => join(folder.path, name) };
    const made = await ensureGuixKey(dir, seed);
    assert.match(made.publicKey, /^\(public-key \n \(ecc \n {2}\(curve Ed25519\)\n {2}\(q #[0-9A-F]{64}#\)\n/);
    assert.equal(await readFile(dir.file('guix-key.pub'), 'utf8'), `${made.publicKey}\n`);
    assert.equal(await modeOf(dir.file('guix-key.sec')), 0o600);
    await writeFile(dir.file('guix-key.pub'), made.publicKey.replace(/\s+/g, ' '));
    assert.equal((await readGuixKey(dir))?.secretKey, made.secretKey);
    assert.equal((await readGuixKey(dir))?.publicKey, made.publicKey);
  });

  for (const [what, file, change, message] of [
    [
      'cut',
      'guix-key.sec',
      (text) => text.slice(0, 60),
      /guix-key\.sec: expected a secret key, .* got another text at byte 44/,
    ],
    [
      'of another curve',
      'guix-key.sec',
      (text) => text.replace('Ed25519', 'Ed448'),
      /guix-key\.sec: expected the curve Ed25519, got "Ed448"/,
    ],
    [
      'with the lines of DOS',
      'guix-key.sec',
      (text) => text.replaceAll('\n', '\r\n'),
      /guix-key\.sec: expected lines that end with LF/,
    ],
    [
      'of which half is another',
      'guix-key.sec',
      (text) => text.replace(/\(d #../, '(d #1F'),
      /guix-key\.sec: expected q to be the public half of d/,
    ],
    [
      'whose public file is another',
      'guix-key.pub',
      () => otherKey,
      /guix-key\.pub: expected .* which belongs to .*guix-key\.sec, got/s,
    ],
    [
      'whose public file is cut',
      'guix-key.pub',
      (text) => text.slice(0, 60),
      /guix-key\.pub: expected hexadecimal digits and "#", got/,
    ],
  ] as [string, string, (text: string) => string, RegExp][])
    it(`${what} is refused, by file and fault, and nothing of the secret is told`, async () => {
      await using folder = await temporaryFolder();
      const dir = { file: (name: string) => join(folder.path, name) };
      const { secretKey } = await ensureGuixKey(dir, seed);
      const path = dir.file(file);
      await writeFile(path, change(await readFile(path, 'utf8')));
      const d = /d #([0-9A-F]{20})/.exec(secretKey)?.[1] as string;
      await assert.rejects(ensureGuixKey(dir, seed), (error: Error & { code: string }) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes(d));
        return error.code === 'unusable-key';
      });
    });
});

const otherKey = formatGuixPublicKey(makeGuixKey(new Uint8Array(32).fill(9)).publicKey);

it('a durable write replaces the whole file or nothing', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'file');
  await writeFileDurably(path, 'one');
  await writeFileDurably(path, 'two');
  assert.equal(await readFile(path, 'utf8'), 'two');
  await assert.rejects(writeFileDurably(folder.path, 'x'), { code: 'EISDIR' });
  assert.deepEqual(await readdir(folder.path), ['file']);
});
