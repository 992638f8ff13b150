import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Filters } from '../parts/filters.tsx';
import { Name } from '../parts/name.tsx';
import { Pages } from '../parts/pages.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { askedIn } from '../router.ts';
import { bytes } from '../words/format.ts';
import { itemLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';
import { AddedBy } from './item.tsx';

const fields = [
  { field: 'name', label: 'Name contains' },
  { field: 'deriver', label: 'Deriver' },
  { field: 'agent', label: 'Built by agent' },
] as const;

/** Store items in the pool, newest first, by what the address says. */
export function ItemsPage({ query }: PageProps) {
  const asked = askedIn(query, [...fields.map(({ field }) => field), 'after']);
  const loaded = useLoaded(
    `items ${JSON.stringify(asked)}`,
    () => drover.listItems({ ...asked, limit: 50 }),
    ({ stream }) => stream.startsWith('item-'),
  );
  return (
    <>
      <h1>Items</h1>
      <Filters fields={fields} query={query} />
      <WhenLoaded of={loaded}>
        {({ rows, next }) => (
          <>
            <Table
              rows={rows}
              keyOf={({ path }) => path}
              columns={[
                { title: 'Item', cell: ({ path }) => <Name base={path} href={itemLink(path)} /> },
                {
                  title: 'State',
                  cell: ({ unpublished }) => <State state={unpublished === undefined ? 'present' : 'unpublished'} />,
                },
                { title: 'NAR', class: 'number', cell: ({ narSize }) => bytes(narSize) },
                { title: 'File', class: 'number', cell: ({ file }) => bytes(file.size) },
                { title: 'Refers to', class: 'number', cell: ({ references }) => references.length },
                { title: 'Added', class: 'when', cell: ({ addedAt }) => <Time at={addedAt} /> },
                { title: 'By', cell: (row) => <AddedBy row={row} /> },
              ]}
            />
            <Pages next={next} query={query} />
          </>
        )}
      </WhenLoaded>
    </>
  );
}
