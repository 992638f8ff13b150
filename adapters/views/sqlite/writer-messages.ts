import type { Batch, Position } from '../../../coordinator/ports/event-store.ts';

/** What the writer thread is started with. */
export interface WriterData {
  /** The views' file. */
  readonly file: string;
  /** `sqlite`: the thread reads the event store in this folder by itself. `port`: it is sent batches, and goes on after the last event that is in the file. */
  readonly feed:
    | { readonly kind: 'sqlite'; readonly dir: string }
    | { readonly kind: 'port'; readonly last: Position | undefined };
}

/** To the thread. `want`: somebody waits for that position. */
export type WriterRequest =
  | { readonly type: 'batch'; readonly batch: Batch }
  | { readonly type: 'want'; readonly position: Position }
  | { readonly type: 'close' };

/** From the thread: `ready` once, then `reached` after each transaction. */
export type WriterReport =
  | { readonly type: 'ready'; readonly checkpoint: Position | undefined }
  | { readonly type: 'reached'; readonly checkpoint: Position; readonly events: number }
  /** The last message: it could not go on. `damaged`: the file has to be made anew. */
  | { readonly type: 'failed'; readonly message: string; readonly damaged: boolean };
