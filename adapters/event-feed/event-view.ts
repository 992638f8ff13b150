import type { Scope } from '../../domain/token/events.ts';
import type { EventSelection } from './event-selection.ts';

/** What a reader of the log sees: two with the same view get the same bytes. */
export interface EventView {
  readonly selection: EventSelection;
  /** `stored`: as it is kept, for who verifies it. The others are envelopes, without what is not for all. */
  readonly format: 'server-sent-events' | 'lines' | 'stored';
  readonly scope: Scope;
  /** Whether it goes on with what happens. */
  readonly follow: boolean;
}

/** Bytes of a page, if no event is longer: what a reader holds that takes nothing. */
export const pageLength: number = 128 * 1024;
