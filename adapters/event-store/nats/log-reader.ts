import type { Position, StoredEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import { decodeMessage, type LogMessage, storedEvents } from './commit-message.ts';
import type { Connection } from './connection.ts';
import { isMissingMessage } from './errors.ts';
import { createPuller } from './puller.ts';
import { formatPlace, type Subjects } from './subject.ts';

export type CommitMessage = Extract<LogMessage, { kind: 'commit' }>;

/** Questions to the leader of the stream, answered from what is stored. Rejects with the client's errors. */
export interface LogReader {
  /** Sequence of the last message, 0 if there is none. */
  lastSequence(): Promise<number>;
  message(sequence: number): Promise<LogMessage>;
  /** Position of the last event up to a message. */
  headAt(sequence: number): Promise<Position | undefined>;
  /** Sequence of the last message on a stream's subject, 0 if there is none; and the stream's commits, oldest first. */
  commitsOf(stream: StreamId): Promise<{ last: number; commits: CommitMessage[] }>;
  /** The events of a stream from its end. */
  backward(stream: StreamId): AsyncGenerator<StoredEvent>;
}

/** Up to so many commits of a stream are fetched one by one along their `previous`; a consumer of its own pays only beyond. */
const walkAtMost = 32;

export function createLogReader(connection: Connection, log: string, subjects: Subjects): LogReader {
  const { streams } = connection.jsm;

  async function get(query: { seq: number } | { last_by_subj: string }): Promise<LogMessage> {
    const { subject, seq, header, data } = await connection.answer(() => streams.getMessage(log, query));
    return decodeMessage({ subject, sequence: seq, headers: () => header, data });
  }
  async function lastOf(stream: StreamId): Promise<LogMessage | undefined> {
    try {
      return await get({ last_by_subj: subjects.of(stream) });
    } catch (error) {
      if (isMissingMessage(error)) return undefined;
      throw error;
    }
  }

  /** All messages of a subject up to one that is known to be stored. */
  async function pullAll(stream: StreamId, last: number): Promise<CommitMessage[]> {
    const commits: CommitMessage[] = [];
    await using puller = createPuller(connection, {
      stream: log,
      from: 1,
      subject: subjects.of(stream),
      signal: new AbortController().signal,
    });
    for (;;) {
      for (const raw of (await puller.take()).messages) {
        const message = decodeMessage(raw);
        if (message.sequence <= last && message.kind === 'commit') commits.push(message);
        if (message.sequence >= last) return commits;
      }
    }
  }

  return {
    async lastSequence() {
      return (await connection.answer(() => streams.info(log))).state.last_seq;
    },
    message: (sequence) => get({ seq: sequence }),
    async headAt(sequence) {
      for (let at = sequence; at > 0; at--) {
        const message = await get({ seq: at });
        if (message.kind === 'commit') return formatPlace(at, message.events.length - 1);
        if (message.kind === 'writer') return message.head ?? undefined;
      }
      return undefined;
    },
    async commitsOf(stream) {
      let message = await lastOf(stream);
      const last = message?.sequence ?? 0;
      const commits: CommitMessage[] = [];
      while (message?.kind === 'commit') {
        commits.unshift(message);
        if (message.previous === 0) return { last, commits };
        if (commits.length === walkAtMost) break;
        message = await get({ seq: message.previous });
      }
      return { last, commits: last === 0 ? [] : await pullAll(stream, last) };
    },
    async *backward(stream) {
      let message = await lastOf(stream);
      while (message?.kind === 'commit') {
        yield* storedEvents(message).reverse();
        if (message.previous === 0) return;
        message = await get({ seq: message.previous });
      }
      if (message)
        for (const commit of (await pullAll(stream, message.sequence)).reverse()) yield* storedEvents(commit).reverse();
    },
  };
}
