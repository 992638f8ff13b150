import type { DroverEvent } from 'drover/client';
import { useEffect, useState } from 'preact/hooks';
import { onEvent } from '../live/feed.ts';
import { moment } from '../router.ts';
import { eventsLink } from '../words/links.ts';
import { EventTable } from './event-table.tsx';

const most = 30;

/** What happens to a thing while its page is open, newest first: what was done here shows at once. */
export function Happening({ stream }: { readonly stream: string }) {
  const [events, setEvents] = useState<readonly DroverEvent[]>([]);
  useEffect(() => {
    setEvents([]);
    return onEvent((event) => {
      if (event.stream === stream) setEvents((before) => [event, ...before].slice(0, most));
    });
  }, [stream]);
  return (
    <section aria-labelledby="happening">
      <h2 id="happening">{moment() === undefined ? 'Happens now' : 'Happened'}</h2>
      {moment() === undefined && <EventTable events={events} empty="Nothing since this page was opened." />}
      <p>
        <a href={`${eventsLink(stream)}&back=10000`}>Events of before</a>
      </p>
    </section>
  );
}
