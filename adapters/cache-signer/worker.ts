import { parentPort, workerData } from 'node:worker_threads';
import { parseSecretKey, sign } from '../../domain/store/signature.ts';
import { joinLines, splitLines } from './protocol.ts';

const key = parseSecretKey((workerData as { secret: string }).secret);

parentPort?.on('message', (fingerprints: string) => {
  parentPort?.postMessage(joinLines(splitLines(fingerprints).map((fingerprint) => sign(key, fingerprint))));
});
