import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createTerminalFilter, safeText } from '../../../cli/output/safe-text.ts';
import { printable } from '../../../cli/output/text.ts';

const filtered = (chunks: readonly Uint8Array[], colours = true): string => {
  const filter = createTerminalFilter(colours);
  return chunks.map((chunk) => filter.write(chunk)).join('') + filter.end();
};
const one = (text: string, colours = true) => filtered([Buffer.from(text)], colours);

/** Without its colours, what a terminal gets must have no control but tab and newline, and none of direction. */
const steers = /[[\p{Cc}\p{Bidi_Control}]--[\t\n]]/v;
const withoutColours = (text: string) => text.replaceAll(new RegExp(`${esc}\\[[0-9;:]*m`, 'g'), '');
const esc = '\u001b';

/** What hostile builders write. */
const attacks: readonly (readonly [name: string, bytes: string])[] = [
  ['clipboard', '\u001b]52;c;cm0gLXJmIH4K\u0007'],
  ['title', '\u001b]0;owned\u001b\\'],
  ['title, 8 bit', '\u009d0;owned\u009c'],
  ['link', '\u001b]8;;http://evil/\u001b\\ok\u001b]8;;\u001b\\'],
  ['device control', '\u001bP$qm\u001b\\'],
  ['application command', '\u001b_G\u001b\\'],
  ['privacy message', '\u001b^x\u001b\\'],
  ['clear', '\u001b[2J\u001b[H'],
  ['cursor up, 8 bit', '\u009b1A'],
  ['reset', '\u001bc'],
  ['report', '\u001b[6n'],
  ['key map', '\u001b[>4;2m'],
  ['mode', '\u001b[?1049h'],
  ['charset', '\u001b(0'],
  ['backspace', 'yes\b\b\bno '],
  ['bell', '\u0007'],
  ['shift out', '\u000e'],
  ['direction', 'abc\u202etxt.exe'],
  ['isolate', '\u2066x\u2069'],
  ['lone esc', '\u001b'],
  ['endless parameters', `\u001b[${'1;'.repeat(1000)}m`],
];

describe('a log on a terminal', () => {
  it('keeps colours and lines, and ends the colours', () => {
    assert.equal(one('plain\ttext\nµ…\n'), 'plain\ttext\nµ…\n');
    assert.equal(
      one('\u001b[1;31mred\u001b[m \u001b[38:5:12mblue'),
      '\u001b[1;31mred\u001b[m \u001b[38:5:12mblue\u001b[0m',
    );
    assert.equal(one('\u001b[31mred\u001b[0m', false), '\\u001b[31mred\\u001b[0m');
  });

  it('shows all else that would steer it', () => {
    assert.equal(one('\u001b]52;c;aGk=\u0007'), '\\u001b]52;c;aGk=\\u0007');
    for (const [name, text] of attacks) {
      const shown = one(`before ${text} after`);
      assert.doesNotMatch(withoutColours(shown), steers, name);
      assert.match(shown, /^before .* after/s, `${name}: what follows is not swallowed`);
    }
  });

  it('does so wherever it is cut', () => {
    const text = attacks.map(([, bytes]) => `${bytes} \u001b[32mgreen\u001b[0m\r\n50%\r100%\r\n`).join('|');
    const bytes = Buffer.from(text);
    const whole = filtered([bytes]);
    assert.doesNotMatch(withoutColours(whole), steers);
    const cuts = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 20 });
    fc.assert(
      fc.property(cuts, (places) => {
        const at = [0, ...places.toSorted((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        assert.equal(filtered(chunks), whole);
      }),
    );
    assert.equal(filtered([...bytes].map((byte) => Uint8Array.of(byte))), whole);
  });

  it('lets nothing through whatever the bytes', () => {
    const nasty = fc.constantFrom(0x1b, 0x5b, 0x5d, 0x6d, 0x3b, 0x31, 0x9b, 0xc2, 0xe2, 0x80, 0xae, 0x0d, 0x0a, 0x07);
    const chunk = fc.array(fc.oneof(nasty, fc.integer({ min: 0, max: 255 })), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 5 }), fc.boolean(), (chunks, colours) => {
        const shown = filtered(
          chunks.map((bytes) => Uint8Array.from(bytes)),
          colours,
        );
        assert.doesNotMatch(withoutColours(shown), steers);
        if (!colours) assert.ok(!shown.includes('\u001b'));
      }),
    );
  });

  it('begins a line where a program would draw over one', () => {
    assert.equal(one('10%\r20%\r\ndone\n'), '10%\n20%\ndone\n');
    assert.equal(filtered([Buffer.from('a\r'), Buffer.from('\nb\r'), Buffer.from('\rc')]), 'a\nb\n\nc');
  });

  it('holds back no more than a colour is long', () => {
    const filter = createTerminalFilter(true);
    assert.equal(filter.write(Buffer.from('now\u001b[3')), 'now');
    assert.equal(filter.write(Buffer.from('1mred')), '\u001b[31mred');
    assert.match(filter.write(Buffer.from(`\u001b[${'1'.repeat(100)}`)), /^\\u001b\[1{100}$/);
  });
});

describe('a text from elsewhere', () => {
  it('shows what would turn it round', () => {
    assert.equal(printable('invoice\u202efdp.exe\u2069'), 'invoice\\u202efdp.exe\\u2069');
  });

  it('stays JSON where it is JSON', () => {
    const value = { name: 'a\u009bb\u202ec\u007f', list: ['\u001b[31m'] };
    const text = safeText(JSON.stringify(value), true);
    assert.deepEqual(JSON.parse(text), value);
    assert.doesNotMatch(text, steers);
  });
});
