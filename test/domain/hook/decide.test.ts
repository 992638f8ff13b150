import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkpointsOf } from '../../../domain/hook/checkpoint.ts';
import { decideHook, type HookRefusal } from '../../../domain/hook/decide.ts';
import { type HookDefinition, hookDefaults, hookDefinition, parseEventId } from '../../../domain/hook/definition.ts';
import type { HookEvent } from '../../../domain/hook/events.ts';
import { evolveHook, type HookState, initialHook, parkedEvents } from '../../../domain/hook/state.ts';
import { specification } from '../../support/decider.ts';

const given = specification({
  initial: initialHook,
  evolve: evolveHook,
  decide: decideHook,
});
const definition: HookDefinition = {
  ...hookDefaults,
  on: ['BuildFailed'],
  target: { kind: 'command', run: 'true' },
};
const now = { after: 'hook-h@0' };
const added: HookEvent = { type: 'HookAdded', data: { definition, source: 'api', from: now } };
const removed: HookEvent = { type: 'HookRemoved', data: {} };
const parked: HookEvent = {
  type: 'HookParked',
  data: { event: 'build-1@3', at: 7, attempts: 2, error: 'no' },
};
const refused = (code: 'unknown-hook' | 'hook-exists'): HookRefusal => ({ code });
const state = (...events: HookEvent[]): HookState => events.reduce(evolveHook, initialHook);
const add = { type: 'add', definition, source: 'api', from: undefined, now } as const;

describe('a hook', () => {
  it('is added once, and begins now unless somebody says otherwise', () => {
    given().when(add).then(added);
    given()
      .when({ ...add, from: {} })
      .then({ type: 'HookAdded', data: { definition, source: 'api', from: {} } });
    given(added).when(add).refused(refused('hook-exists'));
    given(added, { type: 'HookPaused', data: {} }).when(add).refused(refused('hook-exists'));
  });
  it('that was removed goes on from its place when it is added again, unless somebody says otherwise', () => {
    const checkpointed: HookEvent = { type: 'HookCheckpointed', data: { through: 'build-1@2', delivered: 1 } };
    given(added, checkpointed, removed)
      .when(add)
      .then({ type: 'HookAdded', data: { definition, source: 'api' } });
    const again: HookEvent = { type: 'HookAdded', data: { definition, source: 'api' } };
    assert.deepEqual(state(added, checkpointed, parked, removed, again).place, { after: 'build-1@2' });
    assert.deepEqual(parkedEvents(state(added, checkpointed, parked, removed, again)), ['build-1@3']);
    assert.deepEqual(parkedEvents(state(added, checkpointed, parked, removed, added)), []);
  });
  it('has begun once a delivery is written down, until its place is set or its target is another', () => {
    const checkpointed: HookEvent = { type: 'HookCheckpointed', data: { delivered: 1 } };
    const changed = (more: Partial<HookDefinition>): HookEvent => ({
      type: 'HookChanged',
      data: { definition: { ...definition, ...more }, source: 'api' },
    });
    const again: HookEvent = { type: 'HookAdded', data: { definition, source: 'api' } };
    const begun = (...events: HookEvent[]): boolean => state(added, ...events).begun;
    assert.equal(begun({ type: 'HookCheckpointed', data: { through: 'build-1@2', delivered: 0 } }), false);
    assert.equal(begun(checkpointed), true);
    assert.equal(begun(checkpointed, changed({ concurrency: 2 }), removed, again), true);
    assert.equal(begun(checkpointed, changed({ target: { kind: 'command', run: 'false' } })), false);
    assert.equal(begun(checkpointed, { type: 'HookReplayed', data: { from: {} } }), false);
    assert.equal(begun(checkpointed, removed, added), false);
  });
  it('is refused what only a hook that is there can do', () => {
    given().when({ type: 'pause', reason: undefined }).refused(refused('unknown-hook'));
    given(added, removed).when({ type: 'resume' }).refused(refused('unknown-hook'));
    given(added, removed).when({ type: 'remove', reason: undefined }).then();
  });
  it('changes where it is to be another, whatever the order of its fields', () => {
    given(added).when({ type: 'change', definition, source: 'api' }).then();
    const { on, ...rest } = definition;
    given(added)
      .when({ type: 'change', definition: { ...rest, on }, source: 'api' })
      .then();
    const other = { ...definition, concurrency: 1 };
    given(added)
      .when({ type: 'change', definition: other, source: 'api' })
      .then({ type: 'HookChanged', data: { definition: other, source: 'api' } });
    given(added).when({ type: 'change', definition, source: 'config' }).thenTypes('HookChanged');
  });
  it('is paused and resumed once', () => {
    const paused: HookEvent = { type: 'HookPaused', data: { reason: 'a move' } };
    given(added).when({ type: 'pause', reason: 'a move' }).then(paused);
    given(added, paused).when({ type: 'pause', reason: 'again' }).then();
    given(added, paused).when({ type: 'resume' }).then({ type: 'HookResumed', data: {} });
    given(added).when({ type: 'resume' }).then();
  });
  it('delivers parked events again, all of them or those that are named', () => {
    given(added, parked)
      .when({ type: 'retry-parked', events: undefined })
      .then({ type: 'HookRetried', data: { events: ['build-1@3'] } });
    given(added).when({ type: 'retry-parked', events: undefined }).then();
    given(added, parked)
      .when({ type: 'retry-parked', events: ['build-1@4'] })
      .refused({ code: 'hook-event-not-held', event: 'build-1@4' });
    const retried: HookEvent = { type: 'HookRetried', data: { events: ['build-1@3'] } };
    assert.deepEqual(state(added, parked, retried).held.get('build-1'), {
      revision: 3,
      at: 7,
      attempts: 0,
      parked: false,
    });
  });
  it('skips what it holds, and goes on with what follows', () => {
    given(added, parked)
      .when({ type: 'skip', events: undefined, reason: 'known' })
      .then({ type: 'HookSkipped', data: { events: ['build-1@3'], reason: 'known' } });
    given(added, parked)
      .when({ type: 'skip', events: ['build-2@3'], reason: undefined })
      .refused({ code: 'hook-event-not-held', event: 'build-2@3' });
    const skipped: HookEvent = { type: 'HookSkipped', data: { events: ['build-1@3'] } };
    assert.equal(state(added, parked, skipped).held.get('build-1')?.revision, 4);
  });
  it('that is set to a place forgets what it held, but for what would not be delivered from there', () => {
    const other: HookEvent = { type: 'HookParked', data: { ...parked.data, event: 'build-2@0' } };
    given(added, parked, other)
      .when({ type: 'replay', from: {}, kept: [] })
      .then({ type: 'HookReplayed', data: { from: {} } });
    const replayed: HookEvent = { type: 'HookReplayed', data: { from: { before: 'build-9@0' }, kept: ['build-2'] } };
    const after = state(added, parked, other, replayed);
    assert.deepEqual([after.place, parkedEvents(after)], [{ before: 'build-9@0' }, ['build-2@0']]);
  });
  it('writes down only what is different', () => {
    const held = new Map([['build-1', { revision: 3, at: 7, attempts: 1, error: 'no', parked: false }]]);
    const [first] = checkpointsOf(state(added), { through: 'build-1@5', held }, 2);
    assert.deepEqual(first, {
      through: 'build-1@5',
      held: [{ stream: 'build-1', revision: 3, at: 7, attempts: 1, error: 'no' }],
      delivered: 2,
    });
    const written = state(added, { type: 'HookCheckpointed', data: first ?? assert.fail() });
    assert.deepEqual(checkpointsOf(written, { through: 'build-1@5', held }, 0), []);
    assert.deepEqual(checkpointsOf(written, { through: undefined, held: new Map() }, 0), [
      { released: ['build-1'], delivered: 0 },
    ]);
    assert.equal(written.delivered, 2);
  });
  it('writes down many streams in parts, the place with the last that holds any', () => {
    const held = new Map(
      Array.from({ length: 450 }, (_, n) => [`build-${n}`, { revision: 1, at: 1, attempts: 1, parked: false }]),
    );
    const parts = checkpointsOf(state(added), { through: 'build-1@5', held }, 7);
    assert.deepEqual(
      parts.map(({ through, held: some, delivered }) => [through, some?.length, delivered]),
      [
        [undefined, 200, 0],
        [undefined, 200, 0],
        ['build-1@5', 50, 7],
      ],
    );
    const written = state(added, ...parts.map((data): HookEvent => ({ type: 'HookCheckpointed', data })));
    assert.deepEqual([...written.held], [...held]);
    const none = checkpointsOf(written, { through: 'build-1@6', held: new Map() }, 0);
    assert.equal(none.length, 3);
    assert.equal(state(added, ...none.map((data): HookEvent => ({ type: 'HookCheckpointed', data }))).held.size, 0);
  });
  it('keeps by a checkpoint that an event is parked, and forgets it with the event', () => {
    const same = { stream: 'build-1', revision: 3, at: 7, attempts: 2, error: 'no' };
    const held = (one: typeof same): HookEvent => ({ type: 'HookCheckpointed', data: { held: [one], delivered: 0 } });
    assert.equal(state(added, parked, held(same)).held.get('build-1')?.parked, true);
    assert.equal(state(added, parked, held({ ...same, revision: 4 })).held.get('build-1')?.parked, false);
  });
});

describe('the definition of a hook', () => {
  const refuses = (more: object): string => {
    const parsed = hookDefinition.safeParse({ ...definition, ...more });
    assert.equal(parsed.success, false);
    return parsed.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') ?? '';
  };
  it('is refused where it cannot work', () => {
    assert.match(refuses({ on: [] }), /^on: /);
    assert.match(refuses({ target: { kind: 'webhook', url: 'ftp://x/' } }), /expected an http or https URL/);
    assert.match(refuses({ target: { kind: 'webhook', url: 'https://u:p@x/' } }), /without user and password/);
    assert.match(refuses({ target: { kind: 'command', run: [] } }), /^target\.run/);
    assert.match(refuses({ target: { kind: 'command', run: 'a\0b' } }), /NUL/);
    assert.match(refuses({ where: { unknown: 1 } }), /^where: /);
  });
  it('takes an @ in the path of a URL', () => {
    const target = { kind: 'webhook', url: 'https://x.example/@me?to=a@b' };
    assert.ok(hookDefinition.safeParse({ ...definition, target }).success);
  });
  it('names events by stream and revision', () =>
    assert.deepEqual(parseEventId('build-a-1@12'), { stream: 'build-a-1', revision: 12 }));
});
