import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atMoment, momentIn, withoutMoment } from '../../web/past/address.ts';

describe('an address as of a moment', () => {
  it('says which before what it says without', () => {
    assert.equal(atMoment('0000000000000012', '/builds/b-1?attempt=2'), '/at/0000000000000012/builds/b-1?attempt=2');
    assert.equal(atMoment('build-a@3', '/'), '/at/build-a%403/');
    assert.equal(momentIn('/at/build-a%403/builds'), 'build-a@3');
    assert.equal(momentIn('/at/0000000000000012'), '0000000000000012');
    assert.equal(withoutMoment('/at/0000000000000012/builds/b-1?attempt=2'), '/builds/b-1?attempt=2');
    for (const bare of ['/at/7', '/at/7/']) assert.equal(withoutMoment(bare), '/');
    assert.equal(withoutMoment('/at/7?kind=x'), '/?kind=x');
  });

  it('is left alone where it says for itself when it is, or where there is no when', () => {
    for (const address of [
      '/at/7/builds',
      '/login',
      '/difference?from=7',
      'https://example.org/builds',
      '//example.org',
      '#main',
    ])
      assert.equal(atMoment('8', address), address);
    assert.equal(atMoment(undefined, '/builds'), '/builds');
    assert.equal(momentIn('/attempts/7'), undefined);
    assert.equal(momentIn('/at'), undefined);
    assert.equal(withoutMoment('/builds'), '/builds');
    assert.equal(momentIn('/at/%E0%A4%A/builds'), '%E0%A4%A', 'what is no text is as it is written');
  });
});
