/**
 * Notes what the process is working at, for whoever finds it standing still: a loop that never ends leaves no other trace. A note holds
 * until the event loop turns, so whoever goes on after waiting for something notes it again.
 */
export interface Work {
  /** `submission` and its id, or `event` and its `<stream>@<revision>` and position. */
  at(what: WorkKind, name: string): void;
}
export const workKinds = ['submission', 'event'] as const;
export type WorkKind = (typeof workKinds)[number];

/** Where nobody looks. */
export const unwatched: Work = { at: () => undefined };

/** How an earlier process of this coordinator stood still and was ended. */
export interface Stall {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** Processor seconds that the one turn of the event loop had taken. */
  readonly seconds: number;
  readonly work?: { readonly what: WorkKind; readonly name: string } | undefined;
  /** Innermost first, each `function (file:line:column)`; empty where it could not be had. */
  readonly stack: readonly string[];
}
