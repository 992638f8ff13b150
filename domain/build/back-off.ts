export interface BackOff {
  /** Wait after the first failure. */
  readonly baseSeconds: number;
  readonly maxSeconds: number;
}

/**
 * Milliseconds to wait after the nth failure (n from 1): doubling, capped, then spread over its upper half by `fraction` in [0, 1), so
 * that builds that failed together do not come back together.
 */
export function backOffMs(policy: BackOff, n: number, fraction: number): number {
  const full = Math.min(policy.maxSeconds, policy.baseSeconds * 2 ** Math.min(n - 1, 30)) * 1000;
  return Math.round(full / 2 + (full / 2) * fraction);
}
