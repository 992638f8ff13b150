import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createDoneUntil } from '../../../adapters/traces/done-until.ts';

const root = mkdtempSync(join(tmpdir(), 'drover-done-'));
const fail = (error: unknown): never => assert.fail(String(error));
after(() => rmSync(root, { recursive: true, force: true }));

test('up to when spans are dealt with is never later than now: a clock that was ahead would hide all that ends until then', async () => {
  const file = join(root, 'traces.json');
  const from = async (text: string): Promise<number> => {
    writeFileSync(file, text);
    await using done = await createDoneUntil(file, fail, () => 1000);
    return done.until;
  };
  assert.equal(await from('{"until":900}'), 900);
  assert.equal(await from('{"until":1000}'), 1000);
  for (const other of ['{"until":1001}', '{"until":-1}', '{', '']) assert.equal(await from(other), 1000, other);
  await using again = await createDoneUntil(file, fail, () => 2000);
  assert.equal(again.until, 1000);
});
