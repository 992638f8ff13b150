import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Filters, valuesIn } from '../parts/filters.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { count } from '../words/format.ts';
import { rootLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';

const sources = { api: 'by hand', submission: 'a submission', config: 'a rule' } as const;
export const sourceOf = (source: keyof typeof sources): string => sources[source];

const fields = [
  { field: 'name', label: 'Name contains' },
  { field: 'source', label: 'Kept by', options: Object.values(sources) },
] as const;

/** Roots: what is kept from being collected, and until when. */
export function RootsPage({ query }: PageProps) {
  const loaded = useLoaded(
    'roots',
    async () => (await drover.listRoots()).rows,
    ({ stream }) => /^(root|item)-/.test(stream),
  );
  const [name = '', source = ''] = valuesIn(fields, query);
  return (
    <>
      <h1>Roots</h1>
      <Filters fields={fields} query={query} />
      <WhenLoaded of={loaded}>
        {(rows) => (
          <Table
            rows={rows.filter(
              (root) => root.name.includes(name) && (source === '' || sourceOf(root.source) === source),
            )}
            keyOf={({ name }) => name}
            empty={
              rows.length > 0 ? (
                'None of these.'
              ) : (
                <>
                  There are none: <code>drover roots add NAME TARGET</code> makes one.
                </>
              )
            }
            columns={[
              { title: 'Root', cell: ({ name }) => <a href={rootLink(name)}>{name}</a> },
              { title: 'Kept by', cell: ({ source }) => sourceOf(source) },
              { title: 'Keeps', class: 'number', cell: ({ targets }) => count(targets) },
              {
                title: 'Not available',
                class: 'number',
                cell: ({ unavailable }) => <span class={unavailable > 0 ? 'wait' : 'quiet'}>{count(unavailable)}</span>,
              },
              { title: 'Added', class: 'when', cell: ({ addedAt }) => <Time at={addedAt} /> },
              {
                title: 'First expires',
                class: 'when',
                cell: ({ until }) => (until === undefined ? 'never' : <Time at={until} />),
              },
            ]}
          />
        )}
      </WhenLoaded>
    </>
  );
}
