import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { distinct, mentions, wishIn } from '../../web/search/text.ts';

const hash = '0123456789abcdfghijklmnpqrsvwxyz';

describe('what is searched for', () => {
  it('is a base name where it is a store path', () => {
    for (const text of [`/nix/store/${hash}-a.drv`, ` /gnu/store/${hash}-a.drv\n`, `${hash}-a.drv`])
      assert.deepEqual(wishIn(text), { text: `${hash}-a.drv`, id: `${hash}-a.drv` });
    assert.deepEqual(wishIn('branch=main'), { text: 'branch=main', id: 'branch=main' });
    assert.deepEqual(wishIn(' two words '), { text: 'two words', id: undefined });
  });

  it('is found by all of its words, in whatever case', () => {
    assert.ok(mentions('work 1', 'Worker-1'));
    assert.ok(!mentions('work 2', 'Worker-1'));
    assert.ok(mentions('', 'anything'));
  });

  it('is named once', () => {
    const found = ['/a', '/b', '/a'].map((href, n) => ({ href, n }));
    assert.deepEqual(
      distinct(found).map(({ n }) => n),
      [0, 1],
    );
  });
});
