import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import type { UploadRefusal } from '../../../coordinator/ports/pool.ts';
import { declarationOf, hashPartOf, narOf, narStrings, noise } from './nars.ts';
import { filesIn, refusal, send, temporaryPool } from './pools.ts';

const file = ['(', 'type', 'regular', 'contents', 'x', ')'];
const entry = (name: string) => ['entry', '(', 'name', name, 'node', ...file, ')'];
const folder = (...names: string[]) =>
  narStrings('nix-archive-1', '(', 'type', 'directory', ...names.flatMap(entry), ')');
const link = (target: string) => narStrings('nix-archive-1', '(', 'type', 'symlink', 'target', target, ')');
const aPart = hashPartOf('a');
const bPart = hashPartOf('b');

describe('an upload is refused and leaves nothing', () => {
  const malformed: [string, Buffer][] = [
    ['entries out of order', folder('b', 'a')],
    ['an entry twice', folder('a', 'a')],
    ['an entry ..', folder('..')],
    ['an entry with a slash', folder('a/b')],
    ['an entry with NUL', folder('a\0b')],
    ['a target with NUL', link('a\0b')],
    ['no NAR at all', noise(5_000)],
    ['bytes after the end', Buffer.concat([folder('a'), Buffer.alloc(8)])],
    ['an end before the end', folder('a').subarray(0, -8)],
  ];
  for (const [name, nar] of malformed) {
    it(`for ${name}`, async () => {
      await expectRefusal('malformed-nar', nar, nar);
      await expectRefusal('malformed-nar', nar, zstdCompressSync(nar));
    });
  }

  it('for another NAR hash', async () => {
    const nar = await narOf('hello');
    await expectRefusal('wrong-nar-hash', nar, nar, { narHash: declarationOf(await narOf('hullo')).narHash });
  });

  it('for another NAR size', async () => {
    const nar = await narOf('hello');
    const packed = zstdCompressSync(nar);
    await expectRefusal('wrong-nar-size', nar, packed, { narSize: nar.length + 8 });
    await expectRefusal('wrong-nar-size', nar, packed, { narSize: nar.length - 8 });
    await expectRefusal('wrong-nar-size', nar, nar, { narSize: nar.length + 8 });
  });

  it('for a file that claims 2^64 - 8 bytes', async () => {
    const nar = overlong();
    await expectRefusal('wrong-nar-size', nar, nar);
  });

  it('for a bomb, before it is unpacked', async () => {
    const size = 64 * 1024 * 1024;
    const nar = await narOf({ a: Buffer.alloc(size) });
    // The declaration is of a NAR that has the same start; how large the file is shows after a few bytes.
    await expectRefusal('wrong-nar-size', nar, zstdCompressSync(nar), { narSize: 100_000 });
    // This one says so itself, and then goes on with zeros: the verifier stops at the end of what was declared.
    const small = await narOf({ a: Buffer.alloc(100_000) });
    const bomb = zstdCompressSync(Buffer.concat([small.subarray(0, 50_000), Buffer.alloc(size)]));
    await expectRefusal('wrong-nar-size', small, bomb);
  });

  it('for a reference that is declared and not there', async () => {
    const nar = await narOf(`see /gnu/store/${aPart}-a`);
    const references = [`${aPart}-a`, `${bPart}-b`];
    const { message } = await expectRefusal('wrong-references', nar, nar, { references }, []);
    assert.match(message, new RegExp(`declared, but not in the NAR: ${bPart}`));
  });

  it('for a reference that is there and not declared', async () => {
    const nar = await narOf({ bin: { tool: `${aPart} and ${bPart}` } });
    const changes = { references: [`${aPart}-a`] };
    const { message } = await expectRefusal('wrong-references', nar, zstdCompressSync(nar), changes, [
      bPart,
      hashPartOf('c'),
    ]);
    assert.match(message, new RegExp(`not declared: ${bPart}`));
  });

  it('for bytes after the compressed stream', async () => {
    const nar = await narOf(noise(300_000));
    const packed = zstdCompressSync(nar);
    for (const tail of [Buffer.from('x'), Buffer.alloc(4), Buffer.from('trailing bytes')]) {
      await expectRefusal('wrong-compression', nar, Buffer.concat([packed, tail]));
    }
  });

  it('for a compressed stream that ends too early', async () => {
    const nar = await narOf(noise(300_000));
    const packed = zstdCompressSync(nar, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    for (const length of [3, 1_000, packed.length - 1]) {
      await expectRefusal('wrong-compression', nar, packed.subarray(0, length));
    }
  });

  it('for a damaged compressed stream', async () => {
    const nar = await narOf(noise(300_000));
    const packed = zstdCompressSync(nar, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    const damaged = Buffer.from(packed);
    damaged[150_000] = (damaged[150_000] as number) ^ 1;
    await expectRefusal('wrong-compression', nar, damaged);
  });

  it('for thousands of tiny frames', async () => {
    const nar = await narOf(noise(20_000));
    const frames = Array.from({ length: nar.length }, (_, at) => zstdCompressSync(nar.subarray(at, at + 1)));
    const file = Buffer.concat(frames).subarray(0, 80_000);
    await expectRefusal('wrong-compression', nar, file);
  });

  it('for more bytes than declared', async () => {
    const nar = await narOf(noise(100_000));
    await expectRefusal('too-large', nar, Buffer.concat([nar, Buffer.alloc(1)]), {
      fileSize: nar.length,
      compression: 'none',
    });
  });

  it('for a size above the limit, before any byte', async () => {
    await using held = await temporaryPool({ maxNarSize: 1_000 });
    const nar = await narOf(noise(2_000));
    assert.equal(refusal(await held.pool.begin('sender', declarationOf(nar))).code, 'too-large');
    const small = await narOf('small');
    const large = declarationOf(small, small, { compression: 'zstd', fileSize: 1_000_000 });
    assert.equal(refusal(await held.pool.begin('sender', large)).code, 'too-large');
    assert.deepEqual(await filesIn(held.dir), []);
  });
});

it('a declaration that would become a bad path is thrown out', async () => {
  await using held = await temporaryPool();
  const nar = await narOf('hello');
  for (const changes of [{ path: '../../etc/passwd' }, { narHash: 'sha256:../../x' }, { fileSize: -1 }]) {
    await assert.rejects(held.pool.begin('sender', declarationOf(nar, nar, changes)), { name: 'ZodError' });
  }
  for (const hash of ['sha256:../../../../etc/passwd', '', 'sha256:E']) {
    await assert.rejects(held.pool.open({ hash, compression: 'none' }), { name: 'TypeError' });
  }
});

async function expectRefusal(
  code: UploadRefusal['code'],
  nar: Buffer,
  file: Uint8Array,
  changes: Parameters<typeof declarationOf>[2] = {},
  scan?: readonly string[],
): Promise<UploadRefusal> {
  await using held = await temporaryPool();
  const refused = refusal(await send(held.pool, declarationOf(nar, file, changes), file, scan));
  assert.equal(refused.code, code, refused.message);
  assert.deepEqual(await filesIn(held.dir), []);
  // The pool is none the worse.
  const good = await narOf('good');
  assert.ok('finished' in (await send(held.pool, declarationOf(good), good)));
  return refused;
}

function overlong(): Buffer {
  const length = Buffer.alloc(8, 0xff);
  length[0] = 0xf8;
  return Buffer.concat([narStrings('nix-archive-1', '(', 'type', 'regular', 'contents'), length, Buffer.alloc(64)]);
}
