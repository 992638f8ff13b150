import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import type { VerifyPlace } from '../ports/verify-place.ts';
import type { Items } from './items.ts';
import { type Repairs, verifyItems } from './verify-items.ts';

/** How the verification is that goes on by itself; times in milliseconds since the Unix epoch. */
export interface VerificationStatus {
  readonly state: 'running' | 'waiting';
  /** When it began last. */
  readonly begun?: number;
  /** When the last one ended that was whole. */
  readonly ended?: number;
  /** When the next begins. */
  readonly next?: number;
  /** Of the one that runs, or the last: items that were looked at, all there are to look at, bytes that were read, and items that were wrong. */
  readonly checked: number;
  readonly total: number;
  readonly bytes: number;
  readonly wrong: number;
}

/** The verification of the whole pool that begins by itself, as often as the settings say. */
export interface Verifying extends Disposable {
  /** `undefined` where there is none. */
  status(): VerificationStatus | undefined;
  /** At a start: goes on where a stop had cut it off, or waits until the next is due. */
  resume(): void;
}

const timer = 'verification';
/** Its place is written so often at most. */
const writeEveryMs = 10_000;
/** After a failure that is not the pool's. */
const againAfterMs = 600_000;

export function createVerifying(core: Core, items: Items, repairs: Repairs, deadlines: Deadlines): Verifying {
  const { runtime, logger, writer, policy, verifyPlace } = core;
  const { clock } = runtime;
  const { everySeconds, rateBytes: rate, repair } = policy.verify;
  const every = everySeconds * 1000;
  const stop = new AbortController();
  let place: VerifyPlace | undefined;
  let isRunning = false;
  let total = 0;
  let bytes = 0;
  let ended: number | undefined;

  /** Goes on from a place, to the end. */
  async function run(from: VerifyPlace): Promise<void> {
    let current = from;
    let written = clock.monotonic();
    const keep = (next: VerifyPlace): void => {
      current = next;
      place = next;
    };
    const looked = (after: string): void => {
      keep({ ...current, after, checked: current.checked + 1 });
      if (clock.monotonic() - written < writeEveryMs) return;
      written = clock.monotonic();
      void verifyPlace.write(current);
    };
    keep(from);
    const wish = { full: true, rate, repair, signal: stop.signal, after: from.after, looked };
    for await (const report of verifyItems(core, items, repairs, { actor: 'verification' }, wish)) {
      if (report.type !== 'wrong') {
        total = from.checked + report.total;
        bytes = report.bytes;
        continue;
      }
      keep({ ...current, wrong: current.wrong + 1 });
      const { item, rebuild, upstream } = report;
      logger.error({ item, rebuild, upstream }, `a verification of the pool has found it wrong: ${report.message}`);
    }
    ended = clock.now();
    keep({ ...current, ended });
    await verifyPlace.write(current);
    logger.info({ items: current.checked, bytes, wrong: current.wrong }, 'the pool was verified');
  }

  async function begin(): Promise<void> {
    const isCut = place !== undefined && place.ended === undefined;
    isRunning = true;
    try {
      await run(isCut ? (place as VerifyPlace) : { begun: clock.now(), checked: 0, wrong: 0 });
    } catch (error) {
      // A log that fails ends all of this, and it goes on at the next start.
      if (!stop.signal.aborted && writer.failure === undefined)
        logger.error({ err: error }, 'a verification of the pool was cut off, and goes on in a while');
    }
    isRunning = false;
    if (stop.signal.aborted || writer.failure !== undefined) return;
    if (place?.ended === undefined) waitUntil(clock.now() + againAfterMs, againAfterMs);
    else waitUntil(place.begun + every, every);
  }

  const waitUntil = (at: number, longest: number): void => deadlines.set(timer, at, longest, () => void begin());

  return {
    status() {
      if (every === 0) return undefined;
      const next = deadlines.dueAt(timer);
      return {
        state: isRunning ? 'running' : 'waiting',
        ...(place !== undefined && { begun: place.begun }),
        ...(ended !== undefined && { ended }),
        ...(next !== undefined && { next }),
        checked: place?.checked ?? 0,
        total: Math.max(total, place?.checked ?? 0),
        bytes,
        wrong: place?.wrong ?? 0,
      };
    },
    resume() {
      if (every === 0) return;
      place = verifyPlace.read();
      ended = place?.ended;
      if (place?.ended === undefined) waitUntil(clock.now(), 0);
      else waitUntil(place.begun + every, every);
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}
