import type { HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import { type DeliveryTo, eventText, type HookKind } from './kind.ts';
import { addressProblem, post } from './post.ts';
import { readSecrets, signatureOf } from './webhook-signature.ts';

/**
 * Posts events by the Standard Webhooks specification: `webhook-id` is the event's id and the same each time, so that a receiver can tell
 * a repeat.
 */
export function createWebhookTransport({ version }: { readonly version: string }): HookKind<'webhook'> {
  return {
    async check({ url, secretFile, allowPrivate }) {
      const problem = addressProblem(new URL(url), allowPrivate);
      if (problem !== undefined || secretFile === undefined) return problem;
      return readSecrets(secretFile).then(
        () => undefined,
        (error: Error) => error.message,
      );
    },
    async deliver(delivery, signal) {
      try {
        return await postEvent(delivery, signal, version);
      } catch (error) {
        return { ok: false, error: (error as Error).message };
      }
    },
  };
}

async function postEvent(delivery: DeliveryTo<'webhook'>, signal: AbortSignal, version: string): Promise<HookOutcome> {
  const { target, event } = delivery;
  const id = `${event.stream}@${event.revision}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const body = eventText(delivery);
  const keys = target.secretFile === undefined ? [] : await readSecrets(target.secretFile);
  const headers = {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'user-agent': `drover/${version}`,
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    ...(keys.length > 0 && { 'webhook-signature': signatureOf(keys, id, timestamp, body) }),
  };
  return post({ url: new URL(target.url), headers, body, allowPrivate: target.allowPrivate }, signal);
}
