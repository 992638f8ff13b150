import type { Envelope, EventType } from '../../client/events.ts';
import { type EventsOptions, readEvents } from '../../client/events.ts';
import { printable } from '../output/text.ts';
import { type Client, toCliError } from './client.ts';

/** An event as the coordinator gives it out, of whatever type: the command line shows also those that it does not know. */
export interface FeedEvent extends Pick<Envelope, 'id' | 'stream' | 'position' | 'time' | 'correlation' | 'causation'> {
  readonly type: string;
  readonly actor?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface FollowOptions extends Omit<EventsOptions, 'types'> {
  readonly types?: readonly string[];
  readonly signal: AbortSignal;
}

/** For `onLost`: once for each reason, as a coordinator that is away is asked again and again. */
export function lossTeller(tell: (line: string) => void): (reason: string) => void {
  let told: string | undefined;
  return (reason) => {
    if (reason === told) return;
    told = reason;
    tell(`connection lost (${printable(reason)}); trying again`);
  };
}

/** The coordinator's events, as {@link readEvents} has them; a refusal is a `CliError`. */
export async function* followEvents(
  client: Client,
  options: FollowOptions,
): AsyncGenerator<FeedEvent, void, undefined> {
  try {
    yield* readEvents(client.http, options as EventsOptions<EventType>) as AsyncGenerator<FeedEvent>;
  } catch (error) {
    throw toCliError(error, client.url);
  }
}
