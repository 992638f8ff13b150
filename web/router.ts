import { options } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { atMoment, momentIn, withoutMoment } from './past/address.ts';

/** Where the reader is: the address is all there is to know of it, so that it can be sent to somebody. */
export interface Place {
  /** As of when, where that is not now: see {@link momentIn}. */
  readonly moment: string | undefined;
  /** Decoded parts of the path: `['builds', 'b-1']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

const changed = new EventTarget();

function here(): Place {
  const path = withoutMoment(location.pathname)
    .split('/')
    .filter((part) => part !== '');
  return { moment: moment(), path: path.map(decoded), query: new URLSearchParams(location.search) };
}

/** The moment that is looked at; `undefined` for now. */
export const moment = (): string | undefined => momentIn(location.pathname);

/** A part that is no text stays as it is written: no page has it. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Goes to a page, as of the moment that is looked at.
 *
 * @param how `step`: what was used to go there is still looked at
 */
export function goTo(address: string, how: 'push' | 'replace' | 'step' = 'push'): void {
  go(atMoment(moment(), address), how);
}

/** Goes to just that address: without a moment in it, to now. */
export function go(address: string, how: 'push' | 'replace' | 'step' = 'push'): void {
  if (how === 'replace') history.replaceState(null, '', address);
  else history.pushState(null, '', address);
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

/**
 * Links within the dashboard change the page without loading it again, and lead to pages as of the moment that is looked at: what a link says is changed as
 * it is made, so that it is the same wherever it is opened. One with `data-now` leads to now; one with `data-step` is still looked at afterwards.
 */
export function followLinks(): void {
  const before = options.vnode;
  options.vnode = (node) => {
    const props = node.props as { href?: unknown; 'data-now'?: unknown; 'data-plain'?: unknown };
    if (
      node.type === 'a' &&
      typeof props.href === 'string' &&
      props['data-now'] === undefined &&
      props['data-plain'] === undefined
    )
      props.href = atMoment(moment(), props.href);
    before?.(node);
  };
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
    if (link.hash !== '' && link.pathname === location.pathname) return void go(link.href, 'replace');
    go(link.href, link.dataset.step === undefined ? 'push' : 'step');
  });
}
