import type { HookDelivery, HookOutcome, HookTransport } from '../../coordinator/ports/hook-transport.ts';

/** For farms without hooks. */
export const noHooks: HookTransport = {
  deliver: () => Promise.reject(new Error('there are no hooks here')),
  check: async () => undefined,
};

export interface FakeDelivery extends HookDelivery {
  /** `<stream>@<revision>` */
  readonly id: string;
  readonly signal: AbortSignal;
  end(outcome: HookOutcome): void;
}

/** Deliveries that stay in flight until the test ends them, or until they are aborted. */
export function createFakeHookTransport(): HookTransport & {
  /** In the order in which they began; those that have ended are left out. */
  readonly inFlight: FakeDelivery[];
  /** Ids of all that was ever delivered with success, as `<hook> <event>`. */
  readonly delivered: string[];
  /** Of all that began. */
  readonly begun: string[];
} {
  const inFlight: FakeDelivery[] = [];
  const delivered: string[] = [];
  const begun: string[] = [];
  return {
    inFlight,
    delivered,
    begun,
    check: async () => undefined,
    deliver(delivery, signal) {
      const id = `${delivery.event.stream}@${delivery.event.revision}`;
      begun.push(`${delivery.hook} ${id}`);
      return new Promise<HookOutcome>((resolve) => {
        const end = (outcome: HookOutcome): void => {
          const at = inFlight.indexOf(entry);
          if (at === -1) return;
          inFlight.splice(at, 1);
          if (outcome.ok) delivered.push(`${delivery.hook} ${id}`);
          resolve(outcome);
        };
        const entry: FakeDelivery = { ...delivery, id, signal, end };
        inFlight.push(entry);
        signal.addEventListener('abort', () => end({ ok: false, error: 'ended' }));
      });
    },
  };
}
