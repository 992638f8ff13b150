import { useNow } from '../live/loaded.ts';
import { ago, duration, isoTime, time } from '../words/format.ts';

/** A moment, and how long ago that was. */
export function Time({ at }: { readonly at: number }) {
  const now = useNow(10_000);
  return (
    <time dateTime={isoTime(at)} title={ago(at, now)}>
      {time(at, now)}
    </time>
  );
}

/** How long something has gone on, and goes on. */
export function Since({ at }: { readonly at: number }) {
  const now = useNow();
  return <time dateTime={isoTime(at)}>{duration(Math.floor((now - at) / 1000) * 1000).replace('.0', '')}</time>;
}

/** From one moment to the other; to now where the other has not come. */
export function Took({ from, to }: { readonly from: number | null; readonly to: number | null }) {
  if (from === null) return null;
  return to === null ? <Since at={from} /> : <span>{duration(to - from)}</span>;
}
