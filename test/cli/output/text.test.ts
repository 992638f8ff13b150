import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readable } from '../../../cli/output/logger.ts';
import { duration, printable, relativeTime, shortName, size } from '../../../cli/output/text.ts';
import { firstLine } from '../../../projections/first-line.ts';

describe('text for people', () => {
  it('shows control characters instead of sending them to the terminal', () => {
    assert.equal(printable('a\u001b[31mb\r\n\u009bé'), 'a\\x1b[31mb\\x0d\\x0a\\x9bé');
  });
  it('says how long', () => {
    const cases = [
      [0, '0ms'],
      [999, '999ms'],
      [42_000, '42s'],
      [190_000, '3m 10s'],
      [3_600_000, '1h'],
      [5 * 3_600_000 + 120_000, '5h 2m'],
      [76 * 3_600_000, '3d 4h'],
    ] as const;
    for (const [ms, text] of cases) assert.equal(duration(ms), text);
  });
  it('says when', () => {
    assert.equal(relativeTime(null, 5), '-');
    assert.equal(relativeTime(100_000, 100_500), 'now');
    assert.equal(relativeTime(40_000, 100_000), '1m ago');
    assert.equal(relativeTime(105_000, 100_000), 'in 5s');
  });
  it('says how large', () => {
    assert.deepEqual([0, 1023, 1024, 1536 * 1024, 5 * 1024 ** 4].map(size), [
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 MiB',
      '5.0 TiB',
    ]);
  });
  it('keeps the first line of a message', () => {
    assert.equal(firstLine('one'), 'one');
    assert.equal(firstLine('one;\r\ntwo'), 'one; …');
  });
  it('names a derivation without its hash', () => {
    assert.equal(shortName(`${'0'.repeat(32)}-hello-2.12.drv`), 'hello-2.12');
  });
  it('makes a line of the log readable', () => {
    const line = JSON.stringify({
      level: 40,
      time: '2026-01-02T03:04:05.678Z',
      build: 'b-1',
      list: [1],
      msg: 'slow\u001b',
    });
    assert.equal(readable(line, { colour: false }), '03:04:05 warn  slow\\x1b build=b-1 list=[1]');
  });
});
