import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { piecesOf } from '../../web/log/ansi.ts';
import { createLines } from '../../web/log/lines.ts';

const plainText = (line: string): string =>
  piecesOf(line)
    .map(({ text }) => text)
    .join('');

describe('a line of a log', () => {
  it('has its colours as classes', () => {
    assert.deepEqual(piecesOf('\x1b[1;31merror:\x1b[0m no'), [
      { text: 'error:', look: 'f1 bold' },
      { text: ' no', look: '' },
    ]);
    assert.deepEqual(piecesOf('\x1b[38;5;200mx\x1b[38;2;1;2;3my\x1b[92mz'), [
      { text: 'x', look: '' },
      { text: 'y', look: '' },
      { text: 'z', look: 'f2' },
    ]);
  });

  it('shows what a program has left of what it wrote over', () => {
    assert.equal(plainText('10 %\r50 %\r100 %\r'), '100 %');
  });

  it('leaves out whole sequences, also those that no colour is in', () => {
    assert.equal(plainText('a\x1b[>4;1mb\x1b(Bc\x1b[2 qd\x1b[?25le\x1b7f'), 'abcdef');
    assert.deepEqual(piecesOf('\x1b[>1ma'), [{ text: 'a', look: '' }]);
  });

  it('is shown at once and in few pieces, whatever it is made of', () => {
    const before = process.cpuUsage();
    assert.equal(plainText(`${'\r'.repeat(200_000)}x`), 'x');
    assert.ok(process.cpuUsage(before).user < 5_000_000, 'not by looking at each return as often as there are returns');
    const pieces = piecesOf('\x1b[1mx\x1b[my'.repeat(1_250));
    assert.ok(pieces.length < 300, `${pieces.length} pieces`);
    assert.equal(pieces.map(({ text }) => text).join(''), 'xy'.repeat(1_250));
    assert.equal(piecesOf('a\x1b[Kb\x1b[Kc').length, 1);
  });

  it('never has anything that moves, hides or turns what is seen', () => {
    assert.equal(plainText('a\x1b]8;;http://x\x07b\x1b]8;;\x1b\\c\x1b[2Jd\x1b[5Ae\x00\x07\x7ff\u202eg'), 'abcdefg');
    const parts = ['\x1b', '[', ']', 'm', 'J', '3', ';', '\x07', '\\', '\x00', '\r', '\u202e', '\u2067', 'a', '\x9b'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts)), (all) => {
        const line = all.join('');
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
        assert.doesNotMatch(plainText(line), /[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });
});

describe('the lines of a log', () => {
  it('are those of its text, however it comes', () => {
    const text = fc
      .array(fc.constantFrom('a', 'ß', '\n', 'long word ', '\r'), { maxLength: 60 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }), (whole, sizes) => {
        const lines = createLines();
        let left = Buffer.from(whole);
        for (const size of [...sizes, left.length]) {
          lines.append(left.subarray(0, size));
          left = left.subarray(size);
        }
        const wanted = whole.split('\n');
        if (wanted.at(-1) === '') wanted.pop();
        assert.deepEqual(
          Array.from({ length: lines.count }, (_, n) => lines.line(n)),
          wanted,
        );
      }),
    );
  });

  it('are the same where they are long, many or both', () => {
    const texts = Array.from({ length: 5_000 }, (_, n) => (n % 700 === 3 ? 'y'.repeat(9_000) : 'x'.repeat(n % 5)));
    const lines = createLines();
    const bytes = Buffer.from(texts.join('\n'));
    for (let at = 0; at < bytes.length; at += 4_099) lines.append(bytes.subarray(at, at + 4_099));
    const there = Array.from({ length: lines.count }, (_, n) => lines.line(n));
    assert.deepEqual(there, texts);
    assert.deepEqual(
      there.map((_, n) => lines.line(texts.length - 1 - n)),
      texts.toReversed(),
    );
  });

  it('take little memory beside the log, also where there is nothing in them', () => {
    const chunk = new Uint8Array(64 * 1024).fill(10);
    const lines = createLines();
    const before = process.memoryUsage().arrayBuffers;
    for (let n = 0; n < 128; n++) lines.append(chunk);
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes for ${lines.bytes}`);
    assert.equal(lines.count, 8 * 1024 * 1024);
    assert.equal(lines.line(lines.count - 1), '');
  });

  it('are found in both directions, in whichever case', async () => {
    const lines = createLines();
    lines.append(Buffer.from('one\nTwo\nthree\ntwo\n'));
    const { signal } = new AbortController();
    assert.equal(await lines.find('TWO', -1, 1, signal), 1);
    assert.equal(await lines.find('two', 1, 1, signal), 3);
    assert.equal(await lines.find('two', 3, -1, signal), 1);
    assert.equal(await lines.find('four', -1, 1, signal), undefined);
    assert.equal(await lines.find('two', lines.count, -1, signal), 3);
    assert.equal(await lines.find('one', 0, 1, signal), undefined);
    assert.equal(await lines.find('two', 1, -1, signal), undefined);
  });

  it('are found wherever the pieces that are looked at end, also in long lines', async () => {
    const { signal } = new AbortController();
    for (const length of [524_270, 524_280, 524_284, 524_287, 524_288, 1_000_000]) {
      const lines = createLines();
      const long = Buffer.from(`first\n\nñ\n${'ä'.repeat(length / 2)}NÄDEL\n`);
      for (let at = 0; at < long.length; at += 50_001) lines.append(long.subarray(at, at + 50_001));
      lines.append(Buffer.from('more\nNädel '));
      assert.equal(await lines.find('nädel', -1, 1, signal), 3);
      assert.equal(await lines.find('nädel', 3, 1, signal), 5);
      assert.equal(await lines.find('nädel', 5, -1, signal), 3);
      assert.equal(await lines.find('first', 5, -1, signal), 0);
    }
  });

  it('are cut where they are too long to be shown', () => {
    const lines = createLines();
    lines.append(Buffer.alloc(30_000, 'x'));
    assert.equal(lines.line(0).length, 10_000 + ' … 20000 bytes more'.length);
  });
});
