import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandomIds, randomId } from '../../coordinator/identifiers.ts';

test('random ids are of the bytes that there are, none of which is used twice', () => {
  let given = 0;
  const newId = createRandomIds((length) => Uint8Array.from({ length }, () => given++), 16);
  const ids = Array.from({ length: 300 }, newId);
  assert.equal(ids[0], '0123456789abcdef');
  assert.equal(ids[1], 'ghjkmnpqrstvwxyz');
  assert.equal(ids[299], randomId(Uint8Array.from({ length: 16 }, (_, n) => 299 * 16 + n)));
  assert.equal(given, 2 * 256 * 16);
});
