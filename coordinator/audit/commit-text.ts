import type { Meta, NewEvent, StoredEvent } from '../ports/event-store.ts';

/** A commit at its place, without what depends on the engine. */
export interface PlacedCommit
  extends Pick<StoredEvent, 'commit' | 'stream' | 'at' | 'meta' | 'revision' | 'previousHash'> {
  /** `json` goes before `data`: it is what is stored. */
  readonly events: readonly NewEvent[];
}

/** All of {@link Meta}, in the order of their lines: what is not named here would be covered by no hash. */
const metaLines: { readonly [Name in keyof Required<Meta>]: true } = {
  actor: true,
  correlation: true,
  causation: true,
  trace: true,
};
const metaNames = Object.keys(metaLines) as (keyof Meta)[];

/**
 * Everything that is stored of a commit, as one text: what its hash is of, described in docs/audit.md. One line each, and none for what is
 * not there: no name has a line break in it, and neither has JSON as it is stored.
 */
export function commitText(commit: PlacedCommit): string {
  return `${commitPlace(commit)}${commitContent(commit)}`;
}

/** The first lines of the text: what is known only where the commit is put into its place. */
export function commitPlace({
  previousHash,
  commit,
  stream,
  revision,
}: Pick<PlacedCommit, 'previousHash' | 'commit' | 'revision'> & { readonly stream: string }): string {
  const previous = previousHash === undefined ? '' : `previous ${previousHash}\n`;
  return `drover-commit 1\n${previous}commit ${commit}\nstream ${stream}\nrevision ${revision}\n`;
}

/**
 * The other lines of the text.
 *
 * @param encoded data of each event as JSON, where these are at hand and the events do not have them.
 */
export function commitContent(
  { at, meta, events }: Pick<PlacedCommit, 'at' | 'meta' | 'events'>,
  encoded: readonly string[] = [],
): string {
  let text = `at ${at}\n`;
  for (const name of metaNames) if (meta[name]) text += `${name} ${meta[name]}\n`;
  for (let n = 0; n < events.length; n++) {
    const { type, version, data, json } = events[n] as NewEvent;
    text += `event ${type} ${version} ${encoded[n] ?? json ?? JSON.stringify(data)}\n`;
  }
  return text;
}

/**
 * Why the text of a commit could be that of another one as well; `undefined` for what Drover writes. A line break in a name would hide a
 * whole line of the text in it, an event for example, and the hash would be the same.
 */
export function ambiguityOf(commit: PlacedCommit): string | undefined {
  const { previousHash, commit: id, stream, revision, at, meta, events } = commit;
  const odd = (what: string, expected: string): string => `its ${what} is not ${expected}, which could hide something`;
  const lines = { previous: previousHash, commit: id, stream, ...meta };
  for (const [name, value] of Object.entries(lines))
    if (value !== undefined && (typeof value !== 'string' || value.includes('\n'))) return odd(name, 'one line');
  if (!Number.isSafeInteger(revision) || !Number.isSafeInteger(at)) return odd('revision or time', 'a whole number');
  for (const { type, version, json } of events) {
    if (typeof type !== 'string' || /\s/.test(type)) return odd('type of an event', 'one word');
    if (!Number.isSafeInteger(version)) return odd('version of an event', 'a whole number');
    if (json?.includes('\n')) return odd('data', 'one line');
  }
  return undefined;
}

/** The commit that these events are, which have to be all of it in order. */
export function commitOfStored(events: readonly StoredEvent[]): PlacedCommit {
  return { ...(events[0] as StoredEvent), events };
}

/** Whether an event goes on with the commit of the one before it in the log. */
export function isSameCommit(before: StoredEvent | undefined, event: StoredEvent): boolean {
  return before?.commit === event.commit && before.stream === event.stream && before.revision + 1 === event.revision;
}
