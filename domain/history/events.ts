import * as z from 'zod';
import { baseName, defineEvent, type EventOf, instant } from '../event.ts';

export const earlierOutcomes = ['succeeded', 'failed', 'canceled'] as const;
/** Most builds of one event, and most characters of what one of them failed with. */
export const mostEarlierBuilds = 1000;
export const maxEarlierMessage = 1000;

/** A build that ended at another coordinator, as that one tells of it: nothing of it was seen or verified here. */
export const earlierBuild = z.strictObject({
  /** What it is called there; the source and this make it one, however often it is told of. */
  id: z.string().min(1).max(64),
  /** Base name of the `.drv`, which need not be known here. */
  derivation: baseName,
  outcome: z.enum(earlierOutcomes),
  /** Absent, as all below, where the source does not say. */
  system: z.string().min(1).max(64).optional(),
  /** Whether the derivation only fetches a fixed output. */
  fixed: z.boolean().optional(),
  agent: z.string().min(1).max(128).optional(),
  submittedAt: instant.optional(),
  /** When its last attempt began. */
  startedAt: instant.optional(),
  endedAt: instant.optional(),
  /** What it failed with. */
  message: z.string().max(maxEarlierMessage).optional(),
});
export type EarlierBuild = Readonly<z.infer<typeof earlierBuild>>;

export const EarlierBuildsRecorded = defineEvent(
  'EarlierBuildsRecorded',
  'Builds that ended at another coordinator were taken over from there, which is what its name in the stream says. They are believed for the history and for estimates alone: no output is available, no build here has ended, and none is spared or blocked by them.',
  z.object({ builds: z.array(earlierBuild).min(1).max(mostEarlierBuilds) }),
);

export const historyEvents = [EarlierBuildsRecorded] as const;
export type HistoryEvent = EventOf<(typeof historyEvents)[number]>;
