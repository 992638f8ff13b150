import { EventStoreError, type Position } from '../../../coordinator/ports/event-store.ts';

/** Place of a record in EventStoreDB's transaction log, in bytes. */
export interface LogPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

const digits = 19; // Positions are signed 64-bit integers on the server.
/** The place before the first event. */
export const logStart: Position = `${'0'.repeat(digits)}.${'0'.repeat(digits)}`;

/** `<commit>.<prepare>`, 19 digits each, so that strings compare as the log's order goes. */
export function formatLogPosition({ commit, prepare }: LogPosition): Position {
  const text = commit.toString().padStart(digits, '0');
  return `${text}.${prepare === commit ? text : prepare.toString().padStart(digits, '0')}`;
}

/** Throws `unavailable` for a position that this engine never gave out, for example one of another engine. */
export function parseLogPosition(text: Position): LogPosition {
  const found = /^([0-9]{19})\.([0-9]{19})$/.exec(text);
  if (!found) {
    throw new EventStoreError(
      'unavailable',
      `Expected a position <19 digits>.<19 digits>, got ${JSON.stringify(text)}`,
    );
  }
  return { commit: BigInt(found[1] as string), prepare: BigInt(found[2] as string) };
}

export function later(left: Position, right: Position): Position {
  if (left > right) return left;
  return right;
}
