import type { ComponentChildren } from 'preact';
import type { Loaded } from '../live/loaded.ts';
import { Guard } from './guard.tsx';
import { Problem } from './problem.tsx';

/** What is made of a value once it is there; before that, that it is coming, and why where it does not. */
export function WhenLoaded<Value>({
  of: { value, error, reload },
  children,
}: {
  readonly of: Loaded<Value>;
  readonly children: (value: Value) => ComponentChildren;
}) {
  return (
    <>
      {error !== undefined && <Problem error={error} retry={reload} />}
      {value !== undefined && (
        <Guard of={value} retry={reload}>
          {() => children(value)}
        </Guard>
      )}
      {value === undefined && error === undefined && <p class="loading">Loading…</p>}
    </>
  );
}
