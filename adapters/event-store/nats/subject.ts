import { EventStoreError, type Position, type StreamId } from '../../../coordinator/ports/event-store.ts';

/**
 * The names of the log `log` on a server (a public interface, docs/engines.md): the commits of the stream `<category>-<id>`
 * have the subject `drover.<log>.<category>.<id>`, what a writer says about itself has `drover.<log>._writer`.
 */
export interface Subjects {
  /** All that belongs to the log. */
  readonly all: string;
  readonly writer: string;
  of(stream: StreamId): string;
}

export function subjectsOf(log: string): Subjects {
  return {
    all: `drover.${log}.>`,
    writer: `drover.${log}._writer`,
    of(stream) {
      const dash = stream.indexOf('-');
      return `drover.${log}.${token(stream.slice(0, dash))}.${token(stream.slice(dash + 1))}`;
    },
  };
}

/** What a token of a subject may not hold (`.`, `*`, `>`, blanks …) becomes `=` and two hex digits per byte of UTF-8; an empty one becomes `=`. */
function token(text: string): string {
  if (/^[0-9A-Za-z_-]+$/.test(text)) return text;
  return text === ''
    ? '='
    : text.replaceAll(/[^0-9A-Za-z_-]/gu, (char) =>
        Buffer.from(char).toString('hex').toUpperCase().replaceAll(/../g, '=$&'),
      );
}

/** A place in the log: the message's sequence in the JetStream stream, and the event's index in it. */
export interface Place {
  readonly sequence: number;
  readonly index: number;
}

/** An index has four digits in a position. */
export const maxEventsPerCommit = 10_000;
export const beginning: Position = '0'.repeat(20);

/** 16 digits of sequence and 4 of index, so that strings compare as places do. */
export function formatPlace(sequence: number, index: number): Position {
  return String(sequence).padStart(16, '0') + String(index).padStart(4, '0');
}

/** Throws `unavailable` for a position that this engine never gave out, for example one of another engine. */
export function parsePlace(position: Position): Place {
  if (!/^[0-9]{20}$/.test(position))
    throw new EventStoreError('unavailable', `Expected a position of 20 digits, got ${JSON.stringify(position)}`);
  return { sequence: Number(position.slice(0, 16)), index: Number(position.slice(16)) };
}
