import { Time } from './time.tsx';

const isoTime = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

/** What the coordinator says, with the times in it written as they are elsewhere on the pages. */
export function Said({ text }: { readonly text: string }) {
  return <>{text.split(isoTime).map((part, n) => (n % 2 === 0 ? part : <Time key={n} at={Date.parse(part)} />))}</>;
}
