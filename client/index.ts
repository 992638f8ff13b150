/** `drover/client`: a coordinator's API and its log, for programs. Runs on Node and in browsers, and needs nothing else. */
export { storageCheckpoint, type TextStorage } from './checkpoint.ts';
export type { FollowOptions } from './connection.ts';
export { type Calls, createDrover, type Drover } from './drover.ts';
export { DroverProblem, DroverUnreachable, isPassing } from './errors.ts';
export {
  type Checkpoint,
  type DroverEvent,
  type Envelope,
  type EventName,
  type EventsOptions,
  type EventType,
  eventName,
} from './events.ts';
export type { ExportOptions } from './export.ts';
export type { EventData, Operations } from './generated.ts';
export type { HttpOptions, Query, RequestOptions } from './http.ts';
export type { Overview } from './overview.ts';
