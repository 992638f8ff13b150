import { describe, it } from 'node:test';
import { namesPerEvent } from '../../../domain/limits.ts';
import { decideRoot, type RootRefusal } from '../../../domain/root/decide.ts';
import type { RootEvent } from '../../../domain/root/events.ts';
import { evolveRoot, initialRoot } from '../../../domain/root/state.ts';
import { specification } from '../../support/decider.ts';

const given = specification({ initial: initialRoot, evolve: evolveRoot, decide: decideRoot });
const added = (targets: string[], until?: number, source: 'api' | 'config' = 'api'): RootEvent => ({
  type: 'RootAdded',
  data: { targets, source, ...(until !== undefined && { until }) },
});
const add = (targets: string[], until?: number, more = {}) =>
  ({ type: 'add', targets, until, source: 'api', ...more }) as const;
const remove = (targets?: string[], more = {}) => ({ type: 'remove', targets, source: 'api', ...more }) as const;
const refused = (code: 'unknown-root' | 'root-in-configuration'): RootRefusal => ({ code });

describe('a root', () => {
  it('keeps more and for longer with each addition, never less', () => {
    given()
      .when(add(['a', 'b'], 5))
      .then(added(['a', 'b'], 5));
    given(added(['a'], 5))
      .when(add(['a', 'b'], 5))
      .then(added(['b'], 5));
    given(added(['a'], 5))
      .when(add(['a'], 9))
      .then(added(['a'], 9));
    given(added(['a'], 5))
      .when(add(['a']))
      .then(added(['a']));
    for (const until of [5, 3])
      given(added(['a'], 5))
        .when(add(['a'], until))
        .then();
    given(added(['a']))
      .when(add(['a'], 5))
      .then();
  });
  it('names as many targets as an event holds', () => {
    const many = Array.from({ length: namesPerEvent + 1 }, (_, n) => String(n));
    given().when(add(many)).thenTypes('RootAdded', 'RootAdded');
    given(added(many)).when(remove(many)).thenTypes('RootRemoved', 'RootRemoved');
  });
  it('that is replaced keeps what comes before what goes is kept no more', () => {
    const gone: RootEvent = { type: 'RootRemoved', data: { targets: ['a'], reason: 'replaced' } };
    given(added(['a', 'b']))
      .when(add(['b', 'c'], undefined, { replace: true }))
      .then(added(['c']), gone);
    given(added(['a']))
      .when(add(['a'], undefined, { replace: true }))
      .then();
  });
  it('expires target by target, once', () => {
    const expired: RootEvent = { type: 'RootExpired', data: { until: 5 } };
    given(added(['a'], 5), added(['b'], 6))
      .when({ type: 'expire', until: 5 })
      .then(expired);
    given(added(['a'], 5), added(['b'], 6), expired)
      .when({ type: 'expire', until: 5 })
      .then();
    given(added(['a'], 5), expired)
      .when(remove())
      .refused(refused('unknown-root'));
    given(added(['a']))
      .when({ type: 'expire', until: 5 })
      .then();
  });
  it('is removed as a whole or in part, and only what it keeps', () => {
    given(added(['a', 'b']))
      .when(remove())
      .then({ type: 'RootRemoved', data: {} });
    const part: RootEvent = { type: 'RootRemoved', data: { targets: ['b'], reason: 'old' } };
    given(added(['a', 'b']))
      .when(remove(['b'], { reason: 'old' }))
      .then(part);
    given(added(['a', 'b']), part)
      .when(remove(['b']))
      .refused({ code: 'unknown-root-target', target: 'b' });
    given().when(remove()).refused(refused('unknown-root'));
  });
  it('of the configuration is changed there alone', () => {
    const own = added(['a'], undefined, 'config');
    given(own)
      .when(add(['b']))
      .refused(refused('root-in-configuration'));
    given(own).when(remove()).refused(refused('root-in-configuration'));
    given(added(['a']))
      .when(add(['b'], undefined, { source: 'config' }))
      .refused(refused('root-in-configuration'));
    given(own, { type: 'RootRemoved', data: {} })
      .when(add(['b']))
      .then(added(['b']));
  });
});
