import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from 'nats';
import { createKnownStreams } from '../../../../adapters/event-store/nats/known-streams.ts';
import { durabilityOf, findProblems, refuseServer } from '../../../../adapters/event-store/nats/stream-config.ts';
import { formatPlace, parsePlace, subjectsOf } from '../../../../adapters/event-store/nats/subject.ts';

const good: Partial<StreamConfig> = {
  subjects: ['drover.X.>'],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  num_replicas: 3,
  discard: DiscardPolicy.Old,
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
  deny_delete: true,
  deny_purge: true,
};

it('finds every setting that could lose or change events', () => {
  assert.deepEqual(findProblems(good, { stream: 'X' }), []);
  assert.deepEqual(
    findProblems({ ...good, discard: DiscardPolicy.New, max_bytes: 1e9 }, { stream: 'X', replicas: 3 }),
    [],
  );
  const bad: [Partial<StreamConfig> & { persist_mode?: string }, string][] = [
    [{ subjects: ['drover.>'] }, 'subjects'],
    [{ retention: RetentionPolicy.Workqueue }, 'retention'],
    [{ storage: StorageType.Memory }, 'storage'],
    [{ deny_delete: false }, 'deny_delete'],
    [{ deny_purge: false }, 'deny_purge'],
    [{ allow_rollup_hdrs: true }, 'allow_rollup_hdrs'],
    [{ no_ack: true }, 'no_ack'],
    [{ sealed: true }, 'sealed'],
    [{ max_age: 1 }, 'max_age'],
    [{ max_msgs: 5 }, 'max_msgs'],
    [{ max_bytes: 5 }, 'max_bytes'],
    [{ max_msgs_per_subject: 1 }, 'max_msgs_per_subject'],
    [{ mirror: { name: 'Y' } }, 'mirror'],
    [{ sources: [{ name: 'Y' }] }, 'sources'],
    [{ persist_mode: 'async' }, 'persist_mode'],
    [{ num_replicas: 1 }, 'num_replicas'],
  ];
  for (const [change, name] of bad) {
    const problems = findProblems({ ...good, ...change }, { stream: 'X', replicas: 3 });
    assert.equal(problems.length, 1, name);
    assert.ok(problems[0]?.startsWith(`expected ${name} to be `), problems[0]);
  }
});

it('knows which servers may hold a log', () => {
  for (const version of ['2.9.10', '2.9.25', '2.10.0', '2.10.23', '2.12.1', '2.14.0-RC.1', '3.0.0'])
    assert.equal(refuseServer(version), undefined, version);
  for (const version of ['', '1.4.1', '2.8.4', '2.9.9', '2.10.20', '2.10.22'])
    assert.match(refuseServer(version) ?? '', /xpected/);
});

it('says what can be lost, unless the operator vouches for a server that can sync', () => {
  const file = { replicas: 1, storage: 'file', maxMessage: -1 } as const;
  assert.equal(durabilityOf('2.10.23', file, true), undefined);
  assert.match(durabilityOf('2.10.23', file, false) ?? '', /sync_interval: always/);
  assert.match(durabilityOf('2.9.10', file, true) ?? '', /2\.9\.10 cannot do otherwise/);
  assert.match(durabilityOf('2.12.0', { ...file, storage: 'memory' }, true) ?? '', /memory/);
});

it('gives each stream a subject of its own, whatever is in its name', () => {
  const { of } = subjectsOf('X');
  assert.equal(of('build-0r7k_2-12'), 'drover.X.build.0r7k_2-12');
  assert.equal(of('root-a.b'), 'drover.X.root.a=2Eb');
  assert.equal(of('root-ü >*'), 'drover.X.root.=C3=BC=20=3E=2A');
  assert.equal(of('root-'), 'drover.X.root.=');
  const names = ['a.b', 'a=2Eb', 'a=b', 'ab', 'a b', '', '=', '😀'];
  assert.equal(new Set(names.map((name) => of(`root-${name}`))).size, names.length);
});

it('writes places so that strings compare as they do', () => {
  const places = [
    formatPlace(0, 0),
    formatPlace(1, 9),
    formatPlace(1, 10),
    formatPlace(2, 0),
    formatPlace(Number.MAX_SAFE_INTEGER, 9999),
  ];
  assert.deepEqual(places, places.toSorted());
  assert.deepEqual(parsePlace(places[2] ?? ''), { sequence: 1, index: 10 });
  assert.throws(() => parsePlace('0000000000000001'), { code: 'unavailable' });
});

it('forgets the streams that were not used for longest, and none with messages under way', () => {
  const known = createKnownStreams(4);
  for (const [n, name] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    const stream = known.load(name, 0, []);
    known.record(stream, `commit-${n}`, { sequence: n + 1, revision: 0, events: 1 });
  }
  known.get('a');
  known.trim(3);
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].filter((name) => known.get(name)),
    ['a', 'd', 'e'],
  );
  known.trim(0);
  known.forget('a');
  assert.equal(known.get('a'), undefined);
});
