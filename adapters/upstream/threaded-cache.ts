import { Worker } from 'node:worker_threads';
import {
  type NarFault,
  type SignedInfo,
  type SignedNar,
  type UpstreamCache,
  UpstreamError,
} from '../../coordinator/ports/upstream.ts';
import { moduleBeside } from '../runtime/module-beside.ts';
import { nameOfWay, openWay, type Way } from './way.ts';

/** What its thread is told of the upstream. */
export interface ThreadOptions {
  readonly way: Way;
  readonly publicKeys: readonly string[];
}

/** A narinfo by its hash part, `nix-cache-info`, or what is wrong with a NAR. */
export type Asked =
  | { readonly what: 'narinfo'; readonly of: string; readonly via?: string | undefined }
  | { readonly what: 'info'; readonly of?: undefined; readonly via?: undefined }
  | { readonly what: 'nar'; readonly of: SignedNar; readonly via?: undefined };

/** What was asked for, where it is there; or that it could not be told. */
export interface Answer {
  readonly id: number;
  readonly info?: SignedInfo;
  readonly text?: string | undefined;
  readonly fault?: NarFault | undefined;
  readonly error?: string;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/**
 * A binary cache whose narinfos are fetched and checked on a thread of their own, over connections of their own: a closure has tens of thousands of
 * them, and a request takes longer than all that is decided by its answer. NARs that are doubted are read there, too. The thread starts with the
 * first question, and one that failed is followed by another. NARs for others come as they do without it.
 *
 * @param program the thread's, for tests
 */
export function openThreadedCache(
  way: Way,
  publicKeys: readonly string[],
  program: URL = moduleBeside('./asking-thread', import.meta.url),
): UpstreamCache {
  const cache = openWay(way);
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let questions: { readonly id: number; readonly asked?: Asked }[] = [];
  let nextId = 1;

  function start(): Worker {
    const started = new Worker(program, { workerData: { way, publicKeys } });
    let failure: Error | undefined;
    started.on('message', (text: string) => {
      for (const answer of JSON.parse(text) as Answer[]) {
        if (answer.error === undefined) waiting.get(answer.id)?.resolve(answer);
        else waiting.get(answer.id)?.reject(new UpstreamError(answer.error));
      }
    });
    started.on('error', (error: Error) => {
      failure = error;
    });
    started.on('exit', () => {
      worker = undefined;
      fail('has ended', failure);
    });
    return started;
  }

  function fail(what: string, cause: unknown): void {
    const error = new UpstreamError(`the thread that asks ${nameOfWay(way)} ${what}`, { cause });
    for (const one of [...waiting.values()]) one.reject(error);
  }

  function tell(question: (typeof questions)[number]): void {
    if (questions.push(question) === 1) queueMicrotask(flush);
  }

  function flush(): void {
    const told = questions;
    questions = [];
    try {
      worker ??= start();
    } catch (error) {
      // The system may have no thread to give for a while.
      return fail('could not be started', error);
    }
    worker.postMessage(told);
  }

  function ask(asked: Asked, signal: AbortSignal): Promise<Answer> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const id = nextId++;
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        waiting.delete(id);
        signal.removeEventListener('abort', aborted);
        // The process may end while nothing is asked.
        if (waiting.size === 0) worker?.unref();
      };
      const aborted = (): void => {
        settled();
        tell({ id });
        reject(signal.reason);
      };
      signal.addEventListener('abort', aborted);
      waiting.set(id, {
        resolve(answer) {
          settled();
          resolve(answer);
        },
        reject(error) {
          settled();
          reject(error);
        },
      });
      worker?.ref();
      tell({ id, asked });
    });
  }

  return {
    info: async (signal) => (await ask({ what: 'info' }, signal)).text,
    narinfo: async (hashPart, signal, via) => (await ask({ what: 'narinfo', of: hashPart, via }, signal)).info,
    async fault({ path, url, compression, narHash, narSize }, signal) {
      return (await ask({ what: 'nar', of: { path, url, compression, narHash, narSize } }, signal)).fault;
    },
    nar: (file, signal, via) => cache.nar(file, signal, via),
    [Symbol.dispose]() {
      cache[Symbol.dispose]();
      // Whoever waits still is told by its end.
      void worker?.terminate();
    },
  };
}
