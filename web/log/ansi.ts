/** A piece of a line in one look: classes of the style sheet. */
export interface Piece {
  readonly text: string;
  readonly look: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const escapes = /\x1b(?:\[([0-9;:?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: nothing of them may move or hide what is seen
const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/**
 * A line of a log as pieces: colours and weights of ECMA-48 (SGR) become classes, other sequences go, and so do control characters and marks
 * that turn the direction of text. Of what a program has written over itself with a carriage return, the last is left.
 */
export function piecesOf(line: string): readonly Piece[] {
  const last = line.replace(/\r+$/, '').split('\r').at(-1) as string;
  const pieces: Piece[] = [];
  let look: Look = plain;
  let from = 0;
  const add = (text: string): void => {
    const clean = text.replace(controls, '');
    if (clean !== '') pieces.push({ text: clean, look: classesOf(look) });
  };
  for (const match of last.matchAll(escapes)) {
    add(last.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === 'm') look = changed(look, match[1] ?? '');
  }
  add(last.slice(from));
  return pieces;
}

interface Look {
  readonly color: number | undefined;
  readonly bold: boolean;
  readonly faint: boolean;
  readonly underline: boolean;
}
const plain: Look = { color: undefined, bold: false, faint: false, underline: false };

function changed(look: Look, codes: string): Look {
  let now = look;
  const numbers = codes.split(/[;:]/).map(Number);
  for (let n = 0; n < numbers.length; n++) {
    const code = numbers[n] as number;
    if (code === 0) now = plain;
    else if (code === 1) now = { ...now, bold: true };
    else if (code === 2) now = { ...now, faint: true };
    else if (code === 4) now = { ...now, underline: true };
    else if (code === 22) now = { ...now, bold: false, faint: false };
    else if (code === 24) now = { ...now, underline: false };
    else if (code === 39) now = { ...now, color: undefined };
    else if (code >= 30 && code <= 37) now = { ...now, color: code - 30 };
    else if (code >= 90 && code <= 97) now = { ...now, color: code - 90 };
    // Colours of more than eight are the reader's scheme's business.
    else if (code === 38 || code === 48) n += numbers[n + 1] === 5 ? 2 : 4;
  }
  return now;
}

function classesOf({ color, bold, faint, underline }: Look): string {
  const classes: string[] = [];
  if (color !== undefined) classes.push(`f${color}`);
  if (bold) classes.push('bold');
  if (faint) classes.push('faint');
  if (underline) classes.push('underline');
  return classes.join(' ');
}
