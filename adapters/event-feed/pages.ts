import type { Position } from '../../coordinator/ports/event-store.ts';
import type { EventView } from './event-view.ts';

/** What is read of the log for a view, a page at a time. */
export interface PageSource extends AsyncDisposable {
  open(view: EventView): PagedView;
}

export interface PagedView extends Disposable {
  /**
   * The next events after a place, as they are sent. Which ones depends on nothing but the place, the view and, near its end, the log: each page
   * begins where the one before it ended, so there is no gap and no repeat, whoever reads whenever. Rejects where the log cannot be read.
   */
  fill(wish: FillWish): Promise<Filled>;
}

export interface FillWish {
  /** The whole log if absent. */
  readonly after: Position | undefined;
  /** Memory for the bytes; without it they come in their own. */
  readonly into?: Buffer | undefined;
  /** Whether to wait for what comes, at the end of the log; without it the page is empty then. Of a view that follows the log. */
  readonly wait: boolean;
  /** Ends a wait: the page is empty then. */
  readonly signal: AbortSignal;
}

export interface Filled {
  /** Bytes of whole events, in the memory that was given, unless {@link bytes} has them. */
  readonly length: number;
  readonly bytes?: Uint8Array | undefined;
  /** Where the next page begins. Moves on over events that the view leaves out. */
  readonly place: Position | undefined;
  /** False where this was the end of the log, or of what the view shows of it. */
  readonly more: boolean;
}
