import type { Runtime } from '../ports/runtime.ts';

/**
 * Whether an upstream is asked at all. One that gives no answer some times in a row is left alone for a while, longer each time, so that
 * nothing waits for it; whatever answer it gives then makes it as good as new.
 */
export interface Health {
  isUsable(): boolean;
  answered(): void;
  failed(error: Error): void;
  readonly state: HealthState;
}

export interface HealthState {
  readonly failures: number;
  /** Milliseconds for which it is left alone still; 0 if it is asked. */
  readonly restsMs: number;
  /** Of the last failure, since the last answer. */
  readonly error?: string;
}

/** Failures in a row until it is left alone. */
const patience = 3;
const pause = { firstMs: 5000, mostMs: 300_000 };

export function createHealth(
  { clock, random }: Pick<Runtime, 'clock' | 'random'>,
  changed: (state: HealthState) => void,
): Health {
  let failures = 0;
  let rests = 0;
  let until = 0;
  let error: string | undefined;

  const restsMs = (): number => Math.max(0, until - clock.monotonic());
  const state = (): HealthState => ({ failures, restsMs: restsMs(), ...(error !== undefined && { error }) });
  return {
    isUsable: () => restsMs() === 0,
    answered() {
      if (failures === 0) return;
      const wasAway = failures >= patience;
      failures = 0;
      rests = 0;
      until = 0;
      error = undefined;
      if (wasAway) changed(state());
    },
    failed({ message }) {
      failures++;
      error = message;
      // What was asked at the same time fails at the same time: that is one failure.
      if (failures < patience || restsMs() > 0) return;
      const wait = Math.min(pause.mostMs, pause.firstMs * 2 ** rests++);
      until = clock.monotonic() + wait * (0.75 + random.fraction() / 2);
      changed(state());
    },
    get state() {
      return state();
    },
  };
}
