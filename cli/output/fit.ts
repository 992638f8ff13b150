/** A column of a table, as far as its width goes. */
export interface Measure {
  /** Columns of the terminal that its longest cell takes. */
  readonly natural: number;
  /** What it can be shrunk to. */
  readonly least: number;
  /** Whether the table can do without it first. */
  readonly minor: boolean;
}

/** Between two columns. */
export const gap = 2;
/** What says that columns were left out. */
export const cutMark = '…';

/**
 * The widths with which columns fit into `available`, `undefined` for one that is left out: the widest are shrunk first, to their least; where that
 * is not enough, minor columns go, then others, each time the last. The first stays.
 */
export function fit(columns: readonly Measure[], available: number): readonly (number | undefined)[] {
  const kept = new Set(columns.keys());
  const room = (): number =>
    available - gap * (kept.size - 1) - (kept.size < columns.length ? gap + cutMark.length : 0);
  const sum = (of: (column: Measure) => number): number =>
    [...kept].reduce((total, index) => total + of(columns[index] as Measure), 0);
  while (kept.size > 1 && sum(({ least }) => least) > room()) {
    const indices = [...kept].slice(1);
    kept.delete((indices.findLast((index) => columns[index]?.minor) ?? indices.at(-1)) as number);
  }
  const widths = columns.map(({ natural }, index) => (kept.has(index) ? natural : undefined));
  for (let excess = sum(({ natural }) => natural) - room(); excess > 0; excess--) {
    let widest: number | undefined;
    for (const index of kept) {
      const width = widths[index] as number;
      if (width > (columns[index] as Measure).least && (widest === undefined || width > (widths[widest] as number)))
        widest = index;
    }
    if (widest === undefined) break;
    widths[widest] = (widths[widest] as number) - 1;
  }
  return widths;
}

/** The text on so many columns, with its middle left out where it is longer: both ends of a name tell it from others. */
export function elide(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) return text;
  const chars = [...text];
  if (width <= 1) return '…';
  let head = '';
  let tail = '';
  for (let from = 0, to = chars.length - 1; from <= to; ) {
    const char = (head.length <= tail.length ? chars[from++] : chars[to--]) as string;
    if (measure(head + tail + char) > width - 1) break;
    if (head.length <= tail.length) head += char;
    else tail = char + tail;
  }
  return `${head}…${tail}`;
}
