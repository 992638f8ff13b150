import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describe } from '../../../adapters/derivation-store/refused-file.ts';

it('what cannot be opened or read for now is told as that, and what is damaged is not', () => {
  const said = (errcode: number): string =>
    describe('derivations.db', Object.assign(new Error('x'), { code: 'ERR_SQLITE_ERROR', errcode })).code;
  // SQLITE_CANTOPEN, SQLITE_IOERR_READ, SQLITE_BUSY, SQLITE_FULL, SQLITE_CORRUPT.
  assert.deepEqual([14, 266, 5, 13, 11].map(said), [
    'store-unavailable',
    'store-unavailable',
    'store-unavailable',
    'disk-full',
    'ERR_SQLITE_ERROR',
  ]);
});
