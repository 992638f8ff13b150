import type { Operations } from 'drover/client';
import type { ComponentChildren } from 'preact';
import { count } from '../words/format.ts';
import { submissionLink } from '../words/links.ts';
import { noBuilds } from '../words/things.ts';
import { Counts } from './counts.tsx';
import { Name } from './name.tsx';
import { State } from './state.tsx';
import { Table } from './table.tsx';
import { Time } from './time.tsx';

export type SubmissionRow = Operations['listSubmissions']['answer']['rows'][number];

export function SubmissionTable({
  rows,
  empty,
}: {
  readonly rows: readonly SubmissionRow[];
  readonly empty: ComponentChildren;
}) {
  return (
    <Table
      rows={rows}
      keyOf={({ id }) => id}
      empty={empty}
      columns={[
        {
          title: 'Requested',
          cell: ({ id, derivation, roots }) => (
            <>
              {derivation === null ? (
                <a href={submissionLink(id)}>{id}</a>
              ) : (
                <Name base={derivation} href={submissionLink(id)} />
              )}
              {roots > 1 && <span class="quiet"> and {count(roots - 1)} more</span>}
            </>
          ),
        },
        { title: 'State', cell: ({ state }) => <State state={state} /> },
        {
          title: 'Builds',
          class: 'wide',
          cell: ({ id, counts, state }) => <Counts label={`builds of ${id}`} counts={counts} none={noBuilds(state)} />,
        },
        { title: 'Received', class: 'when', cell: ({ receivedAt }) => <Time at={receivedAt} /> },
      ]}
    />
  );
}
