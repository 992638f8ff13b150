import { parentPort, workerData } from 'node:worker_threads';
import { holding } from '../../coordinator/upstreams/trust.ts';
import { type HttpCacheOptions, openHttpCache } from './http-cache.ts';
import type { Answer, Question } from './threaded-cache.ts';

/** The thread of one upstream: fetches narinfos, reads them and checks their signatures; answers of one turn go back as one message. */
const { http, publicKeys } = workerData as { readonly http: HttpCacheOptions; readonly publicKeys: readonly string[] };
const cache = openHttpCache(http);
const underWay = new Map<number, AbortController>();
let answers: Answer[] = [];

async function answer(id: number, hashPart: string, via: string | undefined): Promise<void> {
  const end = new AbortController();
  underWay.set(id, end);
  try {
    const info = await cache.narinfo(hashPart, end.signal, via);
    say(info === undefined ? { id } : { id, info: { ...info, holding: holding(info, publicKeys) } });
  } catch (error) {
    say({ id, error: (error as Error).message });
  } finally {
    underWay.delete(id);
  }
}

function say(one: Answer): void {
  if (answers.push(one) === 1) setImmediate(flush);
}

function flush(): void {
  // As text: it is copied at once, which objects are not.
  parentPort?.postMessage(JSON.stringify(answers));
  answers = [];
}

parentPort?.on('message', (questions: readonly Question[]) => {
  for (const { id, hashPart, via } of questions) {
    if (hashPart === undefined) underWay.get(id)?.abort();
    else void answer(id, hashPart, via);
  }
});
