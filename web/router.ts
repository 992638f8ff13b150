import { useEffect, useState } from 'preact/hooks';

/** Where the reader is: the address is all there is to know of it, so that it can be sent to somebody. */
export interface Place {
  /** Decoded parts of the path: `['builds', 'b-1']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

const changed = new EventTarget();

function here(): Place {
  const path = location.pathname.split('/').filter((part) => part !== '');
  return { path: path.map(decoded), query: new URLSearchParams(location.search) };
}

/** A part that is no text stays as it is written: no page has it. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function goTo(address: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') history.pushState(null, '', address);
  else history.replaceState(null, '', address);
  changed.dispatchEvent(new Event('change'));
  if (how === 'push') {
    scrollTo(0, 0);
    document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
  }
}

/** The address with some of its query changed; `''` takes a field away. */
export function withQuery(changes: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(location.search);
  for (const [field, value] of Object.entries(changes))
    if (value === '') query.delete(field);
    else query.set(field, value);
  const text = query.toString();
  return text === '' ? location.pathname : `${location.pathname}?${text}`;
}

/** What is asked for with these fields of the address: those that are there and not empty. */
export function askedIn(query: URLSearchParams, fields: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    fields.flatMap((field) => {
      const value = query.get(field);
      return value === null || value === '' ? [] : [[field, value]];
    }),
  );
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = (): void => setPlace(here());
    changed.addEventListener('change', update);
    addEventListener('popstate', update);
    return () => {
      changed.removeEventListener('change', update);
      removeEventListener('popstate', update);
    };
  }, []);
  return place;
}

/** Links within the dashboard change the page without loading it again. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element | null)?.closest('a');
    if (link?.target !== '' || link.origin !== location.origin || link.dataset.plain !== undefined) return;
    event.preventDefault();
    if (link.hash !== '' && link.pathname === location.pathname) return void goTo(link.href, 'replace');
    goTo(link.href);
  });
}
