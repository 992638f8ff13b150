import type { DroverEvent } from 'drover/client';
import { becomes, clientFor, present } from './live.ts';
import { shownPosition } from './overview.ts';
import { moment } from './router.ts';
import { sessionEnded } from './session-end.ts';
import { again, whileWanted } from './wanted.ts';

type Listener = (event: DroverEvent) => void;
const listeners = new Set<Listener>();
let isAnew = true;
const client = clientFor('feed', () => {
  becomes('feed', 'live', isAnew);
  isAnew = false;
});
const want = whileWanted((end) => void again(end, () => follow(end), failed));

/**
 * Each event from now on, however often the connection is lost: none is left out. The feed is open while anybody listens. In a moment nothing happens.
 */
export function onEvent(listener: Listener): () => void {
  if (moment() !== undefined) return () => undefined;
  listeners.add(listener);
  const leave = want();
  return () => {
    listeners.delete(listener);
    leave();
  };
}

async function follow(signal: AbortSignal): Promise<void> {
  // What the overview has shown is where the reader comes from: what is loaded now is newer.
  const shown = shownPosition();
  const from = shown ?? (await present.getStatus()).position ?? 'start';
  isAnew = shown === undefined;
  const onLost = (): void => becomes('feed', 'lost');
  try {
    for await (const event of client.events({ from, signal, onLost }))
      for (const listener of [...listeners]) listener(event);
  } finally {
    becomes('feed', undefined);
  }
}

function failed(error: unknown): void {
  if (!sessionEnded(error)) becomes('feed', 'lost');
}
