import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HookDelivery, HookTransport } from '../../coordinator/ports/hook-transport.ts';
import type { HookTarget } from '../../domain/hook/target.ts';

/** Something that hooks deliver to, as one kind of target reaches it. */
export interface HookReceiver extends AsyncDisposable {
  readonly target: HookTarget;
  /** A target of this kind that nobody answers at. */
  readonly nobody: HookTarget;
  /** What the next deliveries meet; `hang`: no end. */
  behave(how: 'accept' | 'refuse' | 'hang'): void;
  /** Resolves with the next event that arrives, as it came. */
  next(): Promise<unknown>;
  /** Resolves once nothing of a delivery that was ended is left. */
  gone(): Promise<void>;
}

export const deliveryOf = (target: HookTarget, more: Partial<HookDelivery> = {}): HookDelivery => ({
  hook: 'h',
  target,
  log: 'c-1',
  wanted: true,
  begun: false,
  attempt: 1,
  facts: {
    derivation: '0c7kfrczv1idqh8bzqjgrdzjh3akz8ip-hello-2.12.drv',
    name: 'hello-2.12',
    system: 'x86_64-linux',
    class: 'builder-failed',
    tags: { branch: 'main' },
  },
  event: {
    stream: 'build-s1-3',
    revision: 4,
    type: 'BuildAttemptFailed',
    version: 1,
    commit: 'c',
    at: 1_700_000_000_000,
    meta: { actor: 'agent-a', correlation: 's1' },
    data: { attempt: 3, class: 'builder-failed', message: 'it said "no"\nand ünïcode' },
  },
  ...more,
});

const never = new AbortController().signal;

/** What every transport does that hands events over as they are. */
export function hookTransportContract(
  kind: string,
  transport: () => HookTransport,
  open: () => Promise<HookReceiver>,
): void {
  anyHookTransportContract(kind, transport, open);
  describe(`the hook transport contract: events to a ${kind}`, () => {
    it('delivers the event as a CloudEvent, with the same id each time, without its position', async () => {
      await using receiver = await open();
      receiver.behave('accept');
      for (const attempt of [1, 2]) {
        const arrived = receiver.next();
        const outcome = await transport().deliver(deliveryOf(receiver.target, { attempt }), never);
        assert.deepEqual(outcome, { ok: true });
        assert.deepEqual(await arrived, {
          specversion: '1.0',
          id: 'build-s1-3@4',
          source: 'urn:drover:log:c-1',
          type: 'drover.BuildAttemptFailed',
          subject: 'build-s1-3',
          time: '2023-11-14T22:13:20.000Z',
          datacontenttype: 'application/json',
          stream: 'build-s1-3',
          revision: 4,
          version: 1,
          actor: 'agent-a',
          correlation: 's1',
          data: { attempt: 3, class: 'builder-failed', message: 'it said "no"\nand ünïcode' },
        });
      }
    });
    it('leaves out what is derived from a secret', async () => {
      await using receiver = await open();
      receiver.behave('accept');
      const arrived = receiver.next();
      const { event } = deliveryOf(receiver.target);
      const data = { name: 'ci', scope: 'read', hash: 'a'.repeat(64) };
      const issued = { ...event, stream: 'token-t', type: 'TokenIssued', data } as const;
      await transport().deliver(deliveryOf(receiver.target, { event: issued }), never);
      assert.deepEqual(((await arrived) as { data: unknown }).data, { name: 'ci', scope: 'read' });
    });
    it('delivers a large event whole', async () => {
      await using receiver = await open();
      receiver.behave('accept');
      const arrived = receiver.next();
      const { event } = deliveryOf(receiver.target);
      const data = { text: 'x'.repeat(900_000) };
      const outcome = await transport().deliver(deliveryOf(receiver.target, { event: { ...event, data } }), never);
      assert.deepEqual(outcome, { ok: true });
      assert.equal(((await arrived) as { data: typeof data }).data.text.length, 900_000);
    });
  });
}

/** What every transport of hooks does. */
export function anyHookTransportContract(
  kind: string,
  transport: () => HookTransport,
  open: () => Promise<HookReceiver>,
): void {
  describe(`the hook transport contract: ${kind}`, () => {
    it('says why where it is refused or reaches nobody, and does not throw', async () => {
      await using receiver = await open();
      receiver.behave('refuse');
      for (const target of [receiver.target, receiver.nobody]) {
        const outcome = await transport().deliver(deliveryOf(target), never);
        assert.ok(!outcome.ok && outcome.error.length > 3, JSON.stringify(outcome));
      }
    });
    it('lets go when it is told to, and leaves nothing behind', async () => {
      await using receiver = await open();
      receiver.behave('hang');
      const abort = new AbortController();
      const arrived = receiver.next();
      const outcome = transport().deliver(deliveryOf(receiver.target), abort.signal);
      await arrived;
      abort.abort();
      assert.equal((await outcome).ok, false);
      await receiver.gone();
    });
    it('begins nothing that is over already', async () => {
      await using receiver = await open();
      receiver.behave('accept');
      assert.equal((await transport().deliver(deliveryOf(receiver.target), AbortSignal.abort())).ok, false);
    });
  });
}
