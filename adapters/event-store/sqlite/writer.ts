import { Worker } from 'node:worker_threads';
import {
  type AppendResult,
  type ChainState,
  type Commit,
  EventStoreError,
  type Linking,
} from '../../../coordinator/ports/event-store.ts';
import { moduleBeside } from '../../runtime/module-beside.ts';
import { encodeCommit } from '../encode.ts';
import { formatPosition } from '../position.ts';
import { makeStoreError, type PlainError } from './errors.ts';
import { flattenCommit } from './flat-commits.ts';
import { createParcels } from './parcels.ts';
import type { Span } from './stream-index.ts';
import type { Answer, FromWriter, Question, ToWriter, WriterData } from './writer-protocol.ts';

/** The main thread's end of the writer thread. */
export interface Writer {
  /** The head of the log when the writer had opened it. */
  readonly openedAt: number;
  append(commit: Commit): Promise<AppendResult>;
  appendBatch(commits: readonly Commit[]): Promise<AppendResult[]>;
  spans(stream: string): Promise<readonly Span[]>;
  link(from: ChainState): Linking;
  /** Waits for everything handed over before, then closes the file. */
  close(): Promise<void>;
}

/** A caller that waits for the outcome of its next `left` commits. */
interface Waiting {
  left: number;
  readonly results: AppendResult[];
  readonly resolve: (results: AppendResult[]) => void;
  readonly reject: (error: Error) => void;
}

/** Commits per message: a large batch is not to become one long transaction. */
const commitsPerMessage = 1024;

/**
 * Starts the writer thread and waits until it has opened and checked the file. `onHead` is called after each group, `onNotPacked` where
 * the older part of the log could not be packed.
 */
export async function startWriter(
  data: WriterData,
  onHead: (head: number) => void,
  onNotPacked: (reason: string) => void,
): Promise<Writer> {
  const worker = new Worker(moduleBeside('./writer-thread', import.meta.url), { workerData: data });
  const waiting: Waiting[] = [];
  let firstWaiting = 0;
  const asked = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  let lastAsk = 0;
  const outbox = createParcels((parcel) => worker.postMessage(parcel satisfies ToWriter, [parcel]));
  let failure: EventStoreError | undefined;
  const opened = Promise.withResolvers<number>();
  const ended = Promise.withResolvers<void>();
  const send = (message: ToWriter) => worker.postMessage(message);

  /** Only while something is awaited does the thread keep the process alive. */
  let busy = true;
  let closing = false;
  function setBusy(): void {
    const now = closing || firstWaiting < waiting.length || asked.size > 0;
    if (now === busy) return;
    busy = now;
    if (now) worker.ref();
    else worker.unref();
  }

  function fail(error: EventStoreError): void {
    failure ??= error;
    const left = waiting.splice(0).slice(firstWaiting);
    firstWaiting = 0;
    for (const { reject } of left) reject(failure);
    for (const { reject } of asked.values()) reject(failure);
    asked.clear();
    setBusy();
  }

  /** Hands `results` to the callers that wait, in the order of their coming. */
  function settle(results: readonly number[]): void {
    for (let at = 0; at < results.length; at += 2) {
      const caller = waiting[firstWaiting] as Waiting;
      caller.results.push(toResult(results[at] as number, results[at + 1] as number));
      if (--caller.left === 0) {
        firstWaiting++;
        caller.resolve(caller.results);
      }
    }
    // Taking them off the front one by one would move the rest each time.
    if (firstWaiting > 1024 || firstWaiting === waiting.length) {
      waiting.splice(0, firstWaiting);
      firstWaiting = 0;
    }
  }

  worker.on('message', (message: FromWriter) => {
    if (message === 'closed') ended.resolve();
    else if ('results' in message) {
      onHead(message.head);
      settle(message.results);
    } else if ('answer' in message) {
      asked.get(message.ask)?.resolve(message.answer);
      asked.delete(message.ask);
    } else if ('notPacked' in message) onNotPacked(message.notPacked);
    else if ('ready' in message) opened.resolve(message.ready);
    else if ('failed' in message) fail(fromPlain(message.failed));
    else opened.reject(fromPlain(message.notOpened));
    setBusy();
  });
  const died = (problem: string, cause?: Error) => {
    const error = makeStoreError('unavailable', data.file, problem, cause);
    fail(error);
    opened.reject(error);
    ended.resolve();
  };
  worker.on('error', (error) => died('the writer thread failed', error instanceof Error ? error : undefined));
  worker.on('exit', () => died('the writer thread has ended'));

  function take(commits: readonly Commit[], encoded: readonly string[][]): Promise<AppendResult[]> {
    if (failure) return Promise.reject(failure);
    if (commits.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      waiting.push({ left: commits.length, results: [], resolve, reject });
      for (let at = 0; at < commits.length; at++) {
        // One message per turn of the event loop, not one per commit.
        if (outbox.waiting === 0) setImmediate(outbox.send);
        outbox.add(flattenCommit(commits[at] as Commit, encoded[at] as string[]));
        if (outbox.waiting >= commitsPerMessage) outbox.send();
      }
      setBusy();
    });
  }

  /** The answer of the thread, after everything that was handed over before. */
  function ask<A extends Answer>(question: Question): Promise<A> {
    if (failure) return Promise.reject(failure);
    outbox.send();
    return new Promise((resolve, reject) => {
      asked.set(++lastAsk, { resolve: (answer) => resolve(answer as A), reject });
      send({ ask: lastAsk, for: question });
      setBusy();
    });
  }

  const openedAt = await opened.promise;
  setBusy();
  return {
    openedAt,
    async append(commit) {
      return (await take([commit], [encodeCommit(commit)]))[0] as AppendResult;
    },
    async appendBatch(commits) {
      return take(commits, commits.map(encodeCommit));
    },
    spans: (stream) => ask<readonly Span[]>({ spansOf: stream }),
    link(from) {
      outbox.send();
      send({ link: from });
      return { state: () => ask<ChainState>('chain') };
    },
    async close() {
      outbox.send();
      closing = true;
      setBusy();
      send({ close: true });
      await ended.promise;
      failure ??= new EventStoreError('closed', 'The event store is closed');
    },
  };
}

function toResult(position: number, revision: number): AppendResult {
  if (position === 0) return { ok: false, reason: 'wrong-revision', actual: revision === -1 ? 'none' : revision };
  return { ok: true, revision, position: formatPosition(Math.abs(position)), replayed: position < 0 };
}

function fromPlain({ code, message }: PlainError): EventStoreError {
  return new EventStoreError(code, message);
}
