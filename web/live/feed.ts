import type { DroverEvent } from 'drover/client';
import { moment } from '../router.ts';
import { sessionEnded } from '../session/session-end.ts';
import { positionBefore } from '../words/things.ts';
import { becomes, clientFor, present } from './connection.ts';
import { shownPosition } from './overview.ts';
import { whileSeen } from './seen.ts';
import { whileFollowed } from './wanted.ts';

type Listener = (event: DroverEvent) => void;
const listeners = new Set<Listener>();
/** A page that nobody saw for a while goes on where it was, if no more has happened since. */
const mostMissed = 1000;
let isAnew = true;
/** Position of the last event that those who listen know of. */
let last: string | undefined;
const client = clientFor('feed', () => {
  becomes('feed', 'live', isAnew);
  isAnew = false;
});
const want = whileFollowed(follow, failed, () => becomes('feed', undefined));

/**
 * Each event from now on, however often the connection is lost: none is left out, but where the page was not seen for long: then all is loaded again. The feed is open while anybody
 * listens and the page is seen. In a moment nothing happens.
 */
export function onEvent(listener: Listener): () => void {
  if (moment() !== undefined) return () => undefined;
  listeners.add(listener);
  const leave = whileSeen(want);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) last = undefined;
    leave();
  };
}

async function follow(signal: AbortSignal): Promise<void> {
  // What the overview has shown is where the reader comes from: what is loaded now is newer.
  const shown = shownPosition();
  const now = shown ?? (await present.getStatus()).position ?? 'start';
  const least = positionBefore(now, mostMissed) ?? now;
  // A log that was cut short, as by an older copy of it, ends before what was known.
  const goesOn = last !== undefined && last <= now && (least === 'start' || last >= least);
  const from = goesOn && last !== undefined ? last : now;
  last = from;
  isAnew = shown === undefined && !goesOn;
  const onLost = (): void => becomes('feed', 'lost');
  for await (const event of client.events({ from, signal, onLost })) {
    last = event.position;
    for (const listener of [...listeners]) listener(event);
  }
}

function failed(error: unknown): void {
  if (!sessionEnded(error)) becomes('feed', 'lost');
}
