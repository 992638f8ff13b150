import { setTimeout } from 'node:timers/promises';
import type { EventEnvelope } from '../../../adapters/http/event-envelope.ts';
import { bareType } from '../../../domain/event-name.ts';

// biome-ignore lint/suspicious/noExplicitAny: events are read as any subscriber reads them, field by field.
export type Event = Omit<EventEnvelope, 'data'> & { readonly data: any };
export type EventMatch = (event: Event) => boolean;

/** All events of a farm, followed as a subscriber does it: server-sent events, resumed where they were cut. Types are bare names. */
export interface EventFeed extends AsyncDisposable {
  /** What came so far, in order. */
  readonly events: readonly Event[];
  /** The `nth` event that matches, of those that came and those to come. */
  next(type: string, match?: EventMatch, nth?: number): Promise<Event>;
  /** Resolves once so many events have come. */
  reached(count: number): Promise<void>;
  /** Told of a coordinator that is up, at the start and after each restart. */
  follow(url: string, token: string): void;
  /** What is being waited for, for people. */
  waiting(): string[];
}

export function createEventFeed(): EventFeed {
  const events: Event[] = [];
  const waiting = new Map<object, { readonly what: string; look(): void }>();
  let stop = new AbortController();
  let done: Promise<void> = Promise.resolve();

  async function read(url: string, token: string, signal: AbortSignal): Promise<void> {
    const last = events.at(-1)?.position;
    const answer = await fetch(`${url}/v1/events`, {
      headers: { authorization: `Bearer ${token}`, ...(last !== undefined && { 'last-event-id': last }) },
      signal,
    });
    if (!answer.ok || answer.body === null) throw new Error(`events: expected 200, got ${answer.status}`);
    let rest = '';
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = block.split('\n').find((line) => line.startsWith('data: '));
        if (data === undefined) continue;
        const event = JSON.parse(data.slice('data: '.length)) as Event;
        events.push({ ...event, type: bareType(event.type) });
      }
      for (const { look } of waiting.values()) look();
    }
  }

  /** A coordinator that begins anew by itself ends the answer, too. */
  async function readOn(url: string, token: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await read(url, token, signal).catch(() => {});
      await setTimeout(100, undefined, { signal }).catch(() => {});
    }
  }

  return {
    events,
    next: (type, match = () => true, nth = 1) =>
      new Promise((resolve) => {
        let looked = 0;
        let found = 0;
        const key = {};
        const look = () => {
          for (; looked < events.length; looked++) {
            const event = events[looked] as Event;
            if (event.type !== type || !match(event) || ++found < nth) continue;
            waiting.delete(key);
            return resolve(event);
          }
        };
        waiting.set(key, { what: `${type} ${match} (${nth})`, look });
        look();
      }),
    reached: (count) =>
      new Promise((resolve) => {
        const key = {};
        const look = () => {
          if (events.length < count) return;
          waiting.delete(key);
          resolve();
        };
        waiting.set(key, { what: `${count} events, of which ${events.length} were there`, look });
        look();
      }),
    follow(url, token) {
      stop.abort();
      stop = new AbortController();
      const { signal } = stop;
      // A coordinator that is killed ends the answer; the next one is followed from where this one ended.
      done = done.then(() => readOn(url, token, signal));
    },
    waiting: () => [...waiting.values()].map(({ what }) => what),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}
