import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { Filters } from '../parts/filters.tsx';
import { Pages } from '../parts/pages.tsx';
import { SubmissionTable } from '../parts/submission-table.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import type { PageProps } from './all.tsx';

const fields = [
  {
    field: 'state',
    label: 'State',
    options: ['under-way', 'queued', 'blocked', 'set-aside', 'succeeded', 'failed', 'canceled'],
  },
] as const;

/** What was asked for, newest first, by what the address says. */
export function SubmissionsPage({ query }: PageProps) {
  const [state, after] = [query.get('state') ?? '', query.get('after') ?? ''];
  const loaded = useLoaded(
    `submissions ${state} ${after}`,
    () => drover.listSubmissions({ limit: 50, ...(state !== '' && { state }), ...(after !== '' && { after }) }),
    ({ stream }) => stream.startsWith('submission-') || stream.startsWith('build-'),
  );
  return (
    <>
      <h1>Submissions</h1>
      <Filters fields={fields} query={query} />
      <WhenLoaded of={loaded}>
        {({ rows, next }) => (
          <>
            <SubmissionTable
              rows={rows}
              empty={next === undefined ? 'There are none.' : 'None of these; there may be older ones.'}
            />
            <Pages next={next} query={query} />
          </>
        )}
      </WhenLoaded>
    </>
  );
}
