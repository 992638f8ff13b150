import type { FoundId } from '../../coordinator/ports/views.ts';
import type { TypedKind } from '../http/resolve-id.ts';
import type { Io } from '../output/io.ts';
import { type LogFlags, openLog } from './log-source.ts';

/** The event that each thing begins with, and its stream. */
const firsts: Readonly<Record<TypedKind, readonly [type: string, streams: string]>> = {
  builds: ['BuildSubmitted', 'build-'],
  submissions: ['SubmissionReceived', 'submission-'],
  items: ['StoreItemAdded', 'item-'],
};

/** The ids that begin so, of all that a log in a file or an event store has ever had. */
export async function idsInLog(
  flags: LogFlags,
  io: Io,
  signal: AbortSignal,
  kind: TypedKind,
  prefix: string,
): Promise<readonly FoundId[]> {
  const [type, streams] = firsts[kind];
  // The stream of an item has the hash of its path only.
  const start = kind === 'items' ? prefix.slice(0, 32) : prefix;
  await using log = await openLog(flags, io, signal);
  const found = new Map<string, FoundId>();
  for await (const { stream, data } of log.only?.({ types: [type], streams: [`${streams}${start}`] }, signal) ?? []) {
    const { path, derivation } = data as { path?: string; derivation?: string };
    const id = kind === 'items' ? (path ?? '') : stream.slice(streams.length);
    found.set(id, { id, name: derivation ?? null });
  }
  return [...found.values()];
}
