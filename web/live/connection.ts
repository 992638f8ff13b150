import { createDrover, type Drover } from 'drover/client';
import { moment } from '../router.ts';

/** What the pages know of the connection: `lost` until it is made again, `still` where they show a moment, which does not change. */
export type Connection = 'connecting' | 'live' | 'lost' | 'still';

/** What the pages follow. */
type Stream = 'feed' | 'overview';

/** What is asked for once is answered within seconds: after so long, in milliseconds, it has got lost. */
const longestWait = 60_000;
/** Of all that is being read: what went over a connection that is lost is not waited for, but asked for again. */
let reads = new AbortController();

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
  if (now === 'lost') {
    reads.abort(new Error('the connection was lost'));
    reads = new AbortController();
  }
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

/** What is read is there within a while, or fails: a connection that nobody answers on any more may stand for ever. */
const bounded: typeof fetch = (input, init = {}) => {
  const { accept } = (init.headers ?? {}) as Record<string, string>;
  if (init.method !== 'GET' || accept !== 'application/json') return fetch(input, init);
  const late = new AbortController();
  setTimeout(() => late.abort(new Error(`nothing came for ${longestWait / 1000} seconds`)), longestWait);
  const signals = [reads.signal, late.signal, ...(init.signal ? [init.signal] : [])];
  return fetch(input, { ...init, signal: AbortSignal.any(signals) });
};

/** The coordinator that these pages came from, as whoever has logged in, and as it is now. */
export const present = createDrover({ url: location.origin, fetch: bounded });

const moments = new EventTarget();

/** A moment that nobody has asked for in a while is read anew. */
const noticingMoments: typeof fetch = async (input, init) => {
  const response = await bounded(input, init);
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
