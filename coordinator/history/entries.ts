import type { Phase, PhaseSums } from '../application.ts';
import type { Position } from '../ports/event-store.ts';
import type { EarlierBuildRow } from '../ports/views.ts';

/** One line of a build's story; times in milliseconds since the Unix epoch, durations in milliseconds. */
export interface HistoryEntry {
  readonly kind: 'event' | 'wait' | 'hook';
  readonly at: number;
  /** Since the entry before, 0 for the first; never less than 0. */
  readonly since: number;
  /** Of an event. */
  readonly position?: Position;
  readonly event?: string;
  readonly type?: string;
  /** Who did it: name of a token, an agent, or a part of the coordinator. */
  readonly actor?: string;
  /** What happened, in words. */
  readonly summary: string;
  readonly attempt?: number;
  /** Where the log of the attempt is, below the coordinator's address. */
  readonly log?: string;
  /** Of an attempt that is over: its time by phase. */
  readonly phases?: PhaseSums;
  /** Phases that its agent did not tell: `fetching` is then in `allocated`. */
  readonly unknown?: readonly Phase[];
  /** Of a wait: for what, and how long. */
  readonly wait?: Phase;
  readonly ms?: number;
  /** Of a wait for inputs: those that were not there, the last to come first; `total` counts all. */
  readonly inputs?: readonly WaitedItem[];
  readonly total?: number;
  /** Of a hook that is for an event of the build: its name, the event's id, and how it stands with it. */
  readonly hook?: string;
  readonly result?: HookResult;
}

/**
 * `delivered`: by the checkpoint at the entry's time; `settled`: the hook has it behind it, delivered or not, as the summary says;
 * `skipped`; `parked`; `failing`: it will be tried again; `owed`: not delivered yet, as far as it is written down.
 */
export type HookResult = 'delivered' | 'settled' | 'skipped' | 'parked' | 'failing' | 'owed';

/** An input that a build waited for. */
export interface WaitedItem {
  /** Base name. */
  readonly item: string;
  /** When it came; absent where it has not. */
  readonly at?: number;
  /** The last build of what makes it. */
  readonly build?: string;
}

export interface BuildHistory {
  readonly build: string;
  /** Base name of the derivation. */
  readonly derivation: string;
  readonly state: string;
  /** From its submission to its end, or until now. */
  readonly from: number;
  readonly to: number;
  readonly phases: PhaseSums;
  readonly entries: readonly HistoryEntry[];
  /** Revision to go on after, where the build has more events. */
  readonly next?: number;
  /** Builds of the same derivation at other coordinators, those recorded last first; the log's place for them is the views. */
  readonly earlier?: readonly EarlierBuildRow[];
  /** What was left out, in words. */
  readonly cut: readonly string[];
}
