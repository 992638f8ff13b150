import type { HookDelivery, HookOutcome, HookTransport } from '../ports/hook-transport.ts';
import type { Runtime } from '../ports/runtime.ts';

/** A delivery under way. */
export interface Flight {
  /** Never rejects: whatever goes wrong is an outcome. */
  readonly outcome: Promise<HookOutcome>;
  /** By the monotonic clock. */
  readonly since: number;
  /** Ends it; the outcome comes soon. */
  abort(): void;
}

/** Begins a delivery, and ends it when its time is up. */
export function launch(
  transport: HookTransport,
  { timers, clock }: Pick<Runtime, 'timers' | 'clock'>,
  delivery: HookDelivery,
  timeoutSeconds: number,
): Flight {
  const controller = new AbortController();
  let isLate = false;
  const timer = timers.after(timeoutSeconds * 1000, () => {
    isLate = true;
    controller.abort();
  });
  async function begin(): Promise<HookOutcome> {
    try {
      const outcome = await transport.deliver(delivery, controller.signal);
      return isLate ? { ok: false, error: `it took longer than ${timeoutSeconds} s and was ended` } : outcome;
    } catch (error) {
      return { ok: false, error: String((error as Error)?.message ?? error) };
    } finally {
      timer[Symbol.dispose]();
    }
  }
  return { outcome: begin(), since: clock.monotonic(), abort: () => controller.abort() };
}
