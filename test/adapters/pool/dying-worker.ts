import { parentPort } from 'node:worker_threads';

parentPort?.postMessage({ ready: true });
/** Stands in for a verifying worker: dies as soon as it gets bytes. */
parentPort?.on('message', ({ id, op }: { id: number; op: string }) => {
  if (op === 'data') throw new Error('out of order');
  parentPort?.postMessage({ id, value: 0 });
});
