import { createDrover, type Drover, type DroverEvent, DroverProblem } from 'drover/client';
import { moment } from './router.ts';

/** What the pages know of the connection: `lost` until it is made again, `still` where they show a moment, which does not change. */
export type Connection = 'connecting' | 'live' | 'lost' | 'still';

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

/** The coordinator that these pages came from, as whoever has logged in, and as it is now. */
export const present = createDrover({ url: location.origin, fetch: noticing });

const moments = new EventTarget();

/** A moment that nobody has asked for in a while is read anew. */
const noticingMoments: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (response.status === 503) moments.dispatchEvent(new Event('gone'));
  return response;
};

/** Calls when the moment that is looked at may have to be read again. */
export function onMomentGone(listener: () => void): () => void {
  moments.addEventListener('gone', listener);
  return () => moments.removeEventListener('gone', listener);
}

/** The coordinator as it was at a moment: it answers what it answered then. */
export function droverAt(position: string): Drover {
  const url = `${location.origin}/v1/moments/${encodeURIComponent(position)}`;
  return createDrover({ url, fetch: noticingMoments });
}

let past: { readonly moment: string; readonly drover: Drover } | undefined;

/** What pages ask: the coordinator as of the moment in the address, or as it is now. */
export const drover: Drover = new Proxy(present, {
  get(now, name) {
    const shown = moment();
    if (shown === undefined) return Reflect.get(now, name);
    if (past?.moment !== shown) past = { moment: shown, drover: droverAt(shown) };
    return Reflect.get(past.drover, name);
  },
});

export const connection = (): Connection => (moment() === undefined ? state : 'still');

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
  become('connecting');
  for (let pause = 500; !signal.aborted; pause = Math.min(2 * pause, 10_000)) {
    try {
      const { position } = await present.getStatus();
      const options = { from: position ?? 'start', signal, onLost: () => become('lost') };
      for await (const event of present.events(options)) for (const listener of [...listeners]) listener(event);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof DroverProblem && error.status === 401) return refused();
      become('lost');
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
