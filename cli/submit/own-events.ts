import { eventName } from '../../client/events.ts';
import type { SubmitResult } from '../../coordinator/application.ts';
import type { Client } from '../http/client.ts';
import { type FeedEvent, followEvents } from '../http/event-feed.ts';
import { saidBaseName } from './said-names.ts';

/** What a submission asked for, by its own events. */
export interface OwnEvents extends SubmitResult {
  /** Base names of the derivations that were asked for. */
  readonly roots: readonly string[];
}

export interface OwnEventsOptions {
  readonly signal: AbortSignal;
  readonly onLost: (reason: string) => void;
  /** It is set aside, now or before; whether that is waited out. */
  readonly setAside: () => Promise<boolean>;
}

/**
 * Reads the events of a submission up to the one that says that all its builds are made, and waits for that where they are being made. It
 * has no such event, and what is known is given back, where the submission was cancelled before or where `setAside` says so.
 */
export async function readOwnEvents(
  client: Client,
  submission: string,
  { signal, onLost, setAside }: OwnEventsOptions,
): Promise<OwnEvents> {
  const stream = `submission-${submission}`;
  const first = await client.get<FeedEvent>(`/v1/events/${stream}@0`);
  const rootsOf = (data: FeedEvent['data']) =>
    listOf(data.roots).map((root) => saidBaseName(root, `what submission ${submission} asked for`));
  const roots = rootsOf(first.data);
  const joined: string[] = [];
  let counts = { derivations: 0, builds: 0, available: 0 };
  for await (const { type, data } of followEvents(client, {
    from: first.position,
    streams: [stream],
    signal,
    onLost,
  })) {
    const name = eventName(type);
    if (name === 'SubmissionRootsAdded') roots.push(...rootsOf(data));
    else if (name === 'SubmissionJoined') joined.push(...listOf(data.builds));
    else if (name === 'SubmissionQueued') {
      counts = {
        derivations: Number(data.derivations),
        builds: Number(data.builds),
        available: Number(data.available),
      };
      break;
    } else if (name === 'SubmissionCanceled' || (name === 'SubmissionSetAside' && !(await setAside()))) break;
  }
  signal.throwIfAborted();
  return { submission, roots, joined, ...counts };
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
