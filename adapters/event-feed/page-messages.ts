import type { Position } from '../../coordinator/ports/event-store.ts';
import type { EventView } from './event-view.ts';
import type { Filled } from './pages.ts';

/** What goes between the main thread and the one that reads the log. Numbers are given by the main thread. */
export type ToPageThread =
  | { readonly open: number; readonly view: EventView }
  | { readonly close: number }
  | {
      readonly fill: number;
      readonly view: number;
      readonly after: Position | undefined;
      /** Shared memory: written to before the answer, and not after it. */
      readonly into: Uint8Array | undefined;
      readonly wait: boolean;
    }
  | { readonly stop: number }
  | 'end';
export type FromPageThread =
  | { readonly fill: number; readonly filled: Filled }
  | { readonly fill: number; readonly failed: string };

export interface PageThreadData {
  /** Folder of the log. */
  readonly dir: string;
}
