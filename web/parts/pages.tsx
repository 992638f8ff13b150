import { withQuery } from '../router.ts';

/** The way on in a list, and back to its beginning. */
export function Pages({ next, query }: { readonly next: string | undefined; readonly query: URLSearchParams }) {
  if (next === undefined && !query.has('after')) return null;
  return (
    <p class="pages">
      {query.has('after') && <a href={withQuery({ after: '' })}>Newest</a>}{' '}
      {next !== undefined && <a href={withQuery({ after: next })}>Older</a>}
    </p>
  );
}
