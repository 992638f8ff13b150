import type { DerivationEvent } from '../domain/derivation/events.ts';
import type { Drv, Graph } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

/** Which derivations have lost their texts: nothing can build them until the texts are there again. */
export interface Texts {
  /** Why the text of the derivation is not to be had; `undefined` where it is. */
  lost(drv: Drv): string | undefined;
  /** All whose texts are lost. */
  all(): Iterable<Drv>;
  /** Revision of the last event of the derivation's stream. */
  revision(drv: Drv): number;
  apply(event: DerivationEvent, revision: number): void;
  /** An event that this program does not know made the stream longer. */
  passed(drv: Drv, revision: number): void;
  /** The derivation goes. */
  forget(drv: Drv): void;
}

export function createTexts(
  graph: Pick<Graph, 'drvOf'>,
  changed: (drv: Drv) => void,
  memory: Memory = createMemory(),
): Texts {
  const lost = memory.map<Drv, string>('lost');
  /** Of streams with more than one event, which are few. */
  const revisions = memory.map<Drv, number>('revisions');

  return {
    lost: (drv) => lost.get(drv),
    all: () => lost.keys(),
    revision: (drv) => revisions.get(drv) ?? 0,
    passed: (drv, revision) => void revisions.set(drv, revision),
    forget: (drv) => void revisions.delete(drv),
    apply(event, revision) {
      if (revision === 0) return;
      const drv = graph.drvOf(event.data.path);
      if (drv === undefined) return;
      revisions.set(drv, revision);
      if (event.type === 'DerivationTextLost') lost.set(drv, event.data.reason);
      else if (event.type !== 'DerivationTextRestored' || !lost.delete(drv)) return;
      changed(drv);
    },
  };
}
