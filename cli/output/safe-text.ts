/**
 * What a terminal obeys, or what makes a text read in another order than it is written: C0 and C1 controls but tab and newline, and the
 * controls of bidirectional text. Source: ECMA-48; Unicode Standard Annex 9, section 2.
 */
const steering = /[[\p{Cc}\p{Bidi_Control}]--[\t\n]]/gv;
const esc = '\u001b';
/** Select Graphic Rendition behind its escape: colours, bold and the like. Source: ECMA-48, section 8.3.117. */
const rendition = /^\[[0-9;:]{0,64}m/;
/** What may be the beginning of one. */
const cutRendition = /^(?:\[[0-9;:]{0,64})?$/;
const reset = '\u001b[0m';

/** As in JSON, so that JSON stays JSON: `\u001b`. */
function shown(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A text that steers nothing: what would is shown as `\uNNNN`. With `colours`, colours pass. */
export function safeText(text: string, colours: boolean): string {
  return text.replaceAll(steering, (char, at: number) =>
    colours && char === esc && rendition.test(text.slice(at + 1, at + 80)) ? char : shown(char),
  );
}

export interface TerminalFilter {
  /** The next bytes, which may end within a character or a sequence. */
  write(bytes: Uint8Array): string;
  /** What was held back, and the end of the colours. */
  end(): string;
}

/**
 * {@link safeText} for a stream of bytes from outside, a build's log. Bytes that are not UTF-8 are shown as U+FFFD; a carriage return,
 * with which programs draw over a line, begins a new one.
 */
export function createTerminalFilter(colours: boolean): TerminalFilter {
  const decoder = new TextDecoder();
  let held = '';
  let afterReturn = false;
  let coloured = false;

  function take(text: string, last: boolean): string {
    let lines = held + text;
    const begun = last ? -1 : lines.lastIndexOf(esc);
    held = begun >= 0 && cutRendition.test(lines.slice(begun + 1)) ? lines.slice(begun) : '';
    lines = lines.slice(0, lines.length - held.length);
    if (lines === '') return '';
    // The newline of a pair that was cut between the two.
    if (afterReturn && lines.startsWith('\n')) lines = lines.slice(1);
    afterReturn = lines === '' ? false : lines.endsWith('\r');
    const safe = safeText(lines.replaceAll(/\r\n?/g, '\n'), colours);
    coloured ||= safe.includes(esc);
    return safe;
  }

  return {
    write: (bytes) => take(decoder.decode(bytes, { stream: true }), false),
    end: () => take(decoder.decode(), true) + (coloured ? reset : ''),
  };
}
