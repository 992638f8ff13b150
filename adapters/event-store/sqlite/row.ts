import type { JsonWish, StoredEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import { isLine, makeMeta } from '../encode.ts';
import { formatPosition } from '../position.ts';

/** An event as a row of the table `events`, in the order of {@link rowColumns}. */
export type Row = [
  position: number,
  stream: StreamId,
  revision: number,
  type: string,
  version: number,
  at: number,
  commit: string,
  actor: string,
  correlation: string | null,
  causation: string | null,
  trace: string | null,
  data: string,
  previousHash: string | null,
  /** Whether the data are well-formed JSON, where that was asked: a column for nothing has been seen to double the time of a reading. */
  valid?: number,
];
/** All but the last two: a file of before the hashes has no `previous_hash`. */
export const rowColumns =
  'position, stream, revision, type, version, at, commit_id, actor, correlation, causation, trace, data';

export function eventOfRow(row: Row, json: JsonWish | undefined): StoredEvent {
  const text = row[11];
  return makeEvent(
    {
      stream: row[1],
      revision: row[2],
      position: formatPosition(row[0]),
      type: row[3],
      version: row[4],
      at: row[5],
      commit: row[6],
      meta: makeMeta(row[7], row[8], row[9], row[10]),
    },
    row[12],
    text,
    json,
    json === 'instead' && row[13] === 1 && isLine(text),
  );
}

/** @param isPassedOn whether the text goes to the reader as it is, without being parsed. */
export function makeEvent(
  envelope: Omit<StoredEvent, 'data' | 'json' | 'previousHash'>,
  previousHash: string | null,
  text: string,
  json: JsonWish | undefined,
  isPassedOn: boolean,
): StoredEvent {
  const event = envelope as { -readonly [Key in keyof StoredEvent]: StoredEvent[Key] };
  event.data = isPassedOn ? undefined : json === 'beside' ? parsed(text) : JSON.parse(text);
  if (previousHash !== null) event.previousHash = previousHash;
  if (isPassedOn || json === 'beside') event.json = text;
  return event;
}

/** Who wants the text can say what is wrong with it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
