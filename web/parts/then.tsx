import { atMoment } from '../past/address.ts';

/** The way to a page as it was right after an event. */
export function Then({ position, href }: { readonly position: string; readonly href: string }) {
  return (
    <a class="then" href={atMoment(position, href === '/tokens' ? '/' : href)}>
      as of then
    </a>
  );
}
