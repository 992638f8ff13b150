import { createDrover, type DroverEvent, DroverProblem } from 'drover/client';

/** What the pages know of the connection: `lost` until it is made again. */
export type Connection = 'connecting' | 'live' | 'lost';

const connections = new EventTarget();
let state: Connection = 'connecting';

function become(next: Connection): void {
  if (state === next) return;
  state = next;
  connections.dispatchEvent(new Event('change'));
}

/** The feed of events is the only long answer that is asked for with this type: when it begins, the pages are up to date again. */
const noticing: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const { accept } = (init?.headers ?? {}) as Record<string, string>;
  if (accept === 'text/event-stream' && response.ok) become('live');
  return response;
};

/** The coordinator that these pages came from, as whoever has logged in. */
export const drover = createDrover({ url: location.origin, fetch: noticing });

export const connection = (): Connection => state;

export function onConnection(listener: () => void): () => void {
  connections.addEventListener('change', listener);
  return () => connections.removeEventListener('change', listener);
}

type Listener = (event: DroverEvent) => void;
const listeners = new Set<Listener>();

/** Each event from now on, however often the connection is lost: none is left out. */
export function onEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/**
 * Follows the log from where the farm is now; ends with the signal.
 *
 * @param refused called where the session has ended
 */
export async function follow(signal: AbortSignal, refused: () => void): Promise<void> {
  for (let pause = 500; !signal.aborted; pause = Math.min(2 * pause, 10_000)) {
    try {
      const { position } = await drover.getStatus();
      const options = { from: position ?? 'start', signal, onLost: () => become('lost') };
      for await (const event of drover.events(options)) for (const listener of [...listeners]) listener(event);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof DroverProblem && error.status === 401) return refused();
      become('lost');
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
