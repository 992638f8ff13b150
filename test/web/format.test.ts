import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failureText, inOneLine } from '../../web/words/failures.ts';
import { ago, bytes, count, counted, duration, isoTime, splitName, time } from '../../web/words/format.ts';
import { visible } from '../../web/words/visible.ts';

describe('what people read', () => {
  it('durations have two units at most', () => {
    const cases = { 0: '0.0 s', 9940: '9.9 s', 9960: '10 s', 59400: '59 s', 59600: '1 min', 185000: '3 min 5 s' };
    for (const [ms, text] of Object.entries(cases)) assert.equal(duration(Number(ms)), text);
    assert.equal(duration(7_500_000), '2 h 5 min');
    assert.equal(duration(273_600_000), '3 d 4 h');
    assert.equal(duration(-5), '0.0 s');
  });

  it('sizes and numbers', () => {
    assert.deepEqual([0, 999, 1000, 12_345_678, 1e15].map(bytes), ['0 B', '999 B', '1.0 kB', '12 MB', '1.0 PB']);
    assert.equal(count(1_234_567), '1\u202f234\u202f567');
    assert.deepEqual(
      [0, 1, 2, 1000].map((n) => counted(n, 'build')),
      ['0 builds', 'one build', '2 builds', '1\u202f000 builds'],
    );
    assert.equal(ago(1000, 13_500), '12 s ago');
  });

  it('times, also where a number is none', () => {
    assert.equal(isoTime(1000), '1970-01-01T00:00:01.000Z');
    for (const none of [Number.NaN, 8.7e15]) assert.deepEqual([isoTime(none), time(none, 0)], [undefined, 'no time']);
  });

  it('names without their hashes', () => {
    const hash = '0'.repeat(32);
    assert.deepEqual(splitName(`${hash}-hello-2.12.drv`), { hash, name: 'hello-2.12' });
    assert.deepEqual(splitName('odd'), { hash: '', name: 'odd' });
  });
});

describe('what a name would hide', () => {
  it('is written out, and what people write is left', () => {
    const cases = {
      'evil\u202egpj.drv': 'evil\\u202egpj.drv',
      'zero\u200bwidth\ufeff\u00ad\u{e0041}\u3164': 'zero\\u200bwidth\\ufeff\\xad\\u{e0041}\\u3164',
      'a\u0007\u009b\u061c\u2066b\u200d': 'a\\x07\\x9b\\u061c\\u2066b\\u200d',
      'Müller 東京 שלום\n\t1\u202f000': 'Müller 東京 שלום\n\t1\u202f000',
      '\u{1f468}\u200d\u{1f469} \u26a0\ufe0f \u2764\ufe0f\u200d\u{1f525}':
        '\u{1f468}\u200d\u{1f469} \u26a0\ufe0f \u2764\ufe0f\u200d\u{1f525}',
    };
    for (const [text, shown] of Object.entries(cases)) assert.equal(visible(text), shown);
  });
});

it('what went wrong is said in one line: the first, or of a newer Nix the reason, without what leads on to the others', () => {
  const message = "builder for '/nix/store/x.drv' failed with exit code 2;\nlast 2 log lines:\n> a\n> b";
  assert.equal(inOneLine(message), "builder for '/nix/store/x.drv' failed with exit code 2");
  const summary = `attempt 1 on oak failed: builder-failed: ${message}`;
  assert.equal(
    inOneLine(summary),
    "attempt 1 on oak failed: builder-failed: builder for '/nix/store/x.drv' failed with exit code 2",
  );
  const newer =
    "builder-failed: Cannot build '/nix/store/x.drv'.\nReason: builder failed with exit code 2.\nLast 1 log lines:\n> a";
  assert.equal(inOneLine(newer), 'builder-failed: builder failed with exit code 2');
  assert.equal(inOneLine('no space is left; 3 GB are needed.\n'), 'no space is left; 3 GB are needed.');
  assert.equal(failureText('handed-back', ''), 'handed-back');
});
