import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pool } from '../../../coordinator/ports/pool.ts';
import { chunksOf, declarationOf, narOf, noise } from './nars.ts';
import { accepted, openPool, refusal, send, temporaryFolder } from './pools.ts';

/** The verifying worker in a process that is refused each file it opens. */
function poor(code: string) {
  const text = `
    import fs from 'node:fs/promises';
    import { syncBuiltinESMExports } from 'node:module';
    const code = ${JSON.stringify(code)};
    fs.open = (path) => Promise.reject(Object.assign(new Error(code + ": refused, open '" + path + "'"), { code }));
    syncBuiltinESMExports();
    await import(${JSON.stringify(import.meta.resolve('../../../adapters/pool/filesystem/worker.ts'))});`;
  return { verifiers: { threads: 1, program: new URL(`data:text/javascript,${encodeURIComponent(text)}`) } };
}
const nowhere = { verifiers: { threads: 1, program: new URL('./nowhere.ts', import.meta.url) } };

/** A pool with an item, and a finished upload that nobody has published. */
async function filled(dir: string) {
  await using pool = await openPool(dir);
  const [nar, other] = [await narOf(noise(1000, 'one')), await narOf(noise(1000, 'other'))];
  const { id } = accepted(await send(pool, declarationOf(nar), nar));
  await pool.publish(id);
  const item = (await pool.finished(id, 'sender'))?.item ?? assert.fail();
  return { item, waits: accepted(await send(pool, declarationOf(other), other)).id, declaration: declarationOf(other) };
}

describe('a coordinator that can open no file, or start no thread', () => {
  for (const [what, options] of [
    ['EMFILE', poor('EMFILE')],
    ['EACCES', poor('EACCES')],
    ['no thread', nowhere],
  ] as const)
    it(`takes none for damaged: ${what}`, async () => {
      await using folder = await temporaryFolder();
      const { item, waits, declaration } = await filled(folder.path);
      const unavailable = { code: 'pool-unavailable', message: /^the pool cannot be read: / };
      const look = async (pool: Pool) => {
        await assert.rejects(pool.check(item), unavailable);
        await assert.rejects(pool.finished(waits, 'sender'), unavailable);
        assert.equal(refusal(await pool.begin('sender', declaration)).code, 'pool-unavailable');
      };
      await using pool = await openPool(folder.path, options);
      await look(pool);
      await look(pool);
      await pool[Symbol.asyncDispose]();
      await using later = await openPool(folder.path);
      assert.equal(await later.check(item), undefined);
      assert.ok(await later.finished(waits, 'sender'));
    });

  it('takes an upload for malformed as little', async () => {
    await using folder = await temporaryFolder();
    const nar = await narOf(noise(1000, 'one'));
    await using pool = await openPool(folder.path, nowhere);
    for (let times = 0; times < 5; times++) {
      const { id } = accepted(await pool.begin('sender', declarationOf(nar)));
      const refused = refusal(await pool.write(id, 'sender', 0, chunksOf(nar)));
      assert.equal(refused.code, 'pool-unavailable');
      assert.match(refused.message, /no thread can be started to verify files: .*nowhere/);
    }
  });
});

it('a file that the disk does not give is unreadable, not damaged', async () => {
  await using folder = await temporaryFolder();
  const { item } = await filled(folder.path);
  await using pool = await openPool(folder.path, poor('EIO'));
  assert.deepEqual(await pool.check(item).then((fault) => fault?.kind), 'unreadable');
});
