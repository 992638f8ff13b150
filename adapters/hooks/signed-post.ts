import type { HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import type { HookTarget } from '../../domain/hook/target.ts';
import { post } from './post.ts';
import { addressProblem } from './reach.ts';
import type { Resolve } from './resolve.ts';
import { readSecrets, signatureOf } from './webhook-signature.ts';

export type WebhookPlace = Omit<Extract<HookTarget, { kind: 'webhook' }>, 'kind'>;

export interface SignedPost {
  readonly place: WebhookPlace;
  /** The same each time, so that a receiver can tell a repeat. */
  readonly id: string;
  /** JSON of a CloudEvent. */
  readonly body: string;
  readonly version: string;
  readonly resolve: Resolve;
  /** The trace that the receiver may go on with. */
  readonly traceparent?: string | undefined;
}

/** Posts by the Standard Webhooks specification. Rejects where nobody answers, or the secret cannot be read. */
export async function postSigned(
  { place, id, body, version, resolve, traceparent }: SignedPost,
  signal: AbortSignal,
): Promise<HookOutcome> {
  const { url, secretFile, allowPrivate } = place;
  const timestamp = Math.floor(Date.now() / 1000);
  const keys = secretFile === undefined ? [] : await readSecrets(secretFile);
  const headers = {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'user-agent': `drover/${version}`,
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    ...(traceparent !== undefined && { traceparent }),
    ...(keys.length > 0 && { 'webhook-signature': signatureOf(keys, id, timestamp, body) }),
  };
  return post({ url: new URL(url), headers, body, allowPrivate, resolve }, signal);
}

/** Why it cannot be posted to. */
export async function webhookProblem({ url, secretFile, allowPrivate }: WebhookPlace): Promise<string | undefined> {
  const problem = addressProblem(new URL(url), allowPrivate);
  if (problem !== undefined || secretFile === undefined) return problem;
  return readSecrets(secretFile).then(
    () => undefined,
    (error: Error) => error.message,
  );
}
