import { parentPort, workerData } from 'node:worker_threads';
import { parseSecretKey, sign } from '../../domain/store/signature.ts';
import { hashInLine, joinLines, type SignerSecrets, splitLines } from './protocol.ts';

const { secret, guixSecret } = workerData as SignerSecrets;
const key = parseSecretKey(secret);
const signForGuix = guixSecret === undefined ? undefined : await guixSigner(guixSecret);

parentPort?.on('message', (lines: string) => {
  parentPort?.postMessage(
    joinLines(
      splitLines(lines).map((line) => {
        const hash = hashInLine(line);
        if (hash === undefined) return sign(key, line);
        if (signForGuix === undefined) throw new Error('unreachable: there is no key for Guix');
        return signForGuix(hash);
      }),
    ),
  );
});

/** The curve is loaded where it is used. */
async function guixSigner(text: string): Promise<(hash: Uint8Array) => string> {
  const [{ parseGuixSecretKey }, { signPacked }] = await Promise.all([
    import('../../domain/guix/keys.ts'),
    import('../../domain/guix/signature.ts'),
  ]);
  const guixKey = parseGuixSecretKey(text);
  return (hash) => signPacked(guixKey, hash);
}
