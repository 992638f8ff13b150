import type { Overview } from 'drover/client';
import { useLayoutEffect, useState } from 'preact/hooks';
import { onSessionEnd, sessionEnded } from '../session/session-end.ts';
import { becomes, clientFor, isLive } from './connection.ts';
import type { Loaded } from './loaded.ts';
import { whileSeen } from './seen.ts';
import { whileFollowed } from './wanted.ts';

type Shown = Pick<Loaded<Overview>, 'value' | 'error'>;

const client = clientFor('overview');
let shown: Shown = { value: undefined, error: undefined };
const listeners = new Set<(shown: Shown) => void>();
const want = whileFollowed(follow, failed, () => becomes('overview', undefined));
// Who logs in next may see less.
onSessionEnd(() => show({ value: undefined, error: undefined }));

function show(next: Shown): void {
  shown = next;
  for (const listener of listeners) listener(shown);
}

async function follow(signal: AbortSignal): Promise<void> {
  const onLost = (reason: string): void => {
    becomes('overview', 'lost');
    // What was so is not said to be so still.
    show({ ...shown, error: new Error(reason) });
  };
  for await (const value of client.followOverview({ signal, onLost })) show({ value, error: undefined });
}

function failed(error: unknown): void {
  if (sessionEnded(error)) return;
  becomes('overview', 'lost');
  show({ ...shown, error: error as Error });
}

/** The overview as it is from now on. It is followed for as long as somebody looks at it, and the page is seen. */
export function onOverview(listener: (shown: Shown) => void): () => void {
  listeners.add(listener);
  const leave = whileSeen(want);
  return () => {
    listeners.delete(listener);
    leave();
  };
}

/** How far the log was that the overview was shown of, where that is up to date. */
export const shownPosition = (): string | undefined =>
  isLive('overview') ? (shown.value?.status.position ?? undefined) : undefined;

export function useOverview(): Loaded<Overview> {
  const [{ value, error }, setShown] = useState(shown);
  useLayoutEffect(() => {
    const leave = onOverview(setShown);
    setShown(shown);
    return leave;
  }, []);
  return { value, error, reload: () => undefined };
}
