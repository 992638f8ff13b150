import type { AuditEvent } from '../domain/audit/events.ts';
import { createMemory, type Memory } from './memory.ts';

/** The newest signed checkpoint of the log. */
export interface Checkpoints {
  readonly newest: { readonly note: string; readonly size: number; revision: number } | undefined;
  apply(event: AuditEvent, revision: number): void;
  describe(): Iterable<string>;
}

export function createCheckpoints(memory: Memory = createMemory()): Checkpoints {
  let newest: { note: string; size: number; revision: number } | undefined;
  memory.part('newest', {
    save: () => newest,
    load(saved: typeof newest) {
      newest = saved;
    },
  });
  return {
    get newest() {
      return newest;
    },
    apply({ data: { note, size } }, revision) {
      newest = { note, size, revision };
    },
    *describe() {
      if (newest) yield `checkpoint ${newest.revision} ${newest.size}`;
    },
  };
}
