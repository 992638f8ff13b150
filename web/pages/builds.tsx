import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { BuildTable } from '../parts/build-table.tsx';
import { Filters } from '../parts/filters.tsx';
import { Pages } from '../parts/pages.tsx';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { askedIn, withQuery } from '../router.ts';
import { submissionLink } from '../words/links.ts';
import { buildStates } from '../words/things.ts';
import type { PageProps } from './all.tsx';

const fields = [
  { field: 'name', label: 'Name contains' },
  { field: 'state', label: 'State', options: buildStates },
  { field: 'system', label: 'System' },
  { field: 'agent', label: 'Agent' },
  { field: 'tag', label: 'Tag (key=value)' },
] as const;

/** What links narrow the list down by, and no field has. */
const narrowing = ['derivation', 'submission', 'joinedBy'] as const;

function Narrowed({ query }: { readonly query: URLSearchParams }) {
  const [derivation = '', submission = '', joinedBy = ''] = narrowing.map((field) => query.get(field) ?? '');
  if (derivation === '' && submission === '' && joinedBy === '') return null;
  return (
    <p>
      Only those
      {derivation !== '' && (
        <>
          {' '}
          of <code>{derivation}</code>
        </>
      )}
      {submission !== '' && (
        <>
          {' '}
          of <a href={submissionLink(submission)}>submission {submission}</a>
        </>
      )}
      {joinedBy !== '' && (
        <>
          {' '}
          of others that <a href={submissionLink(joinedBy)}>submission {joinedBy}</a> joined
        </>
      )}
      . <a href={withQuery({ derivation: '', submission: '', joinedBy: '', after: '' })}>All builds</a>
    </p>
  );
}

/** Builds, newest first, by what the address says. */
export function BuildsPage({ query }: PageProps) {
  const asked = askedIn(query, [...fields.map(({ field }) => field), ...narrowing, 'after']);
  const loaded = useLoaded(
    `builds ${JSON.stringify(asked)}`,
    () => drover.listBuilds({ ...asked, limit: 50 }),
    ({ stream }) => stream.startsWith('build-'),
  );
  return (
    <>
      <h1>Builds</h1>
      <Filters fields={fields} query={query} />
      <Narrowed query={query} />
      <WhenLoaded of={loaded}>
        {({ rows, next }) => (
          <>
            <BuildTable rows={rows} />
            <Pages next={next} query={query} />
          </>
        )}
      </WhenLoaded>
    </>
  );
}
