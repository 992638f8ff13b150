import { Worker } from 'node:worker_threads';
import type { Signer } from '../../coordinator/core.ts';
import { parseSecretKey, publicKeyText } from '../../domain/store/signature.ts';
import { moduleBeside } from '../runtime/module-beside.ts';
import { guixLine, joinLines, type SignerSecrets, splitLines } from './protocol.ts';

/**
 * Signs with a Nix secret key (`<name>:<base64>`), and for Guix where there is a key for that, on a thread of its own: a signature takes longer
 * than all decisions about a build together, one for Guix a millisecond, and even handing one to Node's thread pool does. What comes in one turn of the loop goes there as one message. The thread starts
 * with the first of them, and one that failed is followed by another: a process may lack the descriptors for it for a while.
 */
export function createCacheSigner(
  { secret, guixSecret }: SignerSecrets,
  { program = moduleBeside('./worker', import.meta.url) }: CacheSignerOptions = {},
): Signer & AsyncDisposable {
  const publicKey = publicKeyText(parseSecretKey(secret));
  let worker: Worker | undefined;
  const sent: Pending[][] = [];
  let batch: Pending[] = [];

  function start(): Worker {
    const started = new Worker(program, { workerData: { secret, guixSecret } });
    started.on('message', (answer: string) => {
      const signatures = splitLines(answer);
      for (const [index, pending] of (sent.shift() ?? []).entries()) pending.resolve(signatures[index] as string);
      // The process may end while nothing is to be signed.
      if (sent.length === 0) started.unref();
    });
    started.on('error', (error) => {
      worker = undefined;
      fail(error);
    });
    return started;
  }

  function fail(error: unknown): void {
    for (const pending of sent.splice(0).flat()) pending.reject(error);
  }

  function flush(): void {
    const lines = joinLines(batch.map(({ line }) => line));
    sent.push(batch);
    batch = [];
    try {
      worker ??= start();
    } catch (error) {
      return fail(error);
    }
    worker.ref();
    worker.postMessage(lines);
  }

  function signLine(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (batch.push({ line, resolve, reject }) === 1) queueMicrotask(flush);
    });
  }

  return {
    publicKey,
    sign: signLine,
    ...(guixSecret !== undefined && { signForGuix: (hash: Uint8Array) => signLine(guixLine(hash)) }),
    async [Symbol.asyncDispose]() {
      await worker?.terminate();
    },
  };
}

export interface CacheSignerOptions {
  /** The worker's program, for tests. */
  readonly program?: URL | undefined;
}

interface Pending {
  readonly line: string;
  resolve(signature: string): void;
  reject(error: unknown): void;
}
