import assert from 'node:assert/strict';
import { it } from 'node:test';
import { chunksOf, declarationOf, hashPartOf, narOf } from './nars.ts';
import { refusal, temporaryPool } from './pools.ts';

const mebibyte = 1024 * 1024;
const tries = 4;

it('a NAR that is broken far in is refused for that, whichever of the pieces under way is answered first', async () => {
  for (const good of [17, 33]) {
    const nar = await narOf({
      a: Buffer.alloc(good * mebibyte, 'abcdefgh'),
      b: Buffer.alloc((40 - good) * mebibyte, 'x'),
    });
    const broken = Buffer.from(nar);
    broken[nar.indexOf('entry', good * mebibyte)] = 'z'.charCodeAt(0);
    for (let time = 0; time < tries; time++) {
      await using held = await temporaryPool();
      const begun = await held.pool.begin('sender', declarationOf(nar, nar, { path: `${hashPartOf('r')}-x` }), []);
      assert.ok(!('refused' in begun));
      const outcome = await held.pool.write(begun.id, 'sender', 0, chunksOf(broken, 64 * 1024));
      assert.equal(refusal(outcome).code, 'malformed-nar');
    }
  }
});
