import type { HookDelivery, HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import type { HookTarget } from '../../domain/hook/target.ts';
import { envelopeOf, sourceOf } from '../http/event-envelope.ts';

/** A delivery to one kind of target. */
export type DeliveryTo<Kind extends HookTarget['kind']> = HookDelivery & {
  readonly target: Extract<HookTarget, { kind: Kind }>;
};

/** What carries events to one kind of target; the port's rules hold. */
export interface HookKind<Kind extends HookTarget['kind']> {
  deliver(delivery: DeliveryTo<Kind>, signal: AbortSignal): Promise<HookOutcome>;
}

/**
 * The event as JSON of CloudEvents 1.0, as subscribers get it, but for its position. What is derived from a secret is left out: where it
 * goes is outside of Drover.
 */
export function eventText({ event, log }: Pick<HookDelivery, 'event' | 'log'>): string {
  return JSON.stringify(envelopeOf(event, sourceOf(log), 'read'));
}
