import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { commitEventId } from '../../../../adapters/event-store/eventstoredb/event-id.ts';
import {
  formatLogPosition,
  logStart,
  parseLogPosition,
} from '../../../../adapters/event-store/eventstoredb/position.ts';
import { createStreamMemory } from '../../../../adapters/event-store/eventstoredb/stream-memory.ts';
import { parseEsdbUrl } from '../../../../adapters/event-store/eventstoredb/url.ts';

describe('positions of EventStoreDB', () => {
  it('have one width, sort as the log goes, and come back', () => {
    const place = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    const position = fc.record({ commit: place, prepare: place });
    fc.assert(
      fc.property(position, position, (left, right) => {
        const [a, b] = [formatLogPosition(left), formatLogPosition(right)];
        assert.equal(a.length, b.length);
        assert.deepEqual(parseLogPosition(a), { ...left });
        const before = left.commit < right.commit || (left.commit === right.commit && left.prepare < right.prepare);
        assert.equal(a < b, before);
        assert.ok(a >= logStart);
      }),
    );
  });
  it('of another engine are refused', () => {
    for (const text of ['', '0000000000000012', '1.2', `${logStart}0`])
      assert.throws(() => parseLogPosition(text), { code: 'unavailable' });
  });
});

describe('event ids', () => {
  it('follow from commit and index alone', () => {
    assert.equal(commitEventId('commit-1', 0), commitEventId('commit-1', 0));
    const ids = ['a', 'b', 'a/1'].flatMap((commit) => [0, 1, 10].map((index) => commitEventId(commit, index)));
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
  it('never change: what was stored years ago is recognised', () => {
    assert.equal(commitEventId('commit-1', 0), 'd4d003c1-64c4-58bb-9b0b-4e7ab6ea872a');
  });
});

describe('esdb URLs', () => {
  it('are taken as the client takes them', () => {
    assert.deepEqual(parseEsdbUrl('esdb://localhost:2113?tls=false'), {
      connectionString: 'esdb://localhost:2113?tls=false',
      display: 'esdb://localhost:2113',
      tls: false,
    });
    assert.equal(
      parseEsdbUrl('esdb://admin:s3cret@a:1,b:2,c.example/?tlsCAFile=%2Fetc%2Fca.crt').display,
      'esdb://a:1,b:2,c.example',
    );
    assert.ok(parseEsdbUrl('esdb+discover://cluster.example:2113?nodePreference=leader').tls);
  });
  it('are refused with the part that is wrong, and without the password', () => {
    const cases: [string, RegExp][] = [
      ['', /esdb:\/\/host:port/],
      ['nats://localhost', /esdb:\/\/host:port/],
      ['esdb://', /host or host:port/],
      ['esdb://localhost:99999', /"localhost:99999"/],
      ['esdb://localhost?tls=maybe', /tls.*"maybe"/],
      ['esdb://localhost?nodePreference=follower', /nodePreference.*"follower"/],
      ['esdb://localhost?tsl=false', /a parameter out of .*"tsl"/],
      ['esdb://s3cret@localhost', /user:password/],
      ['esdb://me:s3cret@localhost?tls=false', /no user and password where tls=false/],
    ];
    for (const [url, message] of cases) {
      assert.throws(
        () => parseEsdbUrl(url),
        (error: Error) => {
          assert.ok(error instanceof TypeError, url);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /me:s3cret/);
          return true;
        },
      );
    }
  });
});

describe('stream memory', () => {
  it('forgets the streams used least recently, never the last one', () => {
    const memory = createStreamMemory(3);
    const add = (stream: string, ...commits: string[]) =>
      memory.set(stream, { head: commits.length - 1, commits: new Map(commits.map((id, at) => [id, at])) });
    add('a-1', '1');
    add('b-1', '2', '3');
    assert.ok(memory.get('a-1'));
    add('c-1', '4');
    assert.ok(memory.get('a-1') && memory.get('c-1'));
    assert.equal(memory.get('b-1'), undefined);
    add('d-1', '5', '6', '7', '8');
    assert.deepEqual([memory.get('a-1'), memory.get('c-1')], [undefined, undefined]);
    const state = memory.get('d-1');
    assert.ok(state);
    memory.recordCommit('d-1', state, '9', 4);
    assert.deepEqual([memory.get('d-1')?.head, memory.get('d-1')?.commits.get('9')], [4, 4]);
  });
});
