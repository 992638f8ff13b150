import * as z from 'zod';
import { baseName, defineEvent, type EventOf, identifier, instant, shortText } from '../event.ts';

/** Never reached: who adds many at once does it in parts of `namesPerEvent` of domain/limits.ts. */
const mostTargets = 4000;
const targets = z.array(baseName).min(1).max(mostTargets);

/** Who keeps a root: what the configuration keeps is changed there. */
export const rootSource = z.enum(['api', 'submission', 'config']);
export type RootSource = z.infer<typeof rootSource>;

export const RootAdded = defineEvent(
  'RootAdded',
  'Store items are kept under a name, with all that they refer to, beside those that the name keeps already.',
  z.object({
    /** Base names of store items, which need not be there yet. */
    targets,
    /** They are kept until then; for good if absent. What is kept for longer already stays so. */
    until: instant.optional(),
    source: rootSource,
    /** The submission whose outputs they are. */
    submission: identifier.optional(),
  }),
);
export const RootExpired = defineEvent(
  'RootExpired',
  'Targets that were kept until `until` or before are kept no more.',
  z.object({ until: instant }),
);
export const RootRemoved = defineEvent(
  'RootRemoved',
  'Targets are kept no more under this name: these, or all of them if absent.',
  z.object({ targets: targets.optional(), reason: shortText.optional() }),
);

export const rootEvents = [RootAdded, RootExpired, RootRemoved] as const;
export type RootEvent = EventOf<(typeof rootEvents)[number]>;
