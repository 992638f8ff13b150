import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHook, formatHooks } from '../../../cli/output/hooks.ts';
import type { HookStatus } from '../../../coordinator/hooks/status.ts';
import { fakeHook } from '../../support/fake-application.ts';

test('an event that is tried again at this moment is shown once, with what became of it before', () => {
  const io = { colour: false, width: undefined, wide: false, now: () => 0 };
  const failing = [{ event: 'build-s-2@3', at: 1, attempts: 1, error: 'it answered 503' }];
  const lines = formatHook({ ...fakeHook, failing, counts: { failing: 1, parked: 1 } }, io).split('\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('build-s-2@3')).map((line) => line.replace(/ +/g, ' ')),
    ['build-s-2@3 in flight 1 for 5s, before: it answered 503'],
  );
});

test('a place is shown with the position that it may have been asked for by', () => {
  const io = { colour: false, width: undefined, wide: false, now: () => 0 };
  const at = (place: HookStatus['place'], position?: string) =>
    /^place: +(.*)$/m.exec(formatHook({ ...fakeHook, place }, io, position))?.[1];
  assert.equal(at({ before: 'build-s-1@4' }, '0000000000000011'), 'before build-s-1@4, which is at 0000000000000011');
  assert.equal(at({ after: 'build-s-1@4' }), 'after build-s-1@4');
  assert.equal(at({}), 'the start of the log');
});

test('a single attempt has no time between it and another', () => {
  const io = { colour: false, width: undefined, wide: false, now: () => 0 };
  const retry = { ...fakeHook.definition.retry, maxAttempts: 1 };
  const hook = { ...fakeHook, definition: { ...fakeHook.definition, retry } };
  assert.match(formatHook(hook, io), /^retry: +1 attempt, then it is parked$/m);
});

test('lists of hooks and single ones count all that is parked, of which a status names the first', () => {
  const io = { colour: false, width: undefined, wide: false, now: () => 0 };
  assert.match(formatHooks([fakeHook], io), /^notify +active +2 \(3s\) +1 +0 +400 +4 /m);
  assert.match(formatHook(fakeHook, io), /parked .*it answered 500\nand 399 more parked\n$/);
  const { counts: _, ...older } = fakeHook;
  assert.match(formatHooks([older as typeof fakeHook], io), /^notify +active +2 \(3s\) +1 +0 +1 +4 /m);
});
