import { growTree } from '../../domain/audit/merkle-tree.ts';
import { decodeEvent } from '../log/event-codec.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { KnownTree } from './chain.ts';

/** All checkpoints of a log are on this stream. */
export const checkpointStream = 'audit-log';

/** The tree as the newest checkpoint has it, so that a start need not make it anew; `undefined` where there is none that fits itself. */
export async function knownTree(store: Pick<EventStore, 'read'>): Promise<KnownTree | undefined> {
  for await (const stored of store.read(checkpointStream, { backward: true, limit: 1 })) {
    const event = decodeEvent(stored);
    if (!event.known || event.type !== 'LogCheckpointed') return undefined;
    const { size, root, subtrees } = event.data;
    try {
      if (growTree({ size, subtrees }).root() === root) return { size, subtrees };
    } catch {
      // Its parts do not go together. Whoever verifies the log hears of it; the tree is made from the commits.
    }
  }
  return undefined;
}
