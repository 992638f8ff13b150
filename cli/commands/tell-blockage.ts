import type { Blockage, SubmitResult } from '../../coordinator/application.ts';
import type { BuildRow } from '../../coordinator/ports/views.ts';
import type { Client } from '../http/client.ts';
import { describeBlockage } from '../output/blockage.ts';
import type { Io } from '../output/io.ts';
import { printable } from '../output/text.ts';

/** Submissions of one command that are looked at. */
const mostAsked = 20;

/**
 * Says on standard error what keeps builds of new submissions from ever running unless somebody acts, like a source that was collected since: it would be seen
 * by nobody who does not ask. So it is of a time that one was deferred to, which a retry keeps.
 */
export async function tellBlockage(client: Client, made: readonly SubmitResult[], io: Io): Promise<void> {
  for (const { submission } of made.slice(0, mostAsked)) {
    // What was asked for is done, whatever comes of this.
    const blockage = await client
      .get<Blockage>(`/v1/submissions/${encodeURIComponent(submission)}`)
      .catch(() => undefined);
    if (blockage !== undefined && blockage.blocked > 0)
      io.err(`${submission}: ${describeBlockage(blockage).join('\n')}\n`);
    const deferred = await client
      .get<{ rows: readonly BuildRow[] }>('/v1/builds', { submission, state: 'deferred', limit: 1 })
      .catch(() => undefined);
    for (const { id, standing } of deferred?.rows ?? [])
      if (standing === 'deferred')
        io.err(
          `${submission}: build ${printable(id)} is deferred, as it was the last time: 'drover builds why ${printable(id)}' says until when, 'drover builds defer ${printable(id)} --until now' ends it\n`,
        );
  }
}
