import { useEffect, useLayoutEffect } from 'preact/hooks';
import { moment } from '../router.ts';
import { visible } from '../words/visible.ts';

const titled = (text: string, isPast: boolean): void => {
  document.title = visible(`${text}${isPast ? ' as of then' : ''} · Drover`);
};

/** What the window and the history of the browser call a page, until it is known what it is of. */
export function usePageTitle(text: string): void {
  const isPast = moment() !== undefined;
  // Before what is in the page says what it is of.
  useLayoutEffect(() => titled(text, isPast), [text, isPast]);
}

/** Has the page called by the name of what it is of: an id says little among many windows. */
export function useNameAsTitle(text: string): void {
  const isPast = moment() !== undefined;
  useEffect(() => titled(text, isPast), [text, isPast]);
}
