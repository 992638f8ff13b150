import { eventText, type HookKind } from './kind.ts';
import type { Resolve } from './resolve.ts';
import { postSigned } from './signed-post.ts';

/** Posts events as they are to somebody's own receiver; `webhook-id` is the event's id. */
export function createWebhookTransport({
  version,
  resolve,
}: {
  readonly version: string;
  readonly resolve: Resolve;
}): HookKind<'webhook'> {
  return {
    async deliver({ target, ...delivery }, signal) {
      const { traceparent, event } = delivery;
      const id = `${event.stream}@${event.revision}`;
      try {
        return await postSigned(
          { place: target, id, body: eventText(delivery), version, resolve, traceparent },
          signal,
        );
      } catch (error) {
        return { ok: false, error: (error as Error).message };
      }
    },
  };
}
