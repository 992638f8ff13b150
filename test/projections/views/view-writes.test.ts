import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DroverEvent } from '../../../domain/events.ts';
import { eventTypes } from '../../../domain/events.ts';
import { hookDefaults } from '../../../domain/hook/definition.ts';
import { createMemoryViews, type Recorded } from './views-in-memory.ts';

const hello = '0123456789abcdfghijklmnpqrsvwxyz-hello-2.12.drv';
const out = '1123456789abcdfghijklmnpqrsvwxyz-hello-2.12';
const exercised = new Set<string>();

let clock = 0;
/** An event on a stream, one millisecond after the one before. */
function on(stream: string, type: string, data: unknown): Recorded {
  const known = eventTypes.get(type);
  assert.ok(known, `expected an event type, got ${type}`);
  exercised.add(type);
  return { stream, at: ++clock, event: { type, data: known.schema.parse(data) } as DroverEvent };
}

const derivation = () =>
  on('derivation-0123456789abcdfghijklmnpqrsvwxyz', 'DerivationAdded', {
    path: hello,
    system: 'x86_64-linux',
    outputs: { out },
    inputs: [],
    sources: [],
  });
const submitted = (options: object = { priority: 5, tags: { branch: 'main' }, maxAttempts: 2 }) =>
  on('build-s1-0', 'BuildSubmitted', { derivation: hello, submission: 's1', reason: 'requested', options });
const build = (type: string, data: object) => on('build-s1-0', type, data);

/** The build and its attempts after these events; times count from the first event, 1. */
function after(...events: (() => Recorded)[]) {
  clock = 0;
  using views = createMemoryViews().given(...events.map((event) => event()));
  const columns = 'state, attempt, agent, started_at, ended_at, failure_class, failure_message';
  const attempts =
    'attempt, agent, allocated_at, started_at, ended_at, outcome, failure_class, failure_message, log_bytes';
  return {
    build: Object.values(views.rows(`SELECT ${columns} FROM builds`)[0] ?? {}),
    attempts: views.rows(`SELECT ${attempts} FROM attempts ORDER BY attempt`).map((row) => Object.values(row)),
  };
}
const allocated =
  (attempt = 1, agent = 'ant') =>
  () =>
    build('BuildAllocated', { attempt, agent });
const started =
  (attempt = 1) =>
  () =>
    build('BuildStarted', { attempt });
const succeeded =
  (attempt = 1, agent = 'ant') =>
  () =>
    build('BuildSucceeded', { attempt, agent, outputs: { out }, durationMs: 1, logBytes: 7 });
const attemptFailed =
  (attempt = 1) =>
  () =>
    build('BuildAttemptFailed', { attempt, class: 'builder-failed', message: 'exit 1', logBytes: 3 });

test('BuildSubmitted: queued, with the system and the name of its derivation', () => {
  clock = 0;
  using views = createMemoryViews().given(derivation(), submitted());
  assert.deepEqual(views.rows('SELECT * FROM builds'), [
    {
      seq: 1,
      id: 's1-0',
      derivation: 1,
      system: 'x86_64-linux',
      submission: 's1',
      state: 'queued',
      reason: 'requested',
      priority: 5,
      tags: '{"branch":"main"}',
      options: '{"maxAttempts":2}',
      attempt: 0,
      agent: null,
      submitted_at: 2,
      started_at: null,
      ended_at: null,
      failure_class: null,
      failure_message: null,
      changed_at: 2,
      changed: '0000000000000002',
    },
  ]);
  assert.deepEqual(views.rows('SELECT term, seq FROM build_tags'), [
    { term: 'branch', seq: 1 },
    { term: 'branch=main', seq: 1 },
  ]);
  assert.deepEqual(views.rows('SELECT rowid FROM build_names WHERE build_names MATCH \'"hel"\''), [{ rowid: 1 }]);
  assert.deepEqual(views.rows('SELECT path, name, outputs FROM derivations'), [
    { path: hello, name: 'hello-2.12', outputs: JSON.stringify({ out }) },
  ]);
});

test('BuildSubmitted before its derivation: the row is there, its system unknown', () => {
  using views = createMemoryViews().given(submitted({ priority: 0 }), derivation());
  assert.deepEqual(views.rows('SELECT id, system, tags, options FROM builds'), [
    { id: 's1-0', system: '', tags: null, options: null },
  ]);
  assert.deepEqual(views.rows('SELECT system, outputs FROM derivations'), [
    { system: 'x86_64-linux', outputs: JSON.stringify({ out }) },
  ]);
});

test('BuildPrioritized: its own priority', () => {
  using views = createMemoryViews().given(derivation(), submitted(), build('BuildPrioritized', { priority: -7 }));
  assert.deepEqual(views.rows('SELECT priority FROM builds'), [{ priority: -7 }]);
});

test('BuildDeferred: an option, until it is taken back', () => {
  const options = (...events: object[]) =>
    createMemoryViews()
      .given(derivation(), submitted(), ...events.map((data) => build('BuildDeferred', data)))
      .rows('SELECT options FROM builds')[0]?.options;
  assert.equal(options({ until: 5 }, { until: 7 }), '{"maxAttempts":2,"deferUntil":7}');
  assert.equal(options({ until: 5 }, {}), '{"maxAttempts":2}');
});

test('BuildAllocated, BuildStarted, BuildSucceeded', () => {
  assert.deepEqual(after(derivation, submitted, allocated()), {
    build: ['allocated', 1, 'ant', null, null, null, null],
    attempts: [[1, 'ant', 3, null, null, 'running', null, null, null]],
  });
  assert.deepEqual(after(derivation, submitted, allocated(), started()), {
    build: ['running', 1, 'ant', 4, null, null, null],
    attempts: [[1, 'ant', 3, 4, null, 'running', null, null, null]],
  });
  assert.deepEqual(after(derivation, submitted, allocated(), started(), succeeded()), {
    build: ['succeeded', 1, 'ant', 4, 5, null, null],
    attempts: [[1, 'ant', 3, 4, 5, 'succeeded', null, null, 7]],
  });
});

test('BuildSetupFailed: queued again, the attempt tells what was missing', () => {
  const setupFailed = () => build('BuildSetupFailed', { attempt: 1, class: 'inputs-missing', message: 'no glibc' });
  assert.deepEqual(after(derivation, submitted, allocated(), setupFailed), {
    build: ['queued', 1, 'ant', null, null, 'inputs-missing', 'no glibc'],
    attempts: [[1, 'ant', 3, null, 4, 'setup-failed', 'inputs-missing', 'no glibc', null]],
  });
});

test('BuildAttemptFailed with BuildRetryScheduled: queued; the next attempt begins anew', () => {
  const retry = () => build('BuildRetryScheduled', { attempt: 1, notBefore: 99 });
  const first = [1, 'ant', 3, 4, 5, 'failed', 'builder-failed', 'exit 1', 3];
  assert.deepEqual(after(derivation, submitted, allocated(), started(), attemptFailed(), retry), {
    build: ['queued', 1, 'ant', 4, null, 'builder-failed', 'exit 1'],
    attempts: [first],
  });
  assert.deepEqual(after(derivation, submitted, allocated(), started(), attemptFailed(), retry, allocated(2, 'bee')), {
    build: ['allocated', 2, 'bee', null, null, 'builder-failed', 'exit 1'],
    attempts: [first, [2, 'bee', 7, null, null, 'running', null, null, null]],
  });
});

test('BuildSatisfied: succeeded, without an attempt that did', () => {
  const satisfied = () => build('BuildSatisfied', {});
  const released = () => build('BuildReleased', { attempt: 1, agent: 'ant', reason: 'agent-lost' });
  assert.deepEqual(after(derivation, submitted, satisfied), {
    build: ['succeeded', 0, null, null, 3, null, null],
    attempts: [],
  });
  assert.deepEqual(after(derivation, submitted, allocated(), released, satisfied), {
    build: ['succeeded', 1, 'ant', null, 5, null, null],
    attempts: [[1, 'ant', 3, null, 4, 'released', 'agent-lost', '', null]],
  });
});

test('BuildAttemptFailed with BuildFailed: ended', () => {
  const failed = () => build('BuildFailed', { attempt: 1, class: 'builder-failed', message: 'gave up' });
  assert.deepEqual(after(derivation, submitted, allocated(), started(), attemptFailed(), failed), {
    build: ['failed', 1, 'ant', 4, 6, 'builder-failed', 'gave up'],
    attempts: [[1, 'ant', 3, 4, 5, 'failed', 'builder-failed', 'exit 1', 3]],
  });
});

test('BuildReleased: queued; a late success of that attempt still counts and ends the one under way (I4)', () => {
  const released = () => build('BuildReleased', { attempt: 1, agent: 'ant', reason: 'agent-lost' });
  const lost = [1, 'ant', 3, 4, 5, 'released', 'agent-lost', '', null];
  assert.deepEqual(after(derivation, submitted, allocated(), started(), released), {
    build: ['queued', 1, 'ant', 4, null, null, null],
    attempts: [lost],
  });
  assert.deepEqual(
    after(derivation, submitted, allocated(), started(), released, allocated(2, 'bee'), started(2), succeeded(1)),
    {
      build: ['succeeded', 1, 'ant', 4, 8, null, null],
      attempts: [
        [1, 'ant', 3, 4, 8, 'succeeded', null, null, 7],
        [2, 'bee', 6, 7, 8, 'canceled', null, null, null],
      ],
    },
  );
});

test('what is heard of an earlier attempt changes that attempt only', () => {
  const released = () => build('BuildReleased', { attempt: 1, agent: 'ant', reason: 'agent-lost' });
  const { build: row, attempts } = after(
    derivation,
    submitted,
    allocated(),
    released,
    allocated(2, 'bee'),
    attemptFailed(1),
  );
  assert.deepEqual(row, ['allocated', 2, 'bee', null, null, null, null]);
  assert.deepEqual(
    attempts.map((attempt) => attempt[5]),
    ['failed', 'running'],
  );
});

test('BuildCanceled: ended, with the attempt under way; nothing sets it going again', () => {
  const canceled = () => build('BuildCanceled', { reason: 'no need' });
  const expected = {
    build: ['canceled', 1, 'ant', 4, 5, null, null],
    attempts: [[1, 'ant', 3, 4, 5, 'canceled', null, null, null]],
  };
  assert.deepEqual(after(derivation, submitted, allocated(), started(), canceled), expected);
  const late = () => build('BuildReleased', { attempt: 1, agent: 'ant', reason: 'agent-lost' });
  assert.deepEqual(after(derivation, submitted, allocated(), started(), canceled, late).build, expected.build);
});

test('BuildWantWithdrawn changes nothing but when the build changed last', () => {
  const withdrawn = () => build('BuildWantWithdrawn', { submission: 's1' });
  assert.deepEqual(after(derivation, submitted, allocated(), withdrawn), after(derivation, submitted, allocated()));
});

test('OutputsDiverged changes no row', () => {
  const diverged = () =>
    build('OutputsDiverged', { attempt: 1, agent: 'ant', output: 'out', path: out, kept: 'a', got: 'b' });
  assert.deepEqual(after(derivation, submitted, allocated(), diverged), after(derivation, submitted, allocated()));
});

test('SubmissionReceived, SubmissionRootsAdded, SubmissionSetAside, SubmissionResumed, SubmissionJoined, SubmissionQueued, SubmissionCanceled, with counts by state', () => {
  clock = 0;
  const submission = (type: string, data: object) => on('submission-s1', type, data);
  using views = createMemoryViews().given(
    submission('SubmissionReceived', {
      storeDir: '/nix/store',
      rootCount: 3,
      roots: [],
      options: { priority: 0 },
      inputs: true,
      force: false,
      reason: 'requested',
    }),
    submission('SubmissionRootsAdded', { roots: [hello] }),
    submission('SubmissionRootsAdded', { roots: [`${hello}-other`] }),
    submission('SubmissionSetAside', { reason: 'stood still', stack: ['f (a:1:1)'] }),
  );
  const none = { set_aside: null, canceled_at: null, canceled_by: null, canceled_reason: null };
  const row = {
    seq: 1,
    id: 's1',
    received_at: 1,
    queued_at: null,
    roots: 3,
    first_root: hello,
    reason: 'requested',
    ...none,
  };
  assert.deepEqual(views.rows('SELECT * FROM submissions'), [{ ...row, set_aside: 'stood still' }]);
  views.given(
    submission('SubmissionResumed', {}),
    submission('SubmissionJoined', { builds: ['s0-1'] }),
    derivation(),
    submitted(),
    submission('SubmissionQueued', { derivations: 1, builds: 1, available: 0, joined: 1 }),
    allocated()(),
  );
  assert.deepEqual(views.rows('SELECT * FROM submissions'), [{ ...row, queued_at: 9 }]);
  const counts = { submission: 's1', queued: 0, allocated: 1, running: 0, succeeded: 0, failed: 0, canceled: 0 };
  assert.deepEqual(views.rows('SELECT * FROM submission_counts'), [counts]);
  views.given(submission('SubmissionCanceled', { reason: 'no need' }));
  const [canceled] = views.rows('SELECT canceled_at, canceled_reason FROM submissions');
  assert.deepEqual(canceled, { canceled_at: 11, canceled_reason: 'no need' });
});

test('StoreItemAdded, StoreItemUnpublished, StoreItemDeleted, StoreItemMissing', () => {
  clock = 0;
  const item = {
    path: out,
    storeDir: '/gnu/store',
    narHash: `sha256:${'0'.repeat(52)}`,
    narSize: 120,
    references: [out, hello],
    deriver: hello,
    file: { hash: `sha256:${'1'.repeat(52)}`, size: 60, compression: 'zstd' },
    signatures: ['key:c2ln'],
    guixSignature: 'A'.repeat(128),
  };
  const stream = 'item-1123456789abcdfghijklmnpqrsvwxyz';
  const found = 'SELECT rowid FROM item_names WHERE item_names MATCH \'"2.1"\'';
  using views = createMemoryViews().given(on(stream, 'StoreItemAdded', item));
  const row = {
    seq: 1,
    hash: '1123456789abcdfghijklmnpqrsvwxyz',
    path: out,
    store_dir: '/gnu/store',
    nar_hash: item.narHash,
    nar_size: 120,
    refs: `${out} ${hello}`,
    deriver: hello,
    ca: null,
    file_hash: item.file.hash,
    file_size: 60,
    compression: 'zstd',
    signatures: '["key:c2ln"]',
    guix_signature: 'A'.repeat(128),
    added_at: 1,
    added_by: 'test',
    unpublished_at: null,
    unpublished_until: null,
    unpublished_by: null,
    unpublished_reason: null,
  };
  assert.deepEqual(views.rows('SELECT * FROM items'), [row]);
  // The table is of what the pool has.
  const { file: _, guixSignature: __, ...named } = item;
  const there = { upstream: 'nixos', url: 'nar/x.nar.xz', compression: 'xz', expires: 9 };
  views.given(
    on(stream, 'StoreItemFoundUpstream', { ...named, ...there }),
    on(stream, 'StoreItemLostUpstream', { path: out, upstream: 'nixos', reason: 'gone' }),
  );
  clock = 1;
  assert.deepEqual(views.rows('SELECT * FROM items'), [row]);
  // It is there until it is deleted, and added again it is as it was.
  views.given(on(stream, 'StoreItemUnpublished', { path: out, reason: 'old', until: 99 }));
  const how = { unpublished_at: 2, unpublished_until: 99, unpublished_by: 'test', unpublished_reason: 'old' };
  assert.deepEqual(views.rows('SELECT * FROM items'), [{ ...row, ...how }]);
  clock = 0;
  views.given(on(stream, 'StoreItemAdded', item));
  assert.deepEqual(views.rows('SELECT * FROM items'), [row]);
  assert.equal(views.rows(found).length, 1);
  views.given(on(stream, 'StoreItemDeleted', { path: out, reason: 'old' }));
  assert.deepEqual([views.rows('SELECT * FROM items'), views.rows(found)], [[], []]);
  // An item that is there is replaced where a second event tells of it.
  views.given(
    on(stream, 'StoreItemAdded', item),
    on(stream, 'StoreItemAdded', { ...item, signatures: [], references: [] }),
  );
  assert.deepEqual(views.rows('SELECT refs, signatures, added_at FROM items'), [
    { refs: '', signatures: '[]', added_at: 4 },
  ]);
  assert.equal(views.rows(found).length, 1);
  views.given(on(stream, 'StoreItemMissing', { path: out, reason: 'gone' }));
  assert.deepEqual([views.rows('SELECT * FROM items'), views.rows(found)], [[], []]);
});

test('a build of another coordinator is there once, as it was told of first, and is none of the builds here', () => {
  using views = createMemoryViews();
  clock = 0;
  const one = { id: 'u1', derivation: hello, outcome: 'succeeded', agent: 'hatysa', startedAt: 1, endedAt: 9 };
  const two = { id: 'u2', derivation: hello, outcome: 'failed', message: 'exit 1' };
  views.given(
    on('history-gbc', 'EarlierBuildsRecorded', { builds: [one, two] }),
    on('history-gbc', 'EarlierBuildsRecorded', { builds: [{ ...one, outcome: 'failed' }] }),
    on('history-other', 'EarlierBuildsRecorded', { builds: [one] }),
    derivation(),
    submitted(),
  );
  const rows = views.rows(
    'SELECT s.name, e.id, d.path, outcome, agent, started_at, ended_at, message, recorded_at FROM earlier_builds e JOIN earlier_sources s ON s.id = e.source JOIN derivations d ON d.id = e.derivation ORDER BY seq',
  );
  assert.deepEqual(
    rows.map((row) => Object.values(row)),
    [
      ['gbc', 'u1', hello, 'succeeded', 'hatysa', 1, 9, null, 1],
      ['gbc', 'u2', hello, 'failed', null, null, null, 'exit 1', 1],
      ['other', 'u1', hello, 'succeeded', 'hatysa', 1, 9, null, 3],
    ],
  );
  assert.deepEqual(views.rows('SELECT id, state FROM builds'), [{ id: 's1-0', state: 'queued' }]);
});

test('agents, tokens, hooks, checkpoints of the log and what texts there are have no table here', () => {
  using views = createMemoryViews();
  const empty = views.dump();
  const hook = { ...hookDefaults, on: ['BuildFailed'], target: { kind: 'command', run: 'true' } };
  views.given(
    on('agent-ant', 'AgentRegistered', { name: 'ant' }),
    on('agent-ant', 'AgentConnected', {
      abilities: { systems: ['x86_64-linux'], features: [], mandatoryFeatures: [], slots: 1 },
      version: '1',
      builder: 'nix',
    }),
    on('agent-ant', 'AgentDisconnected', { leaseUntil: 1, reason: 'closed' }),
    on('agent-ant', 'AgentLost', {}),
    on('agent-ant', 'AgentPaused', {}),
    on('agent-ant', 'AgentResumed', {}),
    on('agent-ant', 'AgentDraining', {}),
    on('agent-ant', 'AgentQuarantined', { until: 1, reason: 'sick' }),
    on('agent-ant', 'AgentUnfit', { reason: 'no sandbox' }),
    on('agent-ant', 'AgentFit', {}),
    on('agent-ant', 'AgentLimited', { by: 'load', reason: 'busy' }),
    on('agent-ant', 'AgentUnlimited', {}),
    on('agent-ant', 'AgentRetired', {}),
    on('derivation-0123456789abcdfghijklmnpqrsvwxyz', 'DerivationTextLost', { path: hello, reason: 'gone' }),
    on('derivation-0123456789abcdfghijklmnpqrsvwxyz', 'DerivationTextRestored', { path: hello }),
    build('BuildAttemptKept', { attempt: 1, agent: 'ant' }),
    on('token-t1', 'TokenIssued', { name: 'ci', scope: 'read', hash: 'a'.repeat(64) }),
    on('token-t1', 'TokenRevocationScheduled', { at: 1 }),
    on('token-t1', 'TokenRevoked', {}),
    on('hook-h', 'HookAdded', { definition: hook, source: 'api', from: {} }),
    on('hook-h', 'HookChanged', { definition: hook, source: 'api' }),
    on('hook-h', 'HookPaused', {}),
    on('hook-h', 'HookResumed', {}),
    on('hook-h', 'HookCheckpointed', { through: 'build-1@0', delivered: 1 }),
    on('hook-h', 'HookParked', { event: 'build-1@0', at: 1, attempts: 1, error: 'no' }),
    on('hook-h', 'HookRetried', { events: ['build-1@0'] }),
    on('hook-h', 'HookSkipped', { events: ['build-1@0'] }),
    on('hook-h', 'HookReplayed', { from: {} }),
    on('hook-h', 'HookRemoved', {}),
    on('root-r', 'RootAdded', { targets: [hello], source: 'api' }),
    on('root-r', 'RootExpired', { until: 1 }),
    on('root-r', 'RootRemoved', {}),
    on('memory-builds', 'BuildsRemembered', { builds: 1 }),
    on('audit-log', 'LogCheckpointed', { size: 0, root: `${'A'.repeat(43)}=`, note: 'x', subtrees: [] }),
  );
  assert.deepEqual(views.dump(), empty);
});

test('the tests above have shown every event type', () => {
  assert.deepEqual(
    [...eventTypes.keys()].filter((type) => !exercised.has(type)),
    [],
  );
});
