import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';

/** Where the area is drawn: a terminal. */
export interface Screen {
  write(text: string): void;
  columns(): number;
}

/** The last lines of a terminal, which are drawn again and again; what is to stay is printed above them. */
export interface LiveArea {
  /** Draws the lines in place of those before; none of them may be wider than the terminal. `above`: lines that stay. */
  draw(lines: readonly string[], above?: readonly string[]): void;
}

const csi = '\u001b[';
/** Synchronized output: a terminal that knows it shows all of it at once; others pass over it. */
const begin = `${csi}?2026h`;
const end = `${csi}?2026l`;

/** Leaves the cursor visible, and at the beginning of a line: whatever ends the process, the terminal is whole. */
export function createLiveArea(screen: Screen): LiveArea {
  let drawn: readonly number[] = [];

  /** Lines that what was drawn takes now: a terminal that became narrower has broken them. */
  function height(): number {
    const columns = Math.max(1, screen.columns());
    return drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
  }

  return {
    draw(lines, above = []) {
      const up = height();
      if (up === 0 && lines.length === 0 && above.length === 0) return;
      const back = up === 0 ? '' : `${csi}${up}A\r`;
      const text = [...above, ...lines].map((line) => `${line}\n`).join('');
      screen.write(`${begin}${back}${csi}J${text}${end}`);
      drawn = lines.map((line) => stringWidth(stripVTControlCharacters(line)));
    },
  };
}
