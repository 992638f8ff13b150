import type { Runtime } from '../ports/runtime.ts';

/** How long each agent that is away may stay so. No lease runs while its agent could not be heard. */
export interface Leases extends Disposable {
  /** The agent is away: a full lease, from now on or from when agents can be heard. */
  begin(agent: string): void;
  /** The agent is back or gone for good. */
  end(agent: string): void;
  /** Agents can be heard from now on: every lease begins anew. No effect while they can be heard already. */
  hear(): void;
  /** Agents cannot be heard: no lease runs. */
  deafen(): void;
  /** When the agent's lease ends by the clock as it is now, to a tenth of a second; `undefined` where none runs. */
  endsAt(agent: string): number | undefined;
}

/**
 * A lease is counted in so many slices. A process that was stopped in one (SIGSTOP, a laptop that slept, a loop that was blocked) was
 * deaf for as long, and counts none of it.
 */
const slices = 10;
/** The clock and the monotonic one tick at different times, and timers are late: an end that moves by less, in milliseconds, has not moved. */
const jitter = 100;

interface Lease {
  left: number;
  /** Since when the slice under way runs, by the monotonic clock. */
  since: number;
  timer: Disposable | undefined;
  /** The end that was told last. */
  told: number | undefined;
}

export function createLeases(
  { clock, timers }: Pick<Runtime, 'clock' | 'timers'>,
  leaseMs: number,
  ended: (agent: string) => void,
): Leases {
  const leases = new Map<string, Lease>();
  const sliceMs = leaseMs / slices;
  let hearing = false;

  function run(agent: string, lease: Lease): void {
    lease.since = clock.monotonic();
    lease.timer = timers.after(sliceMs, () => {
      const took = clock.monotonic() - lease.since;
      if (took < 2 * sliceMs) lease.left--;
      if (lease.left > 0) return run(agent, lease);
      leases.delete(agent);
      ended(agent);
    });
  }

  function restart(agent: string, lease: Lease): void {
    lease.timer?.[Symbol.dispose]();
    lease.timer = undefined;
    lease.left = slices;
    if (hearing) run(agent, lease);
  }

  function restartAll(now: boolean): void {
    if (hearing === now) return;
    hearing = now;
    for (const [agent, lease] of leases) restart(agent, lease);
  }

  function end(agent: string): void {
    leases.get(agent)?.timer?.[Symbol.dispose]();
    leases.delete(agent);
  }

  return {
    begin(agent) {
      end(agent);
      const lease: Lease = { left: slices, since: 0, timer: undefined, told: undefined };
      leases.set(agent, lease);
      restart(agent, lease);
    },
    end,
    hear: () => restartAll(true),
    deafen: () => restartAll(false),
    endsAt(agent) {
      const lease = leases.get(agent);
      if (!lease?.timer) return undefined;
      const gone = Math.min(sliceMs, clock.monotonic() - lease.since);
      const at = Math.round(clock.now() + lease.left * sliceMs - gone);
      if (lease.told === undefined || Math.abs(at - lease.told) >= jitter) lease.told = at;
      return lease.told;
    },
    [Symbol.dispose]() {
      for (const agent of [...leases.keys()]) end(agent);
    },
  };
}
