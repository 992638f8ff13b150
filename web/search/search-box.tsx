import { goTo } from '../router.ts';

export const searchLink = (text: string): string => `/search?q=${encodeURIComponent(text.trim())}`;

/** Where something to be found is written; what is found has a page of its own. */
export function SearchBox({
  id,
  text = '',
  hasButton = false,
}: {
  readonly id: string;
  readonly text?: string;
  /** Whether there is room for one: Enter does the same. */
  readonly hasButton?: boolean;
}) {
  return (
    <search>
      <form
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          const wish = String(new FormData(event.currentTarget).get('q') ?? '');
          if (wish.trim() !== '') goTo(searchLink(wish));
        }}
      >
        <input key={text} id={id} type="search" name="q" defaultValue={text} aria-label="Search" placeholder="Search" />
        {hasButton && <button type="submit">Search</button>}
      </form>
    </search>
  );
}
