import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { count } from '../words/format.ts';
import { rootLink } from '../words/links.ts';

const sources = { api: 'by hand', submission: 'a submission', config: 'a rule' } as const;
export const sourceOf = (source: keyof typeof sources): string => sources[source];

/** All roots: what is kept from being collected, and until when. */
export function RootsPage() {
  const loaded = useLoaded(
    'roots',
    async () => (await drover.listRoots()).rows,
    ({ stream }) => /^(root|item)-/.test(stream),
  );
  return (
    <>
      <h1>Roots</h1>
      <WhenLoaded of={loaded}>
        {(rows) => (
          <Table
            rows={rows}
            keyOf={({ name }) => name}
            empty={
              <>
                There are none: <code>drover roots add NAME TARGET</code> makes one.
              </>
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
