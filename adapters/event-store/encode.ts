import { type Commit, EventStoreError, type Meta } from '../../coordinator/ports/event-store.ts';

/** A commit whose event data together are longer than this is refused with `too-large`: 8 Mi characters. */
export const maxCommitLength = 8 * 1024 * 1024;

/**
 * What is wrong with a commit before any engine is asked: throws a TypeError for a caller's bug, `too-large` for data
 * over {@link maxCommitLength}. Returns the data of each event as JSON text, which is what the engines store.
 */
export function encodeCommit(commit: Commit): string[] {
  if (commit.id === '' || !commit.stream.includes('-'))
    throw new TypeError(`Expected a commit id and a stream <category>-<id>, got ${commit.stream}`);
  if (commit.events.length === 0)
    throw new TypeError(`Expected at least one event in commit ${commit.id} to ${commit.stream}`);
  if (typeof commit.expected === 'number' && !(Number.isSafeInteger(commit.expected) && commit.expected >= 0)) {
    throw new TypeError(`Expected a revision from 0, "none" or "any", got ${commit.expected}`);
  }
  const { actor, correlation, causation, trace } = commit.meta;
  // Engines keep these as fields of lines and headers. One after the other: it is done for every commit.
  mustBeLine(commit.id);
  mustBeLine(commit.stream);
  mustBeLine(actor);
  if (correlation !== undefined) mustBeLine(correlation);
  if (causation !== undefined) mustBeLine(causation);
  if (trace !== undefined) mustBeLine(trace);
  if (commit.previousHash !== undefined) mustBeLine(commit.previousHash);
  let length = 0;
  const encoded: string[] = [];
  for (const { type, data, json } of commit.events) {
    if (/\s/.test(type)) throw new TypeError(`Expected a type without white space, got ${JSON.stringify(type)}`);
    const text: string | undefined = json ?? JSON.stringify(data);
    if (text === undefined) throw new TypeError(`Expected data of ${type} that JSON can say, got ${typeof data}`);
    length += text.length;
    encoded.push(text);
  }
  if (length > maxCommitLength) {
    throw new EventStoreError(
      'too-large',
      `Commit ${commit.id} to ${commit.stream} has ${length} characters of data, expected up to ${maxCommitLength}`,
    );
  }
  return encoded;
}

function mustBeLine(name: string): void {
  if (name.includes('\n')) throw new TypeError(`Expected names without line breaks, got ${JSON.stringify(name)}`);
}

/** Whether a JSON text is one line. What Drover makes is; what another has put into a log need not be. */
export function isLine(json: string): boolean {
  return !json.includes('\n') && !json.includes('\r');
}

/** Builds a {@link Meta} without the fields that are not there. */
export function makeMeta(
  actor: string,
  correlation: string | null,
  causation: string | null,
  trace: string | null,
): Meta {
  const meta: { -readonly [Key in keyof Meta]: Meta[Key] } = { actor };
  if (correlation !== null) meta.correlation = correlation;
  if (causation !== null) meta.causation = causation;
  if (trace !== null) meta.trace = trace;
  return meta;
}
