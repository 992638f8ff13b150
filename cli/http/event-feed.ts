import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CliError } from '../output/cli-error.ts';
import type { Client } from './client.ts';
import { serverSentEvents } from './server-sent-events.ts';

/** An event as the coordinator gives it out: a CloudEvents 1.0 envelope with Drover's own attributes. */
export const feedEvent = z.looseObject({
  id: z.string(),
  type: z.string(),
  /** `build-…`. */
  stream: z.string(),
  position: z.string(),
  /** RFC 3339. */
  time: z.string(),
  data: z.record(z.string(), z.unknown()),
});
export type FeedEvent = z.infer<typeof feedEvent>;

export interface FollowOptions {
  /** Position of the last event that is known, or `end` for new ones only; `undefined`: from the first event on. */
  readonly after?: string | undefined;
  readonly types?: readonly string[];
  readonly streams?: readonly string[];
  readonly correlation?: string;
  readonly actor?: string;
  readonly signal: AbortSignal;
  /** Called when the connection was lost, before it is made again. */
  readonly onLost?: (reason: string) => void;
}

/** Milliseconds between two tries to connect. */
const shortestPause = 250;
const longestPause = 10_000;

/**
 * The coordinator's events from a position on, and then as they happen. A lost connection is made again, with the last
 * position, for as long as it takes; a refusal ends it. Ends without an error when `signal` aborts.
 */
export async function* followEvents(
  client: Client,
  options: FollowOptions,
): AsyncGenerator<FeedEvent, void, undefined> {
  const { types, streams, correlation, actor, signal, onLost } = options;
  let after = options.after;
  let pause = shortestPause;
  while (!signal.aborted) {
    try {
      const response = await client.request('GET', '/v1/events', {
        query: { from: after, type: types?.join(','), stream: streams?.join(','), correlation, actor },
        headers: { accept: 'text/event-stream' },
        signal,
      });
      if (response.body === null) throw new Error('the answer has no body');
      for await (const { id, data } of serverSentEvents(response.body)) {
        pause = shortestPause;
        if (data !== undefined) yield readEvent(data);
        // A checkpoint has an id and no data: everything up to there was looked at.
        if (id !== '') after = id;
      }
      if (!signal.aborted) onLost?.('the coordinator ended the connection');
    } catch (error) {
      if (signal.aborted) return;
      const passes =
        !(error instanceof CliError) ||
        ['connection-failed', 'connection-refused', 'not-ready', 'store-unavailable', 'too-many-requests'].includes(
          error.code,
        );
      if (!passes) throw error;
      onLost?.(error instanceof Error ? error.message : String(error));
    }
    await sleep(pause, undefined, { signal }).catch(() => {});
    pause = Math.min(pause * 2, longestPause);
  }
}

function readEvent(text: string): FeedEvent {
  try {
    return feedEvent.parse(JSON.parse(text));
  } catch (error) {
    throw new CliError('unexpected-answer', 'the coordinator sent an event that this version does not understand', {
      cause: error,
    });
  }
}
