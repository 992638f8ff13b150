import { parentPort, workerData } from 'node:worker_threads';
import { narFault } from '../../coordinator/upstreams/nars.ts';
import { holding } from '../../coordinator/upstreams/trust.ts';
import type { Answer, Asked, ThreadOptions } from './threaded-cache.ts';
import { openWay } from './way.ts';

/** The thread of one upstream: fetches narinfos, reads them and checks their signatures, and NARs where they are doubted; answers of one turn go back as one message. */
const { way, publicKeys } = workerData as ThreadOptions;
const cache = openWay(way);
/** NARs are long: they hold up no question. */
const ofNars = openWay(way);
const underWay = new Map<number, AbortController>();
let answers: Answer[] = [];

async function find({ what, of, via }: Asked, signal: AbortSignal): Promise<Omit<Answer, 'id'>> {
  if (what === 'info') return { text: await cache.info(signal) };
  if (what === 'nar') return { fault: await narFault({ cache: ofNars }, of, signal) };
  const info = await cache.narinfo(of, signal, via);
  return info === undefined ? {} : { info: { ...info, holding: holding(info, publicKeys) } };
}

async function answer(id: number, asked: Asked): Promise<void> {
  const end = new AbortController();
  underWay.set(id, end);
  try {
    say({ id, ...(await find(asked, end.signal)) });
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

parentPort?.on('message', (questions: readonly { readonly id: number; readonly asked?: Asked }[]) => {
  for (const { id, asked } of questions) {
    if (asked === undefined) underWay.get(id)?.abort();
    else void answer(id, asked);
  }
});
