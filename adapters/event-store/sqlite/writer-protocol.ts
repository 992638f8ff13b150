import type { ChainState } from '../../../coordinator/ports/event-store.ts';
import type { PlainError } from './errors.ts';
import type { FlatResults } from './log-writer.ts';
import type { Packing } from './packer.ts';
import type { Parcel } from './parcels.ts';
import type { SharedHead } from './shared-head.ts';
import type { Span } from './stream-index.ts';

/** What goes between the main thread and the writer thread. The commits are the frequent case: a parcel has them as `FlatCommits`. */
export type ToWriter =
  | Parcel
  | { readonly ask: number; readonly for: Question }
  | { readonly link: ChainState }
  | { readonly close: true };
/** What the writer can be asked: for the commits of a stream, or how far the log is linked. */
export type Question = { readonly spansOf: string } | 'chain';
/** Spans of the stream; the chain, after all commits that came before the question. */
export type Answer = readonly Span[] | ChainState;
export type FromWriter =
  | { readonly ready: number }
  | { readonly notOpened: PlainError }
  /** Of as many commits as there are pairs, in the order of their coming; stored durably, the log now ends at `head`. */
  | { readonly results: FlatResults; readonly head: number }
  /** This and everything after it is not appended; the writer has stopped. */
  | { readonly failed: PlainError }
  | { readonly ask: number; readonly answer: Answer }
  /** Why the older part of the log stays as large as it is for now. */
  | { readonly notPacked: string }
  | 'closed';

export interface WriterData {
  readonly file: string;
  /** Tells other threads how far the log goes. */
  readonly head: SharedHead;
  readonly packing: Packing;
}
