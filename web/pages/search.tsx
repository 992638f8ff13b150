import { useLoaded } from '../live/loaded.ts';
import { WhenLoaded } from '../parts/when-loaded.tsx';
import { find } from '../search/find.ts';
import { SearchBox } from '../search/search-box.tsx';
import type { PageProps } from './all.tsx';

const most = 20;

/** What has a text in its name or its id, of all kinds. */
export function SearchPage({ query }: PageProps) {
  const text = query.get('q') ?? '';
  const loaded = useLoaded(`search ${text}`, () => find(text, most));
  return (
    <>
      <h1>Search</h1>
      <SearchBox id="search-page" text={text} hasButton />
      {text.trim() === '' ? (
        <p class="quiet">A part of a name, how an id begins, a store path, or a tag (key=value).</p>
      ) : (
        <WhenLoaded of={loaded}>
          {(groups) => (
            <>
              <p role="status" class="quiet">
                {groups.length === 0 ? `Nothing has ${text} in its name or its id.` : null}
              </p>
              {groups.map(({ kind, found, all }) => (
                <section key={kind} aria-labelledby={`found-${kind}`}>
                  <h2 id={`found-${kind}`}>{kind}</h2>
                  <ul class="bare">
                    {found.map((one) => (
                      <li key={one.href}>
                        <a href={one.href}>{one.text}</a>{' '}
                        {one.note !== undefined && <span class="quiet">{one.note}</span>}
                      </li>
                    ))}
                  </ul>
                  {all !== undefined && (
                    <p>
                      <a href={all}>All that have it in their names</a>
                    </p>
                  )}
                </section>
              ))}
            </>
          )}
        </WhenLoaded>
      )}
    </>
  );
}
