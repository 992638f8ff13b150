import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Recipe } from '../graph.ts';
import type { House } from '../house.ts';
import { auditBuilders } from './builders.ts';
import type { LogAudit } from './log.ts';

it('counts an attempt that was taken back for an earlier one that is gone on with, and no more than there were', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'drover-torture-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'gate'));
  const path = `${'a'.repeat(32)}-one.drv`;
  // The first was lost, the second begun, and the first came back with its output.
  const build = {
    id: 'b-1',
    derivation: 'a'.repeat(32),
    attempt: 1,
    agents: ['a', 'b'],
    results: new Map([[1, 'succeeded']]),
  };
  const log = { ledger: { builds: new Map([['b-1', build]]) } } as unknown as LogAudit;
  const audit = () => auditBuilders({ farm: { folder } } as House, log, [{ name: 'one', path } as Recipe]);
  await writeFile(join(folder, 'gate/ended'), 'one\n');
  await writeFile(join(folder, 'gate/began'), 'one\none\n');
  audit();
  await writeFile(join(folder, 'gate/began'), 'one\none\none\n');
  assert.throws(audit, /the builder of one began 3 times, in 2 attempts/);
});
