import { type Figure, formatValue } from './figures.ts';

/** What the whole run comes to, for a terminal. */
export function textTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [figure.name, formatValue(figure), figure.unit, ratio(figure), goal(figure)]);
  const header = ['', 'value', 'unit', 'beside', 'goal'];
  const widths = header.map((title, column) =>
    Math.max(...[header, ...rows].map((row) => (row[column] ?? title).length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
}

/** The same as a page for the documentation. */
export function markdownPage(
  figures: readonly Figure[],
  machine: readonly (readonly [string, string])[],
  command: string,
): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  return [
    '# Figures',
    '',
    `Written by \`${command}\`. What each row means: [benchmarks.md](benchmarks.md).`,
    '',
    ...machine.map(([name, value]) => `* ${name}: ${value}`),
    '',
    '| what | value | beside | goal | what bounds it | measured |',
    '|---|---|---|---|---|---|',
    ...figures.map((figure) => {
      const { name, unit, bound = '', note = '' } = figure;
      const cells = [name, `${formatValue(figure)} ${unit}`, ratio(figure), goal(figure), bound, note];
      return `| ${cells.map(cell).join(' | ')} |`;
    }),
    '',
  ].join('\n');
}

function ratio({ ratio, peer }: Figure): string {
  return ratio === undefined ? '' : `${formatValue({ value: ratio })} × ${peer}`;
}

function goal({ goal = '', met }: Figure): string {
  return met === undefined ? goal : `${goal}: ${met ? 'met' : 'missed'}`;
}
