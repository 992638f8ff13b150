import {
  type AppendResult,
  type Commit,
  EventStoreError,
  type Position,
  type StreamId,
} from '../../../coordinator/ports/event-store.ts';
import { encodeCommitMessage, messageId } from './commit-message.ts';
import type { Connection } from './connection.ts';
import { broken, deposedBy, isFatal, toStoreError } from './errors.ts';
import { createKnownStreams, type KnownStream } from './known-streams.ts';
import type { LogReader } from './log-reader.ts';
import { createEntry, type Entry, markStored, takeBack } from './pipeline-entry.ts';
import { createPublisher } from './publisher.ts';
import { createQueue } from './queue.ts';
import { formatPlace, type Subjects } from './subject.ts';

/**
 * Appends, in order, many on their way at once, without ever a hole.
 *
 * Each message demands that the log ends at the message sent before it: by its sequence, and while that one is not acknowledged also by
 * its id, because another's message may have taken the sequence. So one that is lost or refused makes the server refuse all that were
 * sent after it, a message that is late can never land behind another's, and one writer that finds a message in the log that is not its
 * own knows that it is no longer the only one. Whenever an answer is not the expected
 * one (a refusal, a timeout, a lost connection), everything stops, the log itself says which commits are in it, and the rest goes
 * out again in its order.
 */
export interface Pipeline {
  append(commit: Commit, encoded: string): Promise<AppendResult>;
  /** Position of the last acknowledged event. */
  readonly head: Position | undefined;
  /** Why nothing is written for now, or any more. */
  readonly obstacle: string | undefined;
  /** Calls back when the obstacle may have changed. Returns how to stop that. */
  onChange(listener: () => void): () => void;
  /** Ends everything with this error, for ever. */
  fail(error: EventStoreError): void;
  /** Waits until everything handed over is settled; gives up after `patience` milliseconds without the server. */
  finish(patience: number): Promise<void>;
}

export interface PipelineOptions {
  readonly connection: Connection;
  readonly log: string;
  readonly subjects: Subjects;
  readonly reader: LogReader;
  /** Where the log ends: the sequence of its last message, and its last event. */
  readonly end: { readonly sequence: number; readonly head: Position | undefined };
  /** The right to be the only writer. Without it, others may write too, and are looked out for. */
  readonly lease: { readonly fence: number; valid(): boolean; assure(): Promise<void> } | undefined;
}

const inFlightAtMost = 512;
const inFlightBytes = 4 * 1024 * 1024;
/** Without any answer for so long, the log is asked what it has. */
const ackTimeout = 5000;
/** So many streams ahead of the front are read at once. */
const loadsAtMost = 64;
const retryFirst = 50;
const retryLast = 1000;

export function createPipeline({ connection, log, subjects, reader, end, lease }: PipelineOptions): Pipeline {
  const publisher = createPublisher(connection);
  const known = createKnownStreams();
  const queue = createQueue<Entry>();
  const inFlight = createQueue<Entry>();
  /** Of the leases that we have written under. */
  const fences = new Set<number>();
  const loading = new Map<string, Promise<void>>();
  /** Sequence up to which everything is settled, and of the last message sent. */
  let acknowledged = end.sequence;
  let last = end.sequence;
  let lastId: string | undefined;
  let head = end.head;
  let bytes = 0;
  let recovering = false;
  let trouble: string | undefined;
  const listeners = new Set<() => void>();
  function setTrouble(text: string | undefined): void {
    const changed = (text === undefined) !== (trouble === undefined);
    trouble = text;
    if (changed) for (const listener of [...listeners]) listener();
  }
  let failure: EventStoreError | undefined;
  let generation = 0;
  let timer: NodeJS.Timeout | undefined;
  let whenIdle: (() => void) | undefined;

  const unwatch = connection.onChange((connected) => {
    if (!connected && inFlight.size > 0) recover('the connection was lost');
  });

  function fail(error: EventStoreError): void {
    if (failure) return;
    failure = error;
    clearTimeout(timer);
    unwatch();
    publisher[Symbol.dispose]();
    for (const { reject } of [...inFlight.drain(), ...queue.drain()]) reject(error);
    whenIdle?.();
  }

  /** Sends what may be sent. */
  function pump(): void {
    settle();
    let waitsForStream = false;
    while (!failure && !recovering && queue.size > 0 && inFlight.size < inFlightAtMost && bytes < inFlightBytes) {
      if (connection.obstacle || (lease && !lease.valid())) return recover('the lease is to be renewed');
      const entry = queue.peek() as Entry;
      const stream = knownOf(entry);
      waitsForStream = !stream || !decide(entry, stream);
      if (waitsForStream) break;
      queue.shift();
      inFlight.push(entry);
    }
    known.trim(acknowledged);
    settle();
    watch();
    if (waitsForStream) loadAhead();
  }

  function knownOf({ commit, doubtful }: Entry): KnownStream | undefined {
    const stream = known.get(commit.stream);
    if (stream) return stream;
    // Most streams are new: then the server checks that, instead of being asked first.
    return commit.expected === 'none' && !doubtful ? known.load(commit.stream, 0, []) : undefined;
  }

  /** Sends the commit, or decides what it comes to. False if the stream has to be read first. */
  function decide(entry: Entry, stream: KnownStream): boolean {
    const { commit, encoded } = entry;
    const before = stream.commits.get(commit.id);
    const actual = stream.revision === -1 ? 'none' : stream.revision;
    if (before) {
      const position = formatPlace(before.sequence, before.events - 1);
      const replayed = entry.firstSentAt === undefined || before.sequence <= entry.firstSentAt;
      entry.decided = { ok: true, revision: before.revision, position, replayed };
    } else if (commit.expected !== 'any' && commit.expected !== actual) {
      if (!lease && !entry.doubtful) {
        // Another writer may have moved on since; a conflict is answered from the log only, with nothing of ours under way.
        if (stream.sequence > acknowledged) return false;
        entry.doubtful = true;
        known.forget(commit.stream);
        return false;
      }
      entry.decided = { ok: false, reason: 'wrong-revision', actual };
    } else {
      const place = { revision: stream.revision + 1, previous: stream.sequence, fence: lease?.fence ?? 0 };
      fences.add(place.fence);
      const id = messageId(commit.stream, commit.id);
      const expected = {
        last,
        lastId: last > acknowledged ? lastId : undefined,
        lastOfSubject: stream.sequence > acknowledged ? undefined : stream.sequence,
      };
      const body = encodeCommitMessage(encoded, place);
      const again = entry.firstSentAt !== undefined;
      try {
        publisher.publish({ subject: subjects.of(commit.stream), id, body, expected }, (ack) => {
          if ('error' in ack) {
            // Some servers look at where the log ends before they look whether they have the message.
            if (ack.error === 'conflict') entry.refused++;
            if (ack.error instanceof EventStoreError) fail(ack.error);
            else
              recover(
                ack.error === 'conflict' ? 'the log is not where it was expected to be' : 'JetStream is not ready',
              );
          } else if (ack.sequence !== entry.sequence) recover('a commit is elsewhere in the log');
          else {
            // Sent for the first time and known to the server all the same: another store was given this commit too.
            if (ack.duplicate && !again && entry.result?.ok) entry.result = { ...entry.result, replayed: true };
            entry.stored = true;
            pump();
          }
        });
      } catch (error) {
        refuseOrRecover(error);
        return false;
      }
      entry.sent++;
      entry.firstSentAt ??= acknowledged;
      entry.sequence = ++last;
      lastId = id;
      bytes += encoded.length;
      const revision = stream.revision + commit.events.length;
      known.record(stream, commit.id, { sequence: last, revision, events: commit.events.length });
      entry.result = {
        ok: true,
        revision,
        position: formatPlace(last, commit.events.length - 1),
        replayed: false,
      };
    }
    return true;
  }

  /** Answers from the front of what is on its way. */
  function settle(): void {
    for (let entry = inFlight.peek(); entry && (entry.stored || entry.decided); entry = inFlight.peek()) {
      inFlight.shift();
      if (entry.stored) {
        acknowledged = entry.sequence;
        bytes -= entry.encoded.length;
        const result = entry.result as Extract<AppendResult, { ok: true }>;
        head = result.position;
        entry.resolve(result);
      } else entry.resolve(entry.decided as AppendResult);
      timer?.refresh();
    }
    if (inFlight.size === 0 && queue.size === 0) whenIdle?.();
  }

  /** Has the log asked where no answer comes for long. */
  function watch(): void {
    if (inFlight.size === 0 || recovering || failure) {
      clearTimeout(timer);
      timer = undefined;
    } else timer ??= setTimeout(() => recover('no answer came'), ackTimeout);
  }

  /** Reads the streams that the front of the queue needs, then goes on. */
  function loadAhead(): void {
    for (let at = 0; at < loadsAtMost && loading.size < loadsAtMost && at < queue.size; at++) {
      const { commit, doubtful } = queue.peek(at) as Entry;
      if (known.get(commit.stream) || loading.has(commit.stream) || (commit.expected === 'none' && !doubtful)) continue;
      loading.set(commit.stream, load(commit.stream, generation));
    }
  }
  async function load(stream: Commit['stream'], begun: number): Promise<void> {
    try {
      const { last: lastOfStream, commits } = await reader.commitsOf(stream);
      if (begun === generation && !known.get(stream)) known.load(stream, lastOfStream, commits);
    } catch (error) {
      if (begun === generation) refuseOrRecover(error);
    } finally {
      if (begun === generation) {
        loading.delete(stream);
        pump();
      }
    }
  }

  function refuseOrRecover(error: unknown): void {
    if (isFatal(error)) fail(error);
    else if (!(toStoreError(error, '') instanceof EventStoreError)) fail(broken(error));
    else recover((error as Error).message);
  }

  /** Stops everything, finds out what is in the log, and begins anew from there. */
  function recover(why: string): void {
    if (recovering || failure) return;
    recovering = true;
    setTrouble(why);
    generation++;
    loading.clear();
    publisher.forget();
    clearTimeout(timer);
    timer = undefined;
    void (async () => {
      for (let wait = retryFirst; !failure; wait = Math.min(wait * 2, retryLast)) {
        try {
          await connection.connected();
          await lease?.assure();
          await compare();
          recovering = false;
          setTrouble(undefined);
          return pump();
        } catch (error) {
          if (isFatal(error)) return fail(error);
          const problem = toStoreError(error, 'finding out what is in the log');
          if (!(problem instanceof EventStoreError)) return fail(broken(problem));
          setTrouble(problem.message);
          await new Promise((resolve) => setTimeout(resolve, wait));
        }
      }
    })();
  }

  /** Compares what was sent with what is in the log; the rest goes back to the queue. */
  async function compare(): Promise<void> {
    const end = await reader.lastSequence();
    const sent = new Map<string, Entry>();
    for (let at = 0; at < inFlight.size; at++) {
      const entry = inFlight.peek(at) as Entry;
      if (entry.sequence > 0 && !entry.stored) sent.set(messageId(entry.commit.stream, entry.commit.id), entry);
    }
    for (let sequence = acknowledged + 1; sequence <= end; sequence++) {
      const message = await reader.message(sequence);
      if (failure) return;
      if (lease && !(message.kind === 'commit' && fences.has(message.fence))) throw deposedBy(message, log);
      if (message.kind !== 'commit') continue;
      const entry = sent.get(messageId(message.stream as StreamId, message.commit));
      if (!entry) known.forget(message.stream);
      else markStored(entry, message);
    }
    settle();
    const rest = inFlight.drain();
    for (const entry of rest) {
      known.forget(entry.commit.stream);
      takeBack(entry);
    }
    queue.unshift(rest);
    bytes = 0;
    acknowledged = end;
    last = end;
  }

  return {
    append(commit, encoded) {
      if (failure) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        queue.push(createEntry(commit, encoded, { resolve, reject }));
        // With others before it, whatever they wait for will set the pump going.
        if (queue.size === 1) pump();
      });
    },
    get head() {
      return head;
    },
    onChange(listener) {
      listeners.add(listener);
      const stop = connection.onChange(listener);
      return () => {
        listeners.delete(listener);
        stop();
      };
    },
    get obstacle() {
      return failure?.message ?? connection.obstacle ?? (trouble && `NATS: ${trouble}; finding out what is in the log`);
    },
    fail,
    async finish(patience) {
      if (failure || (inFlight.size === 0 && queue.size === 0)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      whenIdle = resolve;
      const patienceTimer = setInterval(() => {
        if (connection.obstacle || trouble) resolve();
      }, patience);
      await promise;
      clearInterval(patienceTimer);
    },
  };
}
