import type { EventFacts } from '../../domain/hook/match.ts';
import type { HookTarget } from '../../domain/hook/target.ts';
import type { StoredEvent } from './event-store.ts';

/** An event on its way to a hook. */
export interface HookDelivery {
  /** Name of the hook. */
  readonly hook: string;
  readonly target: HookTarget;
  /** Id of the log's first commit, by which it is known. */
  readonly log: string;
  /** Without its position: that is the business of who reads the log. */
  readonly event: Omit<StoredEvent, 'position'>;
  readonly facts: EventFacts;
  /** Whether the event passes the hook's conditions. Some targets get others too, for what follows for what they have got. */
  readonly wanted: boolean;
  /** Whether an earlier delivery to this target succeeded since the hook's place was set, and that is written down. */
  readonly begun: boolean;
  /** 1 for the first. */
  readonly attempt: number;
  /** Where the delivery is in the trace of the event, for the receiver to go on from; absent where it is in none. */
  readonly traceparent?: string;
}

export type HookOutcome =
  /** `note`: for who tries it, where nothing was to be told. */
  | { readonly ok: true; readonly note?: string }
  /** `error`: for the operator, in one line. */
  | { readonly ok: false; readonly error: string };

/** Carries events to hooks: runs commands, calls webhooks. Every adapter passes `test/contract/hook-transport.ts`. */
export interface HookTransport {
  /**
   * Delivers one event. Whatever goes wrong is an outcome, never an exception. Once `signal` aborts (the time is up, the coordinator
   * stops) it lets go, ends what it started, and resolves soon; the outcome counts for nothing then.
   */
  deliver(delivery: HookDelivery, signal: AbortSignal): Promise<HookOutcome>;
  /** Why the target cannot be used on this machine, for whoever adds it; `undefined` if it can. */
  check(target: HookTarget): Promise<string | undefined>;
  /** No more is to be delivered for now, as the hook was paused or removed: what is kept for the target between deliveries is let go. */
  release?(target: HookTarget): void;
}
