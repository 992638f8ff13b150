import type { ComponentChildren } from 'preact';

export interface Column<Row> {
  readonly title: string;
  readonly class?: 'number' | 'when' | 'whole' | 'wide';
  readonly cell: (row: Row) => ComponentChildren;
}

/** A table that scrolls by itself where it is wider than the page. */
export function Table<Row>({
  rows,
  columns,
  keyOf,
  empty = 'There are none.',
}: {
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
  readonly empty?: ComponentChildren;
}) {
  if (rows.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} class={column.class}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.title} class={column.class}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
