import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { createLayout } from '../../../adapters/pool/filesystem/layout.ts';
import { createPublishedFiles } from '../../../adapters/pool/filesystem/published-files.ts';
import { createVerifiedFiles } from '../../../adapters/pool/filesystem/verified-files.ts';
import { chunksOf, declarationOf, narOf, noise } from './nars.ts';
import { accepted, refusal, send, temporaryPool } from './pools.ts';

it('makes its folders again where somebody removed them, and says so', async () => {
  const remade: string[] = [];
  await using made = await temporaryPool({ onRemade: (folder) => void remade.push(folder) });
  const { dir, pool } = made;
  const first = await narOf(noise(1000, 'first'));
  const begun = accepted(await pool.begin('sender', declarationOf(first)));
  await rm(dir, { recursive: true });

  assert.equal(refusal(await pool.write(begun.id, 'sender', 0, chunksOf(first))).code, 'pool-unavailable');
  const again = accepted(await send(pool, declarationOf(first), first));
  assert.equal(again.finished, true);
  await pool.publish(again.id);
  const file = (await pool.finished(again.id, 'sender'))?.item.file;
  assert.ok(file !== undefined && (await pool.has(file)));
  assert.deepEqual(remade, [dir]);
});

it('refuses for now, and by name, what its disk does not take', async () => {
  await using made = await temporaryPool();
  const { dir, pool } = made;
  const nar = await narOf(noise(1000, 'one'));
  const [uploads, away] = [join(dir, 'uploads'), join(dir, 'away')];
  await rename(uploads, away);
  await writeFile(uploads, '');
  const refused = refusal(await pool.begin('sender', declarationOf(nar)));
  assert.equal(refused.code, 'pool-unavailable');
  assert.match(refused.message, new RegExp(`the pool cannot be written to: .*${uploads}`));
  await rm(uploads);
  await rename(away, uploads);
  assert.equal(accepted(await send(pool, declarationOf(nar), nar)).finished, true);
});

it('publishes over a folder that is in the place of a file, and over a file in that of a folder; and removes and sweeps such', async () => {
  await using made = await temporaryPool();
  const { dir, pool } = made;
  const nar = await narOf(noise(1000, 'one'));
  const { id } = accepted(await send(pool, declarationOf(nar), nar));
  const file = (await pool.finished(id, 'sender'))?.item.file;
  assert.ok(file !== undefined);
  const digest = file.hash.slice('sha256:'.length);
  const path = join(dir, 'nar', digest.slice(0, 2), `${digest}.nar${file.compression === 'zstd' ? '.zst' : ''}`);
  const obstruct = async () => {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'something'), '');
  };

  await obstruct();
  assert.equal(await pool.has(file), false);
  await pool.publish(id);
  assert.ok(await pool.has(file));

  await pool.remove(file);
  await obstruct();
  await pool.remove(file);
  await rm(dirname(path), { recursive: true });
  await writeFile(dirname(path), '');
  await pool.remove(file);
  const again = accepted(await send(pool, declarationOf(nar), nar));
  await pool.publish(again.id);
  assert.ok(await pool.has(file));

  await pool.remove(file);
  await pool.abandon(again.id);
  await obstruct();
  assert.equal((await pool.sweep(() => false)).files, 1);
});

it('publishes many at once into a folder that is not there yet', async () => {
  await using made = await temporaryPool();
  const layout = createLayout(made.dir);
  const files = createPublishedFiles(layout, createVerifiedFiles({ monotonic: () => 0 }));
  for (let round = 0; round < 8; round++) {
    const all = Array.from({ length: 16 }, (_, n) => ({
      part: join(made.dir, 'uploads', `part-${round}-${n}`),
      file: { hash: `sha256:0${round}${String(n).padStart(50, '0')}`, size: 1, compression: 'none' as const },
    }));
    for (const { part } of all) await writeFile(part, 'x');
    const taken = await Promise.all(all.map(({ part, file }) => files.take(part, file, true)));
    assert.deepEqual(taken, Array(16).fill(true));
  }
});
