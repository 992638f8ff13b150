import { createHash } from 'node:crypto';
import { createCacheSigner } from '../../adapters/cache-signer/cache-signer.ts';
import { formatGuixSecretKey, makeGuixKey } from '../../domain/guix/keys.ts';
import { generateSigningKey } from '../../domain/store/signature.ts';
import type { BenchOptions, Report } from '../row.ts';

/** Signatures for Guix of narinfos that come all at once, on the thread that makes them; how much of a core the main thread takes is beside it. */
export async function run(report: Report, { quick }: BenchOptions): Promise<void> {
  await using signer = createCacheSigner({
    secret: generateSigningKey('bench-1', new Uint8Array(32)).secret,
    guixSecret: formatGuixSecretKey(makeGuixKey(new Uint8Array(32).fill(1))),
  });
  const sign = (n: number) => signer.signForGuix?.(createHash('sha256').update(`item ${n}`).digest());
  // The thread starts with the first of them.
  await sign(0);
  const count = quick ? 100 : 2000;
  const idle = performance.eventLoopUtilization();
  const begun = performance.now();
  await Promise.all(Array.from({ length: count }, (_, n) => sign(n)));
  const value = (count * 1000) / (performance.now() - begun);
  const busy = Math.round(100 * performance.eventLoopUtilization(idle).utilization);
  report({
    key: 'sign-guix',
    name: 'signatures for Guix',
    value,
    unit: 'narinfos/s',
    note: `main thread busy ${busy} %`,
  });
}
