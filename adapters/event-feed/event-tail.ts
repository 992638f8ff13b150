import type { EventStore, Position, StoredEvent } from '../../coordinator/ports/event-store.ts';
import type { Scope } from '../../domain/token/events.ts';
import { hasAdminOnly } from '../../domain/visible-data.ts';
import { envelopeText } from '../http/event-envelope.ts';

/** Events from a place on. */
export interface Stretch {
  readonly events: readonly StoredEvent[];
  /** One of them as text, for tokens of a scope. */
  textOf(event: StoredEvent, index: number, scope: Scope): string;
  /** Everything up to here was looked at. */
  readonly checkpoint: Position;
}

export interface TailMember extends Disposable {
  /** Where the tail begins; `undefined` before the end of the log is known. */
  readonly begins: Position | undefined;
  /** What is after a place; `undefined` where the tail does not reach back so far, or its beginning is not known yet. */
  since(after: Position | undefined): Stretch | undefined;
  /** Resolves once there may be more, or with `signal`. Rejects with what made the log unreadable. */
  more(signal: AbortSignal): Promise<void>;
}

/** What the tail holds at most; a reader that is further behind reads the log. */
const mostEvents = 1024;
const mostCharacters = 4 * 1024 * 1024;

/**
 * The last events of the log for all who follow it: read once, and written once as text, however many there are; and kept once, so that a
 * slow reader has nothing of its own here. Follows the log while there is a member.
 */
export interface EventTail {
  join(): TailMember;
}

export interface EventTailOptions {
  readonly eventStore: Pick<EventStore, 'subscribe'>;
  /** `source` of the envelopes. Asked for once there are events. */
  readonly source: () => Promise<string>;
}

export function createEventTail({ eventStore, source }: EventTailOptions): EventTail {
  let run: Run | undefined;

  interface Run {
    readonly stop: AbortController;
    members: number;
    /** Everything after this and up to `checkpoint` is in `events`. */
    begins: Position | undefined;
    checkpoint: Position | undefined;
    events: WrittenEvent[];
    characters: number;
    over: { readonly error: unknown } | undefined;
    readonly waiting: Set<() => void>;
  }

  async function follow(one: Run): Promise<void> {
    for await (const batch of eventStore.subscribe({ after: 'end', signal: one.stop.signal })) {
      const from = batch.events.length === 0 ? '' : await source();
      for (const event of batch.events) {
        const written = write(event, from);
        one.events.push(written);
        one.characters += written.characters;
      }
      one.begins ??= batch.checkpoint;
      one.checkpoint = batch.checkpoint;
      cut(one);
      for (const wake of [...one.waiting]) wake();
    }
  }

  function cut(one: Run): void {
    let gone = 0;
    while (one.events.length - gone > mostEvents || (one.characters > mostCharacters && gone < one.events.length)) {
      const oldest = one.events[gone++] as WrittenEvent;
      one.characters -= oldest.characters;
      one.begins = oldest.event.position;
    }
    if (gone > 0) one.events.splice(0, gone);
  }

  function start(): Run {
    const one: Run = {
      stop: new AbortController(),
      members: 0,
      begins: undefined,
      checkpoint: undefined,
      events: [],
      characters: 0,
      over: undefined,
      waiting: new Set(),
    };
    void follow(one)
      .then(
        () => ({ error: new Error('the event store was closed') }),
        (error: unknown) => ({ error }),
      )
      .then((over) => {
        // Whoever comes next begins anew.
        one.over = over;
        if (run === one) run = undefined;
        for (const wake of [...one.waiting]) wake();
      });
    return one;
  }

  return {
    join() {
      run ??= start();
      const one = run;
      one.members++;
      return {
        get begins() {
          return one.begins;
        },
        since(after) {
          if (one.begins === undefined || one.checkpoint === undefined) return undefined;
          if (after === undefined || after < one.begins) return undefined;
          // The log may have been read further than this has heard: nobody is sent back.
          const isAhead = after > one.checkpoint;
          let first = one.events.length;
          while (first > 0 && (one.events[first - 1]?.event.position ?? '') > after) first--;
          const written = one.events.slice(first);
          return {
            events: written.map(({ event }) => event),
            textOf: (_, index, scope) => (written[index] as WrittenEvent).textFor(scope),
            checkpoint: isAhead ? after : one.checkpoint,
          };
        },
        more(signal) {
          return new Promise((resolve, reject) => {
            const wake = (): void => {
              one.waiting.delete(wake);
              signal.removeEventListener('abort', wake);
              if (one.over !== undefined && !signal.aborted) reject(one.over.error);
              else resolve();
            };
            one.waiting.add(wake);
            signal.addEventListener('abort', wake);
            if (signal.aborted || one.over !== undefined) wake();
          });
        },
        [Symbol.dispose]() {
          if (--one.members > 0) return;
          one.stop.abort();
          if (run === one) run = undefined;
        },
      };
    },
  };
}

/** An event with its envelope as text, written once for all who read it. */
interface WrittenEvent {
  readonly event: StoredEvent;
  readonly characters: number;
  textFor(scope: Scope): string;
}

function write(event: StoredEvent, source: string): WrittenEvent {
  const text = envelopeText(event, source, 'read');
  return {
    event,
    characters: text.length,
    textFor: (scope: Scope) =>
      scope === 'admin' && hasAdminOnly(event.type) ? envelopeText(event, source, scope) : text,
  };
}
