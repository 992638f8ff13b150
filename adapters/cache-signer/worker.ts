import { parentPort, workerData } from 'node:worker_threads';
import { parseSecretKey, sign } from '../../domain/store/signature.ts';
import type { SignAnswer, SignRequest } from './protocol.ts';

const key = parseSecretKey((workerData as { secret: string }).secret);

parentPort?.on('message', ({ fingerprints }: SignRequest) => {
  const signatures = fingerprints.map((fingerprint) => sign(key, fingerprint));
  parentPort?.postMessage({ signatures } satisfies SignAnswer);
});
