import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRecent } from '../../projections/recent.ts';

test('the last so many are there, and never more than twice as many', () => {
  const recent = createRecent<number, string>(10);
  for (let key = 0; key < 1000; key++) {
    recent.set(key, `value ${key}`);
    for (let back = 0; back < Math.min(10, key + 1); back++)
      assert.equal(recent.get(key - back), `value ${key - back}`);
    assert.equal(recent.get(key - 20), undefined);
    const keys = [...recent.keys()];
    assert.deepEqual(
      keys,
      Array.from(keys, (_, at) => key - keys.length + 1 + at),
    );
  }
});

test('what is set again is the newest, with its new value', () => {
  const recent = createRecent<string, number>(2);
  for (const key of ['a', 'b', 'c', 'a']) recent.set(key, key === 'a' ? 2 : 1);
  assert.deepEqual([...recent.keys()], ['b', 'c', 'a']);
  recent.set('c', 3);
  assert.deepEqual([...recent.keys()], ['b', 'a', 'c']);
  assert.deepEqual([recent.get('a'), recent.get('b'), recent.get('c')], [2, 1, 3]);
});

test('what is deleted is gone, however old it is', () => {
  const recent = createRecent<string, number>(2);
  assert.equal(recent.isEmpty, true);
  for (const key of ['a', 'b', 'c']) recent.set(key, 1);
  recent.delete('a');
  recent.delete('c');
  assert.deepEqual([...recent.keys()], ['b']);
  assert.equal(recent.get('a'), undefined);
  recent.delete('b');
  assert.equal(recent.isEmpty, true);
});
