import { excerpt, FormatError } from '../store/format-error.ts';

/** An S-expression as libgcrypt has them: a text of bytes, or a list. Source: Rivest, S-Expressions (1997); libgcrypt's manual. */
export type SExpression = Uint8Array | readonly SExpression[];

/** Keys, signatures and lists of a few hundred keys are far smaller; nothing else is written so. */
export const longestExpression = 1 << 18;
export const deepestExpression = 32;

const tokenCharacters = /^[A-Za-z0-9\-./_:*+=]$/;
const white = /^[ \t\v\n\f\r]$/;

/**
 * Reads one S-expression, in the canonical form (`3:abc`) or the one for people (tokens, `"quoted"`, `#hex#`), as libgcrypt does.
 *
 * @throws FormatError `malformed-s-expression` with the place, also for what is too long, too deep, or followed by anything.
 */
export function parseSExpression(text: string): SExpression {
  if (text.length > longestExpression) {
    throw new FormatError(
      'malformed-s-expression',
      `expected at most ${longestExpression} characters, got ${text.length}`,
    );
  }
  const open: SExpression[][] = [];
  let result: SExpression | undefined;
  let at = 0;
  const fail = (expected: string) => {
    const got = at < text.length ? excerpt(text.slice(at)) : 'the end';
    return new FormatError('malformed-s-expression', `expected ${expected}, got ${got}`, at);
  };
  const add = (value: SExpression) => {
    const parent = open.at(-1);
    if (parent) parent.push(value);
    else result = value;
  };

  for (;;) {
    while (at < text.length && white.test(text[at] as string)) at++;
    if (result !== undefined && open.length === 0) {
      if (at < text.length) throw fail('nothing after the expression');
      return result;
    }
    const next = text[at];
    if (next === '(') {
      if (open.length >= deepestExpression) throw fail(`at most ${deepestExpression} lists in each other`);
      open.push([]);
      at++;
    } else if (next === ')') {
      const list = open.pop();
      if (!list) throw fail('an expression');
      add(list);
      at++;
    } else {
      add(atom());
    }
  }

  function atom(): Uint8Array {
    const next = text[at];
    if (next === '#') return hex();
    if (next === '"') return quoted();
    const length = /^([1-9][0-9]{0,8}|0):/.exec(text.slice(at, at + 10));
    if (length) return verbatim(length[0].length, Number(length[1]));
    const start = at;
    while (at < text.length && tokenCharacters.test(text[at] as string)) at++;
    if (at === start || /^[0-9]/.test(text.slice(start))) {
      at = start;
      throw fail(open.length === 0 ? 'an expression' : 'an expression or ")"');
    }
    return Buffer.from(text.slice(start, at), 'latin1');
  }

  function hex(): Uint8Array {
    const end = text.indexOf('#', at + 1);
    if (end < 0) throw fail('hexadecimal digits and "#"');
    const digits = text.slice(at + 1, end).replace(/[ \t\v\n\f\r]/g, '');
    if (!/^([0-9A-Fa-f]{2})*$/.test(digits)) throw fail('pairs of hexadecimal digits and "#"');
    at = end + 1;
    return Buffer.from(digits, 'hex');
  }

  function verbatim(head: number, length: number): Uint8Array {
    const bytes = text.slice(at + head, at + head + length);
    if (bytes.length < length || !isLatin1(bytes)) throw fail(`${length} bytes after their number`);
    at += head + length;
    return Buffer.from(bytes, 'latin1');
  }

  function quoted(): Uint8Array {
    const bytes: number[] = [];
    for (let place = at + 1; place < text.length; place++) {
      const code = text.charCodeAt(place);
      if (code > 0xff) break;
      if (text[place] === '"') {
        at = place + 1;
        return Uint8Array.from(bytes);
      }
      if (text[place] !== '\\') {
        bytes.push(code);
        continue;
      }
      const match = /^(?:x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|(\r\n|\n\r|\r|\n)|([btvnfr"'\\]))/.exec(
        text.slice(place + 1, place + 4),
      );
      if (!match) break;
      const [all, sixteen, eight, , letter] = match as unknown as [string, ...(string | undefined)[]];
      place += all.length;
      if (sixteen !== undefined) bytes.push(Number.parseInt(sixteen, 16));
      else if (eight !== undefined) bytes.push(Number.parseInt(eight, 8));
      else if (letter !== undefined) bytes.push(escapes[letter] as number);
    }
    throw fail('a quoted text of bytes, its escapes, and its end');
  }
}

const escapes: Record<string, number> = {
  b: 8,
  t: 9,
  v: 11,
  n: 10,
  f: 12,
  r: 13,
  '"': 34,
  "'": 39,
  '\\': 92,
};

/** The form for people, byte for byte as libgcrypt's `GCRYSEXP_FMT_ADVANCED` prints it, which Guix keeps its keys and signatures in. */
export function formatSExpression(expression: SExpression): string {
  let text = '';
  write(expression, 0);
  return `${text}\n`;

  function write(value: SExpression, depth: number): void {
    if (value instanceof Uint8Array) {
      text += formatAtom(value);
      return;
    }
    text += depth > 0 ? `\n${' '.repeat(depth)}(` : '(';
    for (const [index, item] of value.entries()) {
      write(item, depth + 1);
      if (item instanceof Uint8Array) {
        if (index < value.length - 1) text += ' ';
      } else if (index === value.length - 1 || value[index + 1] instanceof Uint8Array) {
        text += `\n${' '.repeat(depth + 1)}`;
      }
    }
    text += ')';
  }
}

/** What looks like a negative number, begins with a zero, or has bytes that no text has, is in hexadecimal digits. */
function formatAtom(bytes: Uint8Array): string {
  const [first] = bytes;
  if (first === undefined) return '""';
  if (first === 0 || first >= 0x80 || !bytes.every(isOfTexts)) {
    return `#${Buffer.from(bytes).toString('hex').toUpperCase()}#`;
  }
  const text = Buffer.from(bytes).toString('latin1');
  if (/^[A-Za-z\-./_:*+=][A-Za-z0-9\-./_:*+=]*$/.test(text)) return text;
  return `"${Array.from(text, (char) => (letters[char] ? `\\${letters[char]}` : char)).join('')}"`;
}

function isOfTexts(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte > 0xa0 || (byte >= 8 && byte <= 13) || byte === 0;
}

const letters: Record<string, string> = {
  '\0': 'x00',
  ...Object.fromEntries(Object.entries(escapes).map(([letter, code]) => [String.fromCharCode(code), letter])),
};

function isLatin1(text: string): boolean {
  return Buffer.from(text, 'latin1').toString('latin1') === text;
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** Whether both are the same, whatever form they were written in. */
export function isSameExpression(a: SExpression, b: SExpression): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  }
  return a.length === b.length && a.every((item, index) => isSameExpression(item, b[index] as SExpression));
}

export function named(name: string, ...items: readonly SExpression[]): SExpression {
  return [bytesOf(name), ...items];
}

export function atom(name: string, value: string): SExpression {
  return named(name, bytesOf(value));
}

/** What follows the name of a list of that name. */
export function listOf(expression: SExpression | undefined, name: string): readonly SExpression[] | undefined {
  if (!expression || expression instanceof Uint8Array) return undefined;
  const [first, ...rest] = expression;
  return first instanceof Uint8Array && Buffer.compare(first, bytesOf(name)) === 0 ? rest : undefined;
}
