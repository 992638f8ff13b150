import assert from 'node:assert/strict';
import type { AppendResult, Commit, Expected, StreamId } from '../../coordinator/ports/event-store.ts';

let unique = 0;
/** A commit of as many events as there are values; everything that is not said is made up. */
export function commitOf(
  stream: string,
  expected: Expected,
  values: readonly unknown[] = [unique],
  id = `commit-${unique++}`,
): Commit {
  return {
    id,
    stream: stream as StreamId,
    expected,
    at: 1_790_000_000_000 + unique,
    meta: { actor: 'tester', correlation: 'submission-1', causation: `command-${unique}` },
    events: values.map((value) => ({ type: 'Counted', version: 1, data: { value } })),
  };
}

/** What was stored of a commit; fails where that is nothing. */
export function stored(result: AppendResult): Extract<AppendResult, { ok: true }> {
  assert.ok(result.ok, `expected the commit to be stored, got ${JSON.stringify(result)}`);
  return result;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
