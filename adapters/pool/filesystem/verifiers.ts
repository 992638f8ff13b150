import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { moduleBeside } from '../../runtime/module-beside.ts';
import type { ContentHashRequest } from './content-hash.ts';
import type { Listed, ListRequest } from './list-nar.ts';
import type { Expectation, Verified } from './nar-intake.ts';
import type { Answer, OperationName, Operations, Ready } from './protocol.ts';
import { Refused } from './refused.ts';

/** The worker threads that verify uploads. */
export interface Verifiers extends AsyncDisposable {
  /** Opens a session on the least busy worker; it catches up with what `part` holds, which it makes where that `isNew`. */
  open(part: string, isNew: boolean, expected: Expectation): Promise<VerifierSession>;
  hash(request: ContentHashRequest): Promise<string | undefined>;
  list(request: ListRequest): Promise<Listed>;
  /** Reads a file and verifies it as an upload is verified; rejects like a session does. `read` is told of bytes as they are read. */
  check(path: string, expected: Expectation, options: CheckOptions): Promise<Verified>;
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined;
  readonly read?: ((bytes: number) => void | Promise<void>) | undefined;
}

/**
 * Calls reject with {@link Refused}, with {@link VerifierDied}, or with what the system said, also of a worker that could not be started; then the
 * session is over.
 */
export interface VerifierSession {
  readonly offset: number;
  /** Hands `slab` over; resolves with it (or one like it) when its bytes are written and verified. */
  data(slab: ArrayBuffer, length: number): Promise<ArrayBuffer>;
  sync(): Promise<void>;
  finish(): Promise<Verified>;
  close(): void;
}

/** The worker stopped under the session, through no fault that is known. The file is as it was. */
export class VerifierDied extends Error {
  override readonly name = 'VerifierDied';
}

interface Slot {
  readonly worker: Worker;
  readonly waiting: Map<number, { resolve(value: unknown): void; reject(error: Error): void }>;
  sessions: number;
}

export interface VerifiersOptions {
  /** Worker threads; started when first needed. Default: one less than the cores, 1 to 4; on two cores both, as the main thread does little meanwhile. */
  readonly threads?: number;
  /** The worker's program, for tests. */
  readonly program?: URL;
}

export function createVerifiers(options: VerifiersOptions = {}): Verifiers {
  const cores = availableParallelism();
  const threads = options.threads ?? Math.min(4, Math.max(cores - 1, Math.min(cores, 2)));
  const program = options.program ?? moduleBeside('./worker', import.meta.url);
  const slots = new Set<Slot>();
  let nextId = 1;
  let closed = false;

  /** An idle worker, a new one while there may be more, otherwise the one with the fewest sessions. */
  function choose(): Slot {
    let best: Slot | undefined;
    for (const slot of slots) if (best === undefined || slot.sessions < best.sessions) best = slot;
    return best !== undefined && (best.sessions === 0 || slots.size >= threads) ? best : spawn();
  }

  function spawn(): Slot {
    const slot: Slot = { worker: startWorker(), waiting: new Map(), sessions: 0 };
    slots.add(slot);
    let failure: unknown;
    let isReady = false;
    slot.worker.on('message', (message: Answer | Ready) => {
      if ('ready' in message) isReady = true;
      else settle(slot, message);
    });
    slot.worker.on('error', (error) => {
      failure = error;
    });
    // Replaced when the next session is opened.
    slot.worker.once('exit', () => {
      slots.delete(slot);
      const died = isReady ? new VerifierDied('the verifier stopped', { cause: failure }) : notStarted(failure);
      for (const waiter of slot.waiting.values()) waiter.reject(died);
      slot.waiting.clear();
    });
    return slot;
  }

  function startWorker(): Worker {
    try {
      return new Worker(program, { name: 'nar-verifier' });
    } catch (error) {
      throw notStarted(error);
    }
  }

  function ask<Name extends OperationName>(
    slot: Slot,
    session: number,
    op: Name,
    request: Operations[Name]['request'],
    transfer: ArrayBuffer[] = [],
  ): Promise<Operations[Name]['answer']> {
    if (!slots.has(slot)) return Promise.reject(new VerifierDied('the verifier stopped'));
    const id = nextId++;
    return new Promise((resolve, reject) => {
      slot.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      slot.worker.postMessage({ ...request, id, session, op }, transfer);
    });
  }

  /** A session for the time of `work`. */
  async function borrow<Result>(work: (slot: Slot, session: number) => Promise<Result>): Promise<Result> {
    if (closed) throw new VerifierDied('the pool is closed');
    const slot = choose();
    const session = nextId++;
    slot.sessions++;
    try {
      return await work(slot, session);
    } finally {
      slot.sessions--;
      ask(slot, session, 'close', {}).catch(() => undefined);
    }
  }

  return {
    async open(part, isNew, expected) {
      if (closed) throw new VerifierDied('the pool is closed');
      const slot = choose();
      const session = nextId++;
      slot.sessions++;
      let open = true;
      function close(): void {
        if (!open) return;
        open = false;
        slot.sessions--;
        ask(slot, session, 'close', {}).catch(() => undefined);
      }
      try {
        const offset = await ask(slot, session, 'open', { part, isNew, expected });
        return {
          offset,
          data: (slab, length) => ask(slot, session, 'data', { slab, length }, [slab]),
          sync: () => ask(slot, session, 'sync', {}),
          finish: () => ask(slot, session, 'finish', {}),
          close,
        };
      } catch (error) {
        close();
        throw error;
      }
    },
    hash: (request) => borrow((slot, session) => ask(slot, session, 'hash', request)),
    list: (request) => borrow((slot, session) => ask(slot, session, 'list', request)),
    check: (path, expected, { signal, read }) =>
      borrow(async (slot, session) => {
        await ask(slot, session, 'check', { path, expected });
        for (;;) {
          signal?.throwIfAborted();
          const step = await ask(slot, session, 'step', {});
          await read?.(step.read);
          if (step.verified !== undefined) return step.verified;
        }
      }),
    async [Symbol.asyncDispose]() {
      closed = true;
      await Promise.all(Array.from(slots, (slot) => slot.worker.terminate()));
    },
  };
}

/** What was to be verified has no part in it: the machine lacks descriptors, threads or memory. */
function notStarted(cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : 'it ended before it had begun';
  return Object.assign(new Error(`no thread can be started to verify files: ${why}`, { cause }), { code: 'EAGAIN' });
}

function settle(slot: Slot, answer: Answer): void {
  const waiter = slot.waiting.get(answer.id);
  slot.waiting.delete(answer.id);
  if (answer.refused !== undefined) waiter?.reject(new Refused(answer.refused.code, answer.refused.message));
  else if (answer.failed !== undefined) waiter?.reject(Object.assign(answer.failed, { code: answer.code }));
  else waiter?.resolve(answer.value);
}
