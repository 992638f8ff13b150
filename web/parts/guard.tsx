import type { ComponentChildren } from 'preact';
import { useEffect, useErrorBoundary } from 'preact/hooks';
import { Problem } from './problem.tsx';

/**
 * A part of a page that can fail without the rest: a page that was loaded before the coordinator was replaced may get what it knows nothing of.
 *
 * @param of what is shown: with another it is tried anew
 * @param retry gets another; without it the same is tried once more
 */
export function Guard({
  of,
  retry,
  children,
}: {
  readonly of: unknown;
  readonly retry?: () => void;
  readonly children: () => ComponentChildren;
}) {
  const [error, reset] = useErrorBoundary();
  useEffect(() => {
    if (error !== undefined) reset();
  }, [of]);
  if (error === undefined) return <Made make={children} />;
  const text = `This page cannot show what the coordinator says: load it again, as it may be of another version (${String((error as Error).message)}).`;
  return <Problem error={new Error(text)} retry={retry ?? reset} />;
}

/** Below the guard: what it makes itself it could not catch. */
function Made({ make }: { readonly make: () => ComponentChildren }) {
  return <>{make()}</>;
}
