import * as z from 'zod';
import { baseName, defineEvent, type EventOf, otherStoreDir, shortText } from '../event.ts';
import { quickPattern } from '../quick-pattern.ts';
import { isHashPart } from '../store/store-path.ts';

/** `<hash of the input derivation>` when only "out" is wanted, otherwise `<hash>!<output>,<output>`, outputs sorted. */
const inputDerivation = z
  .string()
  .regex(
    quickPattern(/^[0-9abcdfghijklmnpqrsvwxyz]{32}(![0-9a-zA-Z+\-._?=]+(,[0-9a-zA-Z+\-._?=]+)*)?$/, isHashPart),
    'expected <hash>[!outputs]',
  );

export const DerivationAdded = defineEvent(
  'DerivationAdded',
  'A submission brought a derivation that was not known, and its paths are the ones its content determines.',
  z.object({
    /** Base name of the `.drv`. */
    path: baseName,
    /** Of its paths, where that is not the first one of the coordinator. */
    storeDir: otherStoreDir,
    system: z.string().min(1).max(64),
    /** `requiredSystemFeatures`, sorted; absent when there are none. */
    features: z.array(z.string().min(1).max(64)).max(64).optional(),
    /** Output name to base name of its store path. */
    outputs: z.record(z.string(), baseName),
    /** Only for a fixed-output derivation: `[r:]<algorithm>` and the hash in base 16. */
    fixed: z.object({ method: z.string(), hash: z.string() }).optional(),
    inputs: z.array(inputDerivation),
    /** Base names of input sources. */
    sources: z.array(baseName),
  }),
);
export type DerivationAdded = EventOf<typeof DerivationAdded>;
export type DerivationFacts = DerivationAdded['data'];

export const DerivationTextLost = defineEvent(
  'DerivationTextLost',
  'The derivation store turned out not to have the text any more, or it cannot be read. Builds of the derivation wait for DerivationTextRestored.',
  z.object({
    /** Base name of the `.drv`. */
    path: baseName,
    reason: shortText,
  }),
);
export const DerivationTextRestored = defineEvent(
  'DerivationTextRestored',
  'The text is there again: a client sent it, or the derivation store was restored.',
  z.object({
    /** Base name of the `.drv`. */
    path: baseName,
  }),
);

export const derivationEvents = [DerivationAdded, DerivationTextLost, DerivationTextRestored] as const;
export type DerivationEvent = EventOf<(typeof derivationEvents)[number]>;
