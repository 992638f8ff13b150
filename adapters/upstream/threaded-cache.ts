import { Worker } from 'node:worker_threads';
import { type SignedInfo, type UpstreamCache, UpstreamError } from '../../coordinator/ports/upstream.ts';
import { moduleBeside } from '../runtime/module-beside.ts';
import { type HttpCacheOptions, openHttpCache } from './http-cache.ts';

/** One narinfo that is wanted; without its hash part: it is not wanted any more. */
export interface Question {
  readonly id: number;
  readonly hashPart?: string;
  readonly via?: string | undefined;
}

/** Neither of both: the upstream does not have it. */
export interface Answer {
  readonly id: number;
  readonly info?: SignedInfo;
  readonly error?: string;
}

interface Waiting {
  resolve(info: SignedInfo | undefined): void;
  reject(error: Error): void;
}

/**
 * A binary cache over HTTP whose narinfos are fetched and checked on a thread of their own: a closure has tens of thousands of them, and a request
 * takes longer than all that is decided by its answer. The thread starts with the first. NARs come as they do without it.
 */
export function openThreadedCache(http: HttpCacheOptions, publicKeys: readonly string[]): UpstreamCache {
  const cache = openHttpCache(http);
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let questions: Question[] = [];
  let nextId = 1;

  function start(): Worker {
    const started = new Worker(moduleBeside('./asking-thread', import.meta.url), { workerData: { http, publicKeys } });
    let failure: Error | undefined;
    started.on('message', (text: string) => {
      for (const { id, info, error } of JSON.parse(text) as Answer[]) {
        if (error === undefined) waiting.get(id)?.resolve(info);
        else waiting.get(id)?.reject(new UpstreamError(error));
      }
    });
    started.on('error', (error: Error) => {
      failure = error;
    });
    started.on('exit', () => {
      worker = undefined;
      const error = new UpstreamError(`the thread that asks ${http.url} has ended`, { cause: failure });
      for (const one of [...waiting.values()]) one.reject(error);
    });
    return started;
  }

  function tell(question: Question): void {
    if (questions.push(question) === 1) queueMicrotask(flush);
  }

  function flush(): void {
    worker ??= start();
    worker.postMessage(questions);
    questions = [];
  }

  return {
    info: (signal) => cache.info(signal),
    narinfo(hashPart, signal, via) {
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
          resolve(info) {
            settled();
            resolve(info);
          },
          reject(error) {
            settled();
            reject(error);
          },
        });
        worker?.ref();
        tell({ id, hashPart, via });
      });
    },
    nar: (file, signal, via) => cache.nar(file, signal, via),
    [Symbol.dispose]() {
      cache[Symbol.dispose]();
      // Whoever waits still is told by its end.
      void worker?.terminate();
    },
  };
}
