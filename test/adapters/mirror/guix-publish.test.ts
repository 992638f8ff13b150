import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openFolderWriter } from '../../../adapters/mirror/folder-writer.ts';
import { withGuixSignature } from '../../../adapters/mirror/guix-signature-field.ts';
import { openPoolSource } from '../../../adapters/mirror/pool-source.ts';
import { createLayout } from '../../../adapters/pool/filesystem/layout.ts';
import { formatAcl, formatGuixPublicKey, formatGuixSecretKey, makeGuixKey } from '../../../domain/guix/keys.ts';
import { guixSignedText } from '../../../domain/guix/narinfo.ts';
import { hashOfSigned } from '../../../domain/guix/packed-signature.ts';
import { signPacked } from '../../../domain/guix/signature.ts';
import { guixName, noGuix, openGuixMachine } from '../../support/guix.ts';
import { noLzip } from '../../support/lzip.ts';
import { narOf } from '../pool/nars.ts';
import { type Item, itemOf } from './fake-drover.ts';

const root = mkdtempSync(join(tmpdir(), 'drover-guix-publish-'));
after(() => rmSync(root, { recursive: true, force: true }));

describe(`guix publish (${guixName})`, { skip: noGuix || noLzip }, () => {
  it('gives out of a folder what its store does not have, which a client of Guix takes by the key of the coordinator', async () => {
    const key = makeGuixKey(Buffer.alloc(32, 7));
    const pool = join(root, 'pool');
    const items: Item[] = [];
    // The second refers to the first; the third is not compressed, as its name says that it is.
    for (const [n, suffix] of ['', '+x', '.tar.gz'].entries()) {
      const made = itemOf(n, await narOf({ bin: { hello: `item ${n}` } }), {
        references: items.slice(0, n).map(({ path }) => path),
      });
      const item = { ...made, path: made.path + suffix };
      items.push({ ...item, info: { ...item.info, storePath: `/gnu/store/${item.path}` } });
      const file = createLayout(pool).nar({ hash: made.info.fileHash as string, compression: 'none' });
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, made.nar);
    }
    const served = new Set(items);
    await using publisher = await openGuixMachine();
    await using client = await openGuixMachine();
    const folder = join(publisher.cache, 'publish');
    using writer = await openFolderWriter({
      folder,
      log: 'urn:x',
      begun: false,
      form: { storeDir: '/gnu/store', compressions: ['zstd', 'gzip', 'lzip'] },
      cacheInfo: '',
      connections: 4,
      source: {
        ...openPoolSource(pool, async () => undefined),
        async narinfo(hashPart) {
          const item = [...served].find(({ path }) => path.startsWith(hashPart));
          return item && withGuixSignature(item.info, signPacked(key, hashOfSigned(guixSignedText(item.info))));
        },
        lackOf: async () => undefined,
      },
      say: (message) => assert.fail(message),
      doubt: (path) => assert.fail(path),
    });
    await writer.apply({ wanted: items.map(({ path }) => path) });

    // Of its own it trusts and signs with another one.
    const other = makeGuixKey(Buffer.alloc(32, 8));
    await writeFile(join(publisher.configuration, 'signing-key.pub'), formatGuixPublicKey(other.publicKey));
    await writeFile(join(publisher.configuration, 'signing-key.sec'), formatGuixSecretKey(other));
    await writeFile(join(client.configuration, 'acl'), formatAcl([key.publicKey.expression]));
    await publisher.startDaemon('--no-substitutes');
    const compressions = ['zstd', 'gzip', 'lzip'].flatMap((name) => ['-C', name]);
    const cache = '--cache=/var/cache/guix/publish';
    const url = `http://127.0.0.1:${await publisher.startPublish('--listen=127.0.0.1', cache, ...compressions)}`;
    await client.startDaemon(`--substitute-urls=${url}`);

    const paths = items.map(({ path }) => `/gnu/store/${path}`);
    client.run(['guix', 'build', `--substitute-urls=${url}`, ...paths]);
    for (const [n, { path }] of items.entries())
      assert.equal(readFileSync(join(client.store, path, 'bin/hello'), 'utf8'), `item ${n}`);
    client.run(['guix', 'gc', '--verify=contents']);

    // With what refers to it.
    const [first, last] = items as [Item, Item];
    served.delete(last);
    await writer.apply({ changed: last.path, wanted: [], deleted: true });
    const status = (path: string): string =>
      execFileSync('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', `${url}/${path}`], { encoding: 'utf8' });
    assert.equal(status(`${last.path.slice(0, 32)}.narinfo`), '404');
    assert.equal(status(`${first.path.slice(0, 32)}.narinfo`), '200');
    assert.ok(!existsSync(join(folder, 'zstd', `${last.path}.nar`)));
  });
});
