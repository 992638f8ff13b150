import { createDrover, type Drover } from 'drover/client';
import { moment } from './router.ts';

/** What the pages know of the connection: `lost` until it is made again, `still` where they show a moment, which does not change. */
export type Connection = 'connecting' | 'live' | 'lost' | 'still';

/** What the pages follow. */
type Stream = 'feed' | 'overview';

const connections = new EventTarget();
const streams = new Map<Stream, 'live' | 'lost'>();
let state: Connection = 'connecting';

/**
 * What has become of a stream; `undefined` where it is not followed any more. What is seen is up to date if all of them are.
 *
 * @param anew it does not go on from where it was: what was loaded before is to be loaded again
 */
export function becomes(stream: Stream, next: 'live' | 'lost' | undefined, anew = false): void {
  if (next === undefined) streams.delete(stream);
  else streams.set(stream, next);
  const all = [...streams.values()];
  const now = all.includes('lost') ? 'lost' : all.includes('live') ? 'live' : state;
  if (now === state && !anew) return;
  state = now;
  connections.dispatchEvent(new Event('change'));
}

export const isLive = (stream: Stream): boolean => streams.get(stream) === 'live';

/** @param begins called when a long answer has begun: then what is seen is up to date again */
const noticing =
  (begins: () => void): typeof fetch =>
  async (input, init) => {
    const response = await fetch(input, init);
    const { accept } = (init?.headers ?? {}) as Record<string, string>;
    if (accept === 'text/event-stream' && response.ok) begins();
    return response;
  };

/** The coordinator, to follow something of it. */
export const clientFor = (stream: Stream, begins = (): void => becomes(stream, 'live')): Drover =>
  createDrover({ url: location.origin, fetch: noticing(begins) });

/** The coordinator that these pages came from, as whoever has logged in, and as it is now. */
export const present = createDrover({ url: location.origin });

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
