import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  createExportReader,
  type ExportedItem,
  type ExportReaderOptions,
  type ItemToExport,
  writeExport,
} from '../../../domain/guix/export.ts';
import { type GuixSecretKey, makeGuixKey, parseAcl, parseGuixSecretKey } from '../../../domain/guix/keys.ts';
import type { SExpression } from '../../../domain/guix/s-expression.ts';
import { writeNar } from '../../../domain/store/nar-writer.ts';
import { formatError } from '../../support/fixtures.ts';
import { fakeBase } from '../../support/paths.ts';
import { readShared, sharedAbsent } from '../../support/shared-fixtures.ts';

const storeDir = '/gnu/store';
const key = makeGuixKey(Buffer.alloc(32, 3));
const trusted = [key.publicKey.expression];

interface ReadItem extends ExportedItem {
  readonly nar: Buffer;
}

function readAll(archive: Uint8Array, options: Partial<ExportReaderOptions> = {}, step = archive.length): ReadItem[] {
  const reader = createExportReader({ storeDir, maxNarSize: 1 << 30, ...options });
  const items: ReadItem[] = [];
  let nar: Buffer[] = [];
  for (let at = 0; at < archive.length; at += step)
    for (const part of reader.write(archive.subarray(at, at + step))) {
      if ('nar' in part) nar.push(Buffer.from(part.nar));
      else {
        items.push({ ...part.item, nar: Buffer.concat(nar) });
        nar = [];
      }
    }
  reader.end();
  return items;
}

const write = (items: readonly ItemToExport[], by?: GuixSecretKey): Promise<Buffer> =>
  buffer(Readable.from(writeExport(items, by), { objectMode: false }));
const full = (base: string): string => `${storeDir}/${base}`;

async function fileNar(bytes: Uint8Array): Promise<Buffer> {
  const contents = () => Readable.from([bytes]);
  return buffer(Readable.from(writeNar({ type: 'regular', executable: false, size: bytes.length, contents })));
}

describe('archives of guix archive --export', { skip: sharedAbsent('guix/export') }, () => {
  const names = ['gx-plain', 'gx-deps-closure', 'all-drvs-closure'];

  it('are read with the facts that the store of Guix has, verified, and written back byte for byte', async () => {
    const acl = parseAcl((await readShared('guix/keys/acl')).toString());
    const secret = parseGuixSecretKey((await readShared('guix/keys/signing-key.sec')).toString());
    const infos = JSON.parse((await readShared('guix/path-infos.json')).toString()) as {
      path: string;
      narHash: string;
      narSize: number;
      references: string[];
      deriver: string | null;
    }[];
    let items = 0;
    for (const name of names) {
      const archive = await readShared(`guix/export/${name}.export`);
      const read = readAll(archive, { trusted: acl });
      items += read.length;
      for (const { path, narHash, narSize, references, deriver } of read) {
        const info = infos.find((one) => one.path === full(path));
        assert.ok(info, path);
        assert.deepEqual(
          [narHash, narSize, deriver && full(deriver)],
          [info.narHash, info.narSize, info.deriver ?? undefined],
        );
        assert.deepEqual(references.map(full).sort(), [...info.references].sort());
      }
      const again = read.map(({ path, references, deriver, nar }) => ({
        path: full(path),
        references: references.map(full),
        ...(deriver !== undefined && { deriver: full(deriver) }),
        nar: [nar],
      }));
      assert.ok((await write(again, secret)).equals(archive), name);
      for (const step of [7, 4096]) assert.deepEqual(readAll(archive, {}, step), read);
    }
    assert.ok(items >= 10, `${items}`);
  });

  it('are refused wherever they were cut or a byte was changed, and never taken for something else', async () => {
    const archive = await readShared('guix/export/gx-plain.export');
    const acl = parseAcl((await readShared('guix/keys/acl')).toString());
    const items = readAll(archive, { trusted: acl });
    for (let length = 0; length < archive.length; length++)
      assert.throws(() => readAll(archive.subarray(0, length), { trusted: acl }), { name: 'FormatError' }, `${length}`);
    for (let at = 0; at < archive.length; at += 13) {
      const changed = Buffer.from(archive);
      changed[at] = (changed[at] as number) ^ 0x21;
      try {
        // In the signature, white space is free.
        assert.deepEqual(readAll(changed, { trusted: acl }), items, `byte ${at}`);
      } catch (error) {
        assert.equal((error as Error).name, 'FormatError', `byte ${at}: ${error}`);
      }
    }
    const crlf = Buffer.from(archive.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
    assert.throws(() => readAll(crlf), { name: 'FormatError' });
  });
});

describe('archives that are written here', () => {
  const base = fc.integer({ min: 0, max: 1000 }).map((n) => fakeBase('e', n));
  const item = fc.record({
    path: base,
    references: fc.uniqueArray(base, { maxLength: 4 }),
    deriver: fc.option(base, { nil: undefined }),
    bytes: fc.uint8Array({ maxLength: 100 }),
  });

  it('are read back in pieces of any size, signed or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 3 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 300 }),
        async (made, isSigned, step) => {
          const items = await Promise.all(
            made.map(async ({ path, references, deriver, bytes }) => ({
              path: full(path),
              references: references.map(full),
              ...(deriver !== undefined && { deriver: full(deriver) }),
              nar: [await fileNar(bytes)],
            })),
          );
          const archive = await write(items, isSigned ? key : undefined);
          const read = readAll(archive, isSigned ? { trusted } : {}, step);
          assert.deepEqual(
            read.map(({ path, references, deriver, nar }) => [path, references, deriver, nar]),
            await Promise.all(
              made.map(async ({ path, references, deriver, bytes }) => [
                path,
                references,
                deriver,
                await fileNar(bytes),
              ]),
            ),
          );
          if (archive.length > 8) assert.throws(() => readAll(archive.subarray(0, -8)), { name: 'FormatError' });
        },
      ),
      { numRuns: 20 },
    );
  });

  it('are refused with the reason', async () => {
    const nar = [await fileNar(Buffer.from('hello'))];
    const path = full(fakeBase('e', 1));
    const plain = { path, references: [], nar };
    const other = parseAcl('(acl)') as SExpression[];
    const cases: readonly (readonly [Buffer, Partial<ExportReaderOptions>, string, RegExp])[] = [
      [
        await write([{ ...plain, path: '/nix/store/x' }]),
        {},
        'malformed-store-path',
        /expected a path in \/gnu\/store, got "\/nix\/store\/x"/,
      ],
      [
        await write([{ ...plain, path: full('../../etc/passwd') }]),
        {},
        'malformed-store-path',
        /got "\.\.\/\.\.\/etc\/passwd"/,
      ],
      [await write([{ ...plain, references: [`${path}/bin`] }]), {}, 'malformed-store-path', /-e1\/bin"/],
      [await write([{ ...plain, deriver: '/tmp/x.drv' }]), {}, 'malformed-store-path', /got "\/tmp\/x\.drv"/],
      [await write([plain]), { trusted }, 'bad-signature', /expected a signature, got none/],
      [
        await write([plain], key),
        { trusted: other },
        'bad-signature',
        /by a key that is trusted, got one by another \(unauthorized-key\)/,
      ],
      [
        Buffer.concat([await write([plain], key), Buffer.alloc(8)]),
        {},
        'malformed-export',
        /expected nothing after the 0/,
      ],
      [Buffer.from('[{"attr": "x"}]\n'), {}, 'malformed-export', /expected 1 before an item, or 0 where there is none/],
      [await write([plain]), { maxNarSize: 64 }, 'malformed-nar', /item 1: expected/],
      [
        Buffer.from((await write([plain], key)).toString('latin1').replace('Ed25519', 'Ed25518'), 'latin1'),
        { trusted },
        'bad-signature',
        /unauthorized-key/,
      ],
      [
        Buffer.from((await write([plain], key)).toString('latin1').replace('hello', 'hallo'), 'latin1'),
        { trusted },
        'bad-signature',
        /over these bytes, got one over others \(hash-mismatch\)/,
      ],
    ];
    for (const [archive, options, code, message] of cases)
      assert.throws(() => readAll(archive, options), formatError(code, message));
    const whole = await write([{ ...plain, nar: [await fileNar(Buffer.from('one\ntwo\n'))] }], key);
    for (let end = 1; end < whole.length; end++)
      assert.throws(() => readAll(whole.subarray(0, end), { trusted }), { name: 'FormatError' }, `cut at ${end}`);
    const dos = Buffer.from(whole.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
    assert.throws(() => readAll(dos, { trusted }), formatError('malformed-nar', /item 1: expected/));
    // A length that no memory has is refused before any is taken.
    const long = await write([plain]);
    long.writeUInt32LE(0xffffffff, long.length - 8 * 3 - 8 * 11);
    assert.throws(() => readAll(long), { name: 'FormatError' });
  });
});
