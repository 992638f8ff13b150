import type { Policy } from '../../coordinator/core.ts';
import type { KeepRule } from '../../coordinator/items/keep-rules.ts';
import { testPolicy } from '../support/policy.ts';
import type { Random } from './random.ts';
import { epoch } from './time.ts';
import type { UpstreamKind } from './upstream.ts';

/** How a farm is configured. */
export interface Settings {
  readonly policy: Policy;
  readonly keep: readonly KeepRule[];
  readonly upstreams: readonly UpstreamKind[];
}

const dayMs = 86_400_000;

/** Rules as people write them: the newest of each name, of some names alone, or of each channel. */
const rules: readonly KeepRule[] = [
  { name: 'newest', newest: 1 },
  { name: 'channels', newest: 2, per: ['channel'] },
  { name: 'releases', newest: 1, derivation: 'd*', tags: { channel: 'a' } },
];

/** What differs from farm to farm: whether the pool is verified and collected by itself, and what rules keep. */
export function settingsOf(random: Random): Settings {
  const isVerified = random.chance(0.4);
  const isCollected = random.chance(0.4);
  const olderThanSeconds = random.pick([undefined, 0, 20]);
  const policy = testPolicy({
    leaseSeconds: 5,
    heartbeatSeconds: 20,
    retry: {
      maxAttempts: 4,
      builder: { baseSeconds: 1, maxSeconds: 10 },
      infrastructure: { baseSeconds: 1, maxSeconds: 10 },
    },
    timeoutSeconds: 100,
    maxSilentSeconds: 100,
    maxLogBytes: 1000,
    quarantine: { failures: 4, seconds: 20 },
    checkpointSeconds: 20,
    cacheTtlSeconds: 15,
    verify: {
      everySeconds: isVerified ? random.between(5, 40) : 0,
      rateBytes: random.pick([200, 1e6]) as number,
      repair: random.chance(0.5),
    },
    collection: {
      // Within the run, whenever that is by the clock.
      dailyAtMs: isCollected ? (epoch + random.between(5000, 40_000)) % dayMs : undefined,
      ...(olderThanSeconds !== undefined && { olderThanSeconds }),
      buildInputs: random.chance(0.2),
      perTurn: random.pick([1, 3, 100]) as number,
    },
  });
  const keep = rules.filter(() => random.chance(0.2));
  const names = random.chance(0.25) ? ['near', 'far'].slice(0, random.between(1, 2)) : [];
  const upstreams = names.map((name, priority) => ({
    name,
    priority,
    share: random.pick([0.3, 0.6, 1]) as number,
    ttlSeconds: random.between(5, 40),
    negativeTtlSeconds: random.between(2, 20),
  }));
  // Chosen last, so that the rest is as it was.
  const modes = upstreams.map(() => (random.chance(0.5) ? 'direct' : 'proxy') as UpstreamKind['mode']);
  // Some remember next to nothing of what has ended.
  const remembered = random.chance(0.5) ? random.pick([1, 1, 2, 30, 80]) : undefined;
  const rememberedBuilds = remembered ?? policy.rememberedBuilds;
  return {
    policy: { ...policy, rememberedBuilds },
    keep,
    upstreams: upstreams.map((kind, at) => ({ ...kind, mode: modes[at] as 'direct' })),
  };
}
