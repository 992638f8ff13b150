import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { openSqliteDerivationStore } from '../../../adapters/derivation-store/sqlite-derivation-store.ts';
import { openFilesystemLogStore } from '../../../adapters/log-store/filesystem-log-store.ts';
import { fakeBase } from '../../support/paths.ts';
import { chunksOf, declarationOf, narOf, noise } from './nars.ts';
import { accepted, filesIn, openPool, refusal, send, temporaryFolder } from './pools.ts';

it('an upload that does not fit is refused and makes room for others', async (context) => {
  await using folder = await temporaryFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'drover-test', folder.path], {
    encoding: 'utf8',
  });
  if (mounted.status !== 0) {
    context.skip('needs to mount a small tmpfs, which only root may do (and not in every container)');
    return;
  }
  try {
    const small = await narOf(noise(1_500_000, 'small'));
    const large = await narOf(noise(6_000_000, 'large'));
    await using pool = await openPool(folder.path);
    const waiting = accepted(await pool.begin('sender', declarationOf(small)));
    accepted(await pool.write(waiting.id, 'sender', 0, chunksOf(small.subarray(0, 1_000_000))));
    const refused = refusal(await send(pool, declarationOf(large), large));
    assert.equal(refused.code, 'disk-full');
    assert.deepEqual(
      (await filesIn(folder.path)).filter((name) => !name.includes(waiting.id)),
      [],
    );
    const rest = chunksOf(small.subarray(1_000_000));
    assert.equal(accepted(await pool.write(waiting.id, 'sender', 1_000_000, rest)).finished, true);
    await pool.publish(waiting.id);
    assert.equal(refusal(await send(pool, declarationOf(large), large)).code, 'disk-full');
    const { bavail, bsize } = statfsSync(folder.path);
    const all = await narOf(noise(bavail * bsize - 40_000, 'all'));
    assert.equal(refusal(await send(pool, declarationOf(all), all)).code, 'disk-full', 'some is left to the log');

    // Build logs and texts of derivations leave as much.
    const [logDir, textDir] = [join(folder.path, 'logs'), join(folder.path, 'derivations')];
    await using logs = await openFilesystemLogStore({ dir: logDir });
    await using texts = await openSqliteDerivationStore({ dir: textDir, storeDirs: ['/nix/store'] });
    const chunk = Buffer.alloc(20_000, 'log ');
    assert.equal(await logs.append('b-1', 1, 0, chunk), chunk.length);
    writeFileSync(join(folder.path, 'filler'), Buffer.alloc(statfsSync(folder.path).bavail * bsize - 75_000));
    const full = { code: 'disk-full' };
    await assert.rejects(logs.append('b-1', 1, chunk.length, chunk), full);
    await assert.rejects(texts.add([{ path: fakeBase('d', 1, '.drv'), text: chunk }]), full);
    rmSync(join(folder.path, 'filler'));
    assert.equal(await logs.append('b-1', 1, chunk.length, chunk), 2 * chunk.length);
  } finally {
    spawnSync('umount', ['--lazy', folder.path]);
  }
});
