import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openSqliteDerivationStore } from '../../../adapters/derivation-store/sqlite-derivation-store.ts';
import { openSqliteEventStore } from '../../../adapters/event-store/sqlite/store.ts';
import { commitOf, stored } from '../../contract/commits.ts';
import { noMounting } from '../../support/e2e/mounting.ts';
import { fakeBase } from '../../support/paths.ts';

it('a database that finds no room for its first question, and a log for its start, say that the disk is full', {
  skip: noMounting,
}, async (context) => {
  const path = mkdtempSync(join(tmpdir(), 'drover-full-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path]);
  context.after(() => {
    execFileSync('umount', ['--lazy', path]);
    rmdirSync(path);
  });
  const [dir, log, filler] = [join(path, 'texts'), join(path, 'log'), join(path, 'filler')];
  mkdirSync(log);
  {
    await using events = await openSqliteEventStore({ dir: log });
    stored(await events.append(commitOf('build-1', 'any')));
  }
  await using texts = await openSqliteDerivationStore({ dir, storeDirs: ['/nix/store'] });
  const { bavail, bsize } = statfsSync(path);
  writeFileSync(filler, Buffer.alloc(bavail * bsize));
  const missing = [fakeBase('d', 1, '.drv')];
  // Not even the index of a write-ahead log fits.
  await assert.rejects(texts.missing(missing), { code: 'disk-full', message: /derivations\.db: the disk is full \(/ });
  await assert.rejects(openSqliteDerivationStore({ dir, storeDirs: ['/nix/store'] }), { code: 'disk-full' });
  await assert.rejects(openSqliteEventStore({ dir: log }), { code: 'disk-full' });
  rmSync(filler);
  assert.deepEqual(await texts.missing(missing), missing);
  await using events = await openSqliteEventStore({ dir: log });
  assert.notEqual(await events.head(), undefined);
});
