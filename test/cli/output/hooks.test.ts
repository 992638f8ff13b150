import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHook, formatHooks } from '../../../cli/output/hooks.ts';
import { fakeHook } from '../../support/fake-application.ts';

test('lists of hooks and single ones count all that is parked, of which a status names the first', () => {
  const io = { colour: false, width: undefined, wide: false, now: () => 0 };
  assert.match(formatHooks([fakeHook], io), /^notify +active +2 \(3s\) +1 +0 +400 +4 /m);
  assert.match(formatHook(fakeHook, io), /parked .*it answered 500\nand 399 more parked\n$/);
  const { counts: _, ...older } = fakeHook;
  assert.match(formatHooks([older as typeof fakeHook], io), /^notify +active +2 \(3s\) +1 +0 +1 +4 /m);
});
