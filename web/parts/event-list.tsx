import { type DroverEvent, DroverProblem } from 'drover/client';
import { drover } from '../live/connection.ts';
import { useLoaded } from '../live/loaded.ts';
import { EventTable } from './event-table.tsx';
import { WhenLoaded } from './when-loaded.tsx';

/** As many as are asked for one after the other: things that have more have a page of their own for it. */
const most = 50;

/** All events of a thing that has few, oldest first: by their numbers, as to look for a stream in the log takes reading all of it. */
export function EventList({ stream }: { readonly stream: string }) {
  const loaded = useLoaded(
    `events ${stream}`,
    (signal) => eventsOf(stream, signal),
    (event) => event.stream === stream,
  );
  return (
    <section aria-labelledby="events">
      <h2 id="events">Events</h2>
      <WhenLoaded of={loaded}>{(events) => <EventTable events={events} />}</WhenLoaded>
    </section>
  );
}

async function eventsOf(stream: string, signal: AbortSignal): Promise<readonly DroverEvent[]> {
  const found: DroverEvent[] = [];
  try {
    while (found.length < most) {
      found.push((await drover.getEvent({ event: `${stream}@${found.length}` })) as DroverEvent);
      // Whoever has gone to another page waits for none of the others.
      signal.throwIfAborted();
    }
  } catch (error) {
    if (!(error instanceof DroverProblem) || error.code !== 'unknown-event') throw error;
  }
  return found;
}
