import type { Category, DroverEvent } from '../domain/events.ts';
import type { Graph } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/**
 * Streams that begin with an event that this program does not know, as a newer one may have written before a return to this one, and what
 * rests on them. Only how far each is is known, so that what is appended to it later has the right revision; their events change nothing.
 */
export interface Strays {
  /** Of the last event of the stream; `undefined` where it is no stray. */
  revision(category: Category, id: string): number | undefined;
  add(category: Category, id: string, revision: number): void;
  /** Whether the event belongs to a stray, or makes one; then it has been counted. */
  takes(category: Category, id: string, event: DroverEvent, revision: number): boolean;
  describe(): Iterable<string>;
}

/** Events with which a stream begins to be known, even where something that is not came before. */
const beginnings: ReadonlySet<DroverEvent['type']> = new Set([
  'SubmissionReceived',
  'DerivationAdded',
  'BuildSubmitted',
  'AgentRegistered',
  'StoreItemAdded',
  'TokenIssued',
  'HookAdded',
  'LogCheckpointed',
  'RootAdded',
  'EarlierBuildsRecorded',
  'BuildsRemembered',
]);

export function createStrays(graph: Pick<Graph, 'drvByHash'>, memory: Memory = createMemory()): Strays {
  const revisions = memory.map<string, number>('revisions');

  /** A derivation that no event described. */
  const isUnknown = (drv: string): boolean => {
    const hash = drv.slice(0, 32);
    return revisions.has(`derivation-${hash}`) && graph.drvByHash(hash) === undefined;
  };

  function restsOnStray(event: DroverEvent): boolean {
    if (event.type === 'BuildSubmitted') return isUnknown(event.data.derivation);
    return event.type === 'DerivationAdded' && event.data.inputs.some(isUnknown);
  }

  return {
    revision: (category, id) => revisions.get(`${category}-${id}`),
    add: (category, id, revision) => void revisions.set(`${category}-${id}`, revision),
    takes(category, id, event, revision) {
      // Nearly always there are none, and every event of a replay comes by here.
      if (revisions.size === 0) return false;
      const stream = `${category}-${id}`;
      const begins = beginnings.has(event.type);
      if (begins ? !restsOnStray(event) : !revisions.has(stream)) {
        if (begins) revisions.delete(stream);
        return false;
      }
      revisions.set(stream, revision);
      return true;
    },
    *describe() {
      for (const [stream, revision] of revisions) yield `stray ${stream} ${revision}`;
    },
  };
}
