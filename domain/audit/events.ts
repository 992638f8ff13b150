import * as z from 'zod';
import { count, defineEvent, type EventOf } from '../event.ts';

/** Base64 of 32 bytes. */
const hashText = z.string().regex(/^[0-9A-Za-z+/]{43}=$/, 'expected the base64 of 32 bytes');

export const LogCheckpointed = defineEvent(
  'LogCheckpointed',
  'The coordinator signed what the log is: a checkpoint of all commits before this one (docs/audit.md).',
  z.object({
    /** Commits that it covers: all before its own. */
    size: count,
    /** Root of the Merkle tree (RFC 6962) over the hashes of these commits. */
    root: hashText,
    /** The signed checkpoint, a C2SP signed note. */
    note: z.string().max(4096),
    /** Hashes of the largest whole subtrees of the tree, from left to right: a start goes on from them. */
    subtrees: z.array(hashText).max(64),
  }),
);

export const auditEvents = [LogCheckpointed] as const;
export type AuditEvent = EventOf<(typeof auditEvents)[number]>;
