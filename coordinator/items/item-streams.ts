import { hashPartLength } from '../../domain/store/store-path.ts';
import { createRecent } from '../../projections/recent.ts';
import type { Core } from '../core.ts';
import { lastRevision } from '../log/last-revision.ts';
import type { Revision } from '../ports/event-store.ts';

/** How far the streams of store items are, so that more can be appended to them: the farm knows it, but of those that it has forgotten. */
export interface ItemStreams {
  /**
   * Looks in the log where the farm does not know. To be awaited before an item that may be new is added, which may then be a while later: the farm may
   * forget meanwhile what it knew. @param paths base names
   */
  look(paths: Iterable<string>): Promise<void>;
  /** Revision of the last event of the item's stream. @throws Error where nobody has looked */
  revision(path: string): Revision | 'none';
}

/** Streams that were looked for last are followed, for certain, each some 200 bytes. */
const mostFollowed = 10_000;
/** Streams that are read at a time. */
const readsAtOnce = 16;

interface Followed {
  revision: Revision | 'none' | undefined;
  /** Something was appended while the log was read: what was found may be from before. */
  isOverrun: boolean;
}

export function createItemStreams({ farm, writer, log }: Pick<Core, 'farm' | 'writer' | 'log'>): ItemStreams {
  const followed = createRecent<string, Followed>(mostFollowed);
  /** Looks under way: who wants the same waits for the same. */
  const looking = new Map<string, Promise<void>>();
  const isKnown = (path: string): boolean => farm.forgetting.items === 0 || farm.itemRevision(path) !== 'none';

  writer.listen((category, id) => {
    const stream = category === 'item' && !followed.isEmpty ? followed.get(id) : undefined;
    if (stream === undefined) return;
    const known = farm.itemRevision(id);
    // The farm may have forgotten it again with that very event.
    if (known !== 'none') stream.revision = known;
    else if (stream.revision === undefined) stream.isOverrun = true;
    else stream.revision = stream.revision === 'none' ? 0 : stream.revision + 1;
  });

  function begin(id: string, revision: Followed['revision']): Followed {
    const stream: Followed = { revision, isOverrun: false };
    followed.set(id, stream);
    return stream;
  }

  function follow(id: string): Promise<void> {
    const look = looking.get(id) ?? read(id).finally(() => looking.delete(id));
    looking.set(id, look);
    return look;
  }

  async function read(id: string): Promise<void> {
    const stream = begin(id, undefined);
    while (stream.revision === undefined) {
      stream.isOverrun = false;
      // What the farm forgot may not be in the log yet.
      await writer.durable();
      const found = await lastRevision(log, `item-${id}`);
      if (!stream.isOverrun) stream.revision ??= found;
    }
  }

  return {
    async look(paths) {
      const unknown = new Set<string>();
      for (const path of paths) {
        const id = path.slice(0, hashPartLength);
        if (isKnown(path)) begin(id, farm.itemRevision(path));
        else if (followed.get(id)?.revision === undefined) unknown.add(id);
      }
      const ids = [...unknown];
      for (let start = 0; start < ids.length; start += readsAtOnce)
        await Promise.all(ids.slice(start, start + readsAtOnce).map(follow));
    },
    revision(path) {
      if (isKnown(path)) return farm.itemRevision(path);
      const revision = followed.get(path.slice(0, hashPartLength))?.revision;
      if (revision === undefined) throw new Error(`nobody has looked how far the stream of ${path} is`);
      return revision;
    },
  };
}
