/** A piece of a line in one look: classes of the style sheet. */
export interface Piece {
  readonly text: string;
  readonly look: string;
}

// Source: ECMA-48, section 5.4 (control sequences), ECMA-35, section 13.2 (escape sequences), and xterm for `ESC ]`.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const escapes = /\x1b(?:\[([0-?]*)([ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]|.)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: nothing of them may move or hide what is seen
const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** A line of more changes is nothing that a person reads, and each piece costs the page an element: the rest is in one look. */
const mostPieces = 256;

/**
 * A line of a log as pieces: colours and weights of ECMA-48 (SGR) become classes, other sequences go, and so do control characters and marks
 * that turn the direction of text. Of what a program has written over itself with a carriage return, the last is left.
 */
export function piecesOf(line: string): readonly Piece[] {
  const last = lastWritten(line);
  const pieces: Piece[] = [];
  let look: Look = plain;
  let from = 0;
  let text = '';
  const end = (): void => {
    if (text !== '') pieces.push({ text, look: classesOf(look) });
    text = '';
  };
  for (const match of last.matchAll(escapes)) {
    text += last.slice(from, match.index).replace(controls, '');
    from = match.index + match[0].length;
    const [, codes = '', final] = match;
    if (final !== 'm' || !/^[0-9;:]*$/.test(codes) || pieces.length >= mostPieces) continue;
    end();
    look = changed(look, codes);
  }
  text += last.slice(from).replace(controls, '');
  end();
  return pieces;
}

/** What comes after the last carriage return that anything comes after. By hand: a pattern for those at the end tries each of thousands. */
function lastWritten(line: string): string {
  let end = line.length;
  while (line[end - 1] === '\r') end--;
  return line.slice(end === 0 ? 0 : line.lastIndexOf('\r', end - 1) + 1, end);
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
