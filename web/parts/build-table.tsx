import type { Operations } from 'drover/client';
import { agentLink, buildLink } from '../words/links.ts';
import { Name } from './name.tsx';
import { State } from './state.tsx';
import { Table } from './table.tsx';
import { Time, Took } from './time.tsx';

export type BuildRow = Operations['listBuilds']['answer']['rows'][number];

/** How a build stands: of one that is queued, what it is queued for. */
export const standingOf = ({ state, standing }: Pick<BuildRow, 'state' | 'standing'>): string => standing ?? state;

export function BuildTable({ rows }: { readonly rows: readonly BuildRow[] }) {
  return (
    <Table
      rows={rows}
      keyOf={({ id }) => id}
      columns={[
        {
          title: 'Build',
          cell: ({ id, derivation, failure, state }) => (
            <>
              <Name base={derivation} href={buildLink(id)} />
              {failure !== null && state === 'failed' && <div class="quiet">{failure.class}</div>}
            </>
          ),
        },
        { title: 'State', cell: (row) => <State state={standingOf(row)} /> },
        { title: 'System', cell: ({ system }) => system },
        { title: 'Agent', cell: ({ agent }) => agent !== null && <a href={agentLink(agent)}>{agent}</a> },
        { title: 'Submitted', class: 'when', cell: ({ submittedAt }) => <Time at={submittedAt} /> },
        {
          title: 'Took',
          class: 'number',
          // One that waits for another attempt was begun, and is at rest.
          cell: ({ state, startedAt, endedAt }) => <Took from={state === 'queued' ? null : startedAt} to={endedAt} />,
        },
      ]}
    />
  );
}
