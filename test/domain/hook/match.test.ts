import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isFor, matchesConditions, matchesPattern } from '../../../domain/hook/match.ts';

describe('conditions of a hook', () => {
  const target = { kind: 'command', run: 'true' } as const;
  const facts = {
    tags: { branch: 'main', team: 'x' },
    system: 'x86_64-linux',
    name: 'hello-2.12',
    class: 'timed-out',
    agent: 'a1',
  };
  it('have to hold all', () => {
    assert.ok(matchesConditions(undefined, {}));
    assert.ok(matchesConditions({ tags: { branch: 'main' }, systems: ['x86_64-linux'], name: 'hello-*' }, facts));
    assert.ok(!matchesConditions({ tags: { branch: 'main', team: 'y' } }, facts));
    assert.ok(!matchesConditions({ systems: ['i686-linux'] }, facts));
    assert.ok(matchesConditions({ classes: ['timed-out', 'rejected'], agents: ['a1'] }, facts));
    assert.ok(!matchesConditions({ agents: ['a2'] }, facts));
  });
  it('do not hold for what an event has nothing to say of', () => {
    for (const where of [{ tags: { a: 'b' } }, { systems: ['x'] }, { name: '*' }, { agents: ['a'] }])
      assert.ok(!matchesConditions(where, {}));
  });
  it('never give a hook its own events', () => {
    assert.ok(!isFor({ on: ['HookPaused'], target }, 'h', { type: 'HookPaused', stream: 'hook-h' }, {}));
    assert.ok(isFor({ on: ['HookPaused'], target }, 'h', { type: 'HookPaused', stream: 'hook-hh' }, {}));
  });
  it('keep nothing from a folder that follows for what is in it', () => {
    const where = { tags: { branch: 'main' } };
    const on = ['BuildSucceeded', 'StoreItemDeleted'];
    const deleted = { type: 'StoreItemDeleted', stream: 'item-x' } as const;
    for (const kind of ['publish', 'mirror'] as const) {
      const folder = { on, where, target: { kind, folder: '/srv/cache' } } as const;
      assert.ok(isFor(folder, 'h', deleted, { name: 'x' }));
      assert.ok(!isFor({ ...folder, on: ['BuildSucceeded'] }, 'h', deleted, { name: 'x' }));
      assert.ok(!isFor(folder, 'h', { type: 'BuildSucceeded', stream: 'build-x' }, { tags: {} }));
    }
    assert.ok(!isFor({ on, where, target }, 'h', deleted, { name: 'x' }));
    // Also where the definition is from before there was such an event.
    const found = { type: 'StoreItemFoundUpstream', stream: 'item-x' } as const;
    const mirror = { where, target: { kind: 'mirror', folder: '/srv/cache' } } as const;
    assert.ok(isFor({ ...mirror, on: ['StoreItemAdded'] }, 'h', found, { name: 'x' }));
    assert.ok(!isFor({ ...mirror, on }, 'h', found, { name: 'x' }));
    assert.ok(!isFor({ on: ['StoreItemAdded'], target }, 'h', found, {}));
  });
  it('know patterns as a regular expression would', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(letters, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 }), (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        assert.equal(matchesPattern(pattern, text), expression.test(text), `${pattern} ${text}`);
      }),
      { numRuns: 2000 },
    );
  });
  it('are soon decided, whatever the pattern', () => {
    assert.equal(matchesPattern(`${'*a'.repeat(120)}b`, 'a'.repeat(211)), false);
  });
});
