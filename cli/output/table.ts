import stringWidth from 'string-width';
import { cutMark, elide, fit, gap } from './fit.ts';
import { paint, printable } from './text.ts';
import type { View } from './view.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null | undefined;
  /** Name of the state that gives the cell its colour. */
  readonly state?: (row: Row) => string;
  /** Whether it is only shown where all is wanted. */
  readonly wide?: true;
  /** Whether it is left out first where the terminal is narrow. */
  readonly minor?: true;
  /** Whether its cells are shown whole, as what people copy, or a time; the first column's always are. */
  readonly whole?: true;
}

/** Columns whose cells are shrunk stay this wide. */
const leastWidth = 8;

/** Aligned columns two spaces apart; numbers to the right. `empty` is said where there are no rows. */
export function table<Row>(
  rows: readonly Row[],
  all: readonly Column<Row>[],
  { colour, width, wide, empty }: Omit<View, 'now'> & { readonly empty: string },
): string {
  if (rows.length === 0) return `${empty}\n`;
  const columns = wide ? all : all.filter((column) => !column.wide);
  const cells = rows.map((row) => columns.map(({ value }) => value(row)));
  const texts = cells.map((row) =>
    row.map((cell) => (cell === null || cell === undefined || cell === '' ? '-' : printable(String(cell)))),
  );
  const numeric = columns.map((_, column) => cells.every((row) => typeof row[column] === 'number'));
  const measures = columns.map(({ title, minor, whole }, column) => {
    const natural = Math.max(title.length, ...texts.map((row) => widthOf(row[column] ?? '')));
    const fixed = column === 0 || whole === true || numeric[column] === true;
    const least = fixed ? natural : Math.min(natural, Math.max(title.length, leastWidth));
    return { natural, least, minor: minor === true };
  });
  const widths = width === undefined ? measures.map(({ natural }) => natural) : fit(measures, width);

  /** The cells of one line that are shown, in their widths. */
  const lay = (line: readonly string[], dress: (padded: string, column: number) => string): string[] =>
    line.flatMap((text, column) => {
      const room = widths[column];
      if (room === undefined) return [];
      const shown = elide(text, room, widthOf);
      const space = ' '.repeat(Math.max(0, room - widthOf(shown)));
      return [dress(numeric[column] ? space + shown : shown + space, column)];
    });
  const titles = lay(
    columns.map(({ title }) => title),
    (padded) => paint(padded, 'heading', colour),
  );
  if (widths.includes(undefined)) titles.push(cutMark);
  const lines = texts.map((line, index) =>
    lay(line, (padded, column) => {
      const state = columns[column]?.state?.(rows[index] as Row);
      return state === undefined ? padded : paint(padded, state, colour);
    }),
  );
  return `${[titles, ...lines].map((line) => line.join(' '.repeat(gap)).trimEnd()).join('\n')}\n`;
}

/** Columns of a terminal that a text takes. */
function widthOf(text: string): number {
  return /^[\x20-\x7e…]*$/.test(text) ? text.length : stringWidth(text);
}

/** `name:  value` lines with the values aligned; fields without a value are left out. */
export function details(
  fields: readonly (readonly [name: string, value: string | number | null | undefined])[],
): string {
  const shown = fields
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => [printable(name), value] as const);
  const width = Math.max(0, ...shown.map(([name]) => name.length)) + 1;
  return shown.map(([name, value]) => `${`${name}:`.padEnd(width)}  ${printable(String(value))}\n`).join('');
}
