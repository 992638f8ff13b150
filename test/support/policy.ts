import type { Policy } from '../../coordinator/core.ts';

/** What coordinators in tests go by: one policy for all of them, of which a test changes what it is about. */
export function testPolicy(changes: Partial<Policy> = {}): Policy {
  return {
    storeDir: '/nix/store',
    storeDirs: [changes.storeDir ?? '/nix/store'],
    leaseSeconds: 60,
    heartbeatSeconds: 10,
    retry: {
      maxAttempts: 2,
      builder: { baseSeconds: 10, maxSeconds: 100 },
      infrastructure: { baseSeconds: 10, maxSeconds: 100 },
    },
    timeoutSeconds: 1000,
    maxSilentSeconds: 500,
    maxLogBytes: 1000,
    maxNarBytes: 1e9,
    rememberedBuilds: 1e6,
    maxCommitBytes: 1e6,
    quarantine: { failures: 3, seconds: 600 },
    cacheTtlSeconds: 60,
    verify: { everySeconds: 0, rateBytes: 1024, repair: false },
    collection: { dailyAtMs: undefined, buildInputs: false, perTurn: 100 },
    checkpointSeconds: 600,
    trustHooksOfApi: true,
    ...changes,
  };
}
