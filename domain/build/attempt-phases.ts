import * as z from 'zod';
import { count } from '../event.ts';

/**
 * How long an attempt was in each of its phases, in milliseconds by the monotonic clock of its agent; a phase that it did not get to is
 * absent. An agent that was started anew in between counts from its start on.
 */
export const attemptPhases = z.object({
  /** Until it had a slot of the agent, which may be trying itself. */
  waitingMs: count.optional(),
  /** Opening the store, and fetching the inputs that it lacked. */
  fetchingMs: count.optional(),
  /** From the start of the builder to its end. */
  buildingMs: count.optional(),
  /** Reading, compressing and sending the outputs. */
  uploadingMs: count.optional(),
});
export type AttemptPhases = z.infer<typeof attemptPhases>;
