import type { Operations } from 'drover/client';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Filters, valuesIn } from '../parts/filters.tsx';
import { State } from '../parts/state.tsx';
import { Table } from '../parts/table.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { count, duration } from '../words/format.ts';
import { hookLink } from '../words/links.ts';
import type { PageProps } from './all.tsx';

export type Hook = Operations['getHook']['answer'];

const fields = [
  { field: 'name', label: 'Name contains' },
  { field: 'state', label: 'State', options: ['active', 'paused', 'broken'] },
] as const;

/** Hooks: how far each is, and what it waits for. */
export function HooksPage({ query }: PageProps) {
  const loaded = useLoaded(
    'hooks list',
    async () => (await drover.listHooks()).rows,
    // Every event may be one that a hook owes.
    () => true,
  );
  const [name = '', state = ''] = valuesIn(fields, query);
  return (
    <>
      <h1>Hooks</h1>
      <Filters fields={fields} query={query} />
      <WhenLoaded of={loaded}>
        {(rows) => (
          <Table
            rows={rows.filter((hook) => hook.name.includes(name) && (state === '' || hook.state === state))}
            keyOf={({ name }) => name}
            empty={
              rows.length > 0 ? (
                'None of these.'
              ) : (
                <>
                  There are none: <code>drover hooks add NAME</code> makes one.
                </>
              )
            }
            columns={[
              { title: 'Hook', cell: ({ name }) => <a href={hookLink(name)}>{name}</a> },
              { title: 'Kind', cell: ({ definition }) => definition.target.kind },
              { title: 'State', cell: ({ state }) => <State state={state} /> },
              { title: 'Owes', class: 'number', cell: (hook) => <Lag hook={hook} /> },
              { title: 'Delivered', class: 'number', cell: ({ delivered }) => count(delivered) },
              {
                title: 'Failing',
                class: 'number',
                cell: ({ counts: { failing } }) => <span class={failing > 0 ? 'bad' : 'quiet'}>{count(failing)}</span>,
              },
              {
                title: 'Parked',
                class: 'number',
                cell: ({ counts: { parked } }) => <span class={parked > 0 ? 'bad' : 'quiet'}>{count(parked)}</span>,
              },
              { title: 'Waits for', cell: ({ waits }) => waits },
            ]}
          />
        )}
      </WhenLoaded>
    </>
  );
}

/** Events that it owes, and how old the oldest is. */
export function Lag({ hook: { lag } }: { readonly hook: Pick<Hook, 'lag'> }) {
  return (
    <span>
      {count(lag.events)}
      {!lag.exact && ' or more'}
      {lag.events > 0 && `, for ${duration(lag.seconds * 1000)}`}
    </span>
  );
}
