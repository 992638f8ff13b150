import { paint, printable } from './text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null | undefined;
  /** Name of the state that gives the cell its colour. */
  readonly state?: (row: Row) => string;
}

/** Aligned columns two spaces apart; numbers to the right. `empty` is said where there are no rows. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { colour, empty }: { readonly colour: boolean; readonly empty: string },
): string {
  if (rows.length === 0) return `${empty}\n`;
  const cells = rows.map((row) => columns.map(({ value }) => value(row)));
  const texts = cells.map((row) =>
    row.map((cell) => (cell === null || cell === undefined || cell === '' ? '-' : printable(String(cell)))),
  );
  const widths = columns.map(({ title }, column) =>
    Math.max(title.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const numeric = columns.map((_, column) => cells.every((row) => typeof row[column] === 'number'));
  const pad = (text: string, column: number) =>
    numeric[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);

  const lines = [columns.map(({ title }, column) => paint(pad(title, column), 'heading', colour)).join('  ')];
  for (const [index, row] of texts.entries()) {
    const painted = row.map((text, column) => {
      const state = columns[column]?.state?.(rows[index] as Row);
      const padded = pad(text, column);
      return state === undefined ? padded : paint(padded, state, colour);
    });
    lines.push(painted.join('  '));
  }
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** `name:  value` lines with the values aligned; fields without a value are left out. */
export function details(
  fields: readonly (readonly [name: string, value: string | number | null | undefined])[],
): string {
  const shown = fields.filter(([, value]) => value !== undefined && value !== null && value !== '');
  const width = Math.max(0, ...shown.map(([name]) => name.length)) + 1;
  return shown.map(([name, value]) => `${`${name}:`.padEnd(width)}  ${printable(String(value))}\n`).join('');
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
