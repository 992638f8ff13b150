import { createHash } from 'node:crypto';
import { type Commit, type EventStore, EventStoreError, type StoredEvent } from '../ports/event-store.ts';

export interface CopyProgress {
  /** Events that are in the target. */
  readonly events: number;
  /** Of these, how many were there before. */
  readonly found: number;
}
export interface CopyResult extends CopyProgress {
  /** SHA-256 over all events in order, base 16; the same for both logs. */
  readonly hash: string;
}

const commitsPerBatch = 500;

/**
 * Copies a log, commit by commit with its id, time and metadata, into an empty store or one that an earlier copy began; reads both to the
 * end afterwards and compares them. Throws where the target holds anything else. Nothing may write to either meanwhile.
 */
export async function copyLog(
  from: EventStore,
  to: EventStore,
  { progress, signal }: { progress?: (done: CopyProgress) => void; signal?: AbortSignal } = {},
): Promise<CopyResult> {
  const found = await compareStart(from, to);
  let events = found;
  let batch: Commit[] = [];

  async function flush(): Promise<void> {
    const results = await to.appendBatch(batch);
    for (const [index, result] of results.entries()) {
      const { stream, events: theirs } = batch[index] as Commit;
      if (!result.ok) throw new EventStoreError('in-use', `${stream} of the target was written to by somebody else`);
      events += theirs.length;
    }
    batch = [];
    progress?.({ events, found });
  }

  progress?.({ events, found });
  for await (const commit of commitsOf(from, found)) {
    signal?.throwIfAborted();
    batch.push(commit);
    if (batch.length >= commitsPerBatch) await flush();
  }
  if (batch.length > 0) await flush();
  const [source, target] = [await digest(from), await digest(to)];
  if (source.hash !== target.hash)
    throw new EventStoreError(
      'damaged',
      `the copy differs: ${source.events} events (${source.hash}), copied ${target.events} (${target.hash})`,
    );
  return { events: source.events, found, hash: source.hash };
}

/** Number of events of the target, which are the first of the source. Throws where they are not. */
async function compareStart(from: EventStore, to: EventStore): Promise<number> {
  const source = events(from);
  let count = 0;
  for await (const copied of events(to)) {
    const original = await source.next();
    if (original.done || line(original.value) !== line(copied))
      throw new EventStoreError(
        'in-use',
        `the target is not empty and not the beginning of this log: event ${count + 1} (${copied.type} of ${copied.stream}) differs`,
      );
    count++;
  }
  await source.return(undefined);
  return count;
}

async function* events(store: EventStore): AsyncGenerator<StoredEvent> {
  for await (const batch of store.readAll()) yield* batch.events;
}

/** The commits after the first `skip` events, which end with a commit. */
async function* commitsOf(store: EventStore, skip: number): AsyncGenerator<Commit> {
  let current: StoredEvent[] = [];
  let count = 0;
  for await (const event of events(store)) {
    if (count++ < skip) continue;
    const [first] = current;
    if (first && (first.commit !== event.commit || first.stream !== event.stream)) {
      yield commitOf(current);
      current = [];
    }
    current.push(event);
  }
  if (current.length > 0) yield commitOf(current);
}

function commitOf(stored: readonly StoredEvent[]): Commit {
  const { commit: id, stream, revision, meta, at, previousHash } = stored[0] as StoredEvent;
  return {
    id,
    stream,
    expected: revision === 0 ? 'none' : revision - 1,
    at,
    meta,
    ...(previousHash !== undefined && { previousHash }),
    events: stored.map(({ type, version, data }) => ({ type, version, data })),
  };
}

async function digest(store: EventStore): Promise<{ events: number; hash: string }> {
  const hash = createHash('sha256');
  let count = 0;
  for await (const event of events(store)) {
    hash.update(line(event));
    count++;
  }
  return { events: count, hash: hash.digest('hex') };
}

/** Everything of an event that does not depend on the engine, in one form. */
function line({ stream, revision, commit, at, type, version, meta, previousHash, data }: StoredEvent): string {
  const { actor, correlation, causation, trace } = meta;
  const who = [actor, correlation, causation, trace];
  // The members of an object in their order too: the hash of the commit depends on it.
  return `${JSON.stringify([stream, revision, commit, at, type, version, ...who, previousHash, data])}\n`;
}
