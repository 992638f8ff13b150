import { count } from '../words/format.ts';
import type { Reading } from './moments.ts';

/** How far the log is read. */
export function Progress({ of: { read = 0, total, waits }, what }: { readonly of: Reading; readonly what: string }) {
  if (waits) return <p class="loading">As many moments are looked at as may be at a time: this comes next.</p>;
  return (
    <div class="panel">
      <label for="reading">{what}</label>
      <progress id="reading" max={total ?? 1} value={total === undefined ? undefined : read} />
      <span class="quiet">
        {count(read)}
        {total !== undefined && ` of ${count(total)}`} events
      </span>
    </div>
  );
}
