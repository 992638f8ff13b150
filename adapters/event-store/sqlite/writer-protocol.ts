import type { PlainError } from './errors.ts';
import type { FlatCommits, FlatResults } from './log-writer.ts';
import type { Span } from './stream-index.ts';

/** What goes between the main thread and the writer thread. A string is the lines of {@link FlatCommits}, the frequent case. */
export type ToWriter = string | { readonly spansOf: string; readonly ask: number } | { readonly close: true };
export type FromWriter =
  | { readonly ready: number }
  | { readonly notOpened: PlainError }
  /** Of as many commits as there are pairs, in the order of their coming; stored durably, the log now ends at `head`. */
  | { readonly results: FlatResults; readonly head: number }
  /** This and everything after it is not appended; the writer has stopped. */
  | { readonly failed: PlainError }
  | { readonly ask: number; readonly spans: readonly Span[] }
  | 'closed';

export interface WriterData {
  readonly file: string;
  /** Name of the BroadcastChannel that tells other threads the head. */
  readonly channel: string;
}
