import type { Position, Revision, StreamId } from './event-store.ts';

/** The last event of a log, as somebody beside the log remembers it: by what stays where a log is copied to another engine. */
export interface LogMark {
  readonly stream: StreamId;
  readonly revision: Revision;
  readonly commit: string;
  /** Where it was, for people: another engine has it elsewhere. */
  readonly position: Position;
}
