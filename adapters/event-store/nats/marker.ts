import { EventStoreError, type Position } from '../../../coordinator/ports/event-store.ts';
import { encodeHeaders, encodeWriterMessage } from './commit-message.ts';
import type { Connection } from './connection.ts';
import { isConflict } from './errors.ts';
import type { Lease } from './lease.ts';
import type { LogReader } from './log-reader.ts';
import type { Subjects } from './subject.ts';

/** A writer before us may still have had commits on their way; it has no lease to send more. */
const attempts = 100;

/**
 * A new writer's first act: a message that says who writes now. Every message of the writer before it demands that the log ends
 * elsewhere, so from here on all of them are refused, however late they come. Returns where the log ends then.
 */
export async function beginWriting(
  { js }: Connection,
  { subjects, reader, lease }: { subjects: Subjects; reader: LogReader; lease: Lease },
): Promise<{ sequence: number; head: Position | undefined }> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    await lease.assure();
    const last = await reader.lastSequence();
    const head = await reader.headAt(last);
    const body = { holder: lease.holder, fence: lease.fence, head: head ?? null };
    try {
      const { seq } = await js.publish(subjects.writer, encodeWriterMessage(body), {
        headers: encodeHeaders(`writer/${lease.fence}/${attempt}`, { last }),
      });
      return { sequence: seq, head };
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  throw new EventStoreError('in-use', 'The log is being written to by somebody without a lease. Stop that one first');
}
