import { type DroverEvent, DroverProblem, eventName, isPassing } from 'drover/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { connection, drover, onConnection, present } from '../live/connection.ts';
import { onEvent } from '../live/feed.ts';
import { useLoaded } from '../live/loaded.ts';
import { laterSeen, longestPause, shortestPause } from '../live/seen.ts';
import { EventTable } from '../parts/event-table.tsx';
import { Filters } from '../parts/filters.tsx';
import { Problem } from '../parts/problem.tsx';
import { moment, withQuery } from '../router.ts';
import { sessionEnded } from '../session/session-end.ts';
import { count } from '../words/format.ts';
import { isSelected, positionBefore, selectionIn } from '../words/things.ts';
import type { PageProps } from './all.tsx';

/** So many are held, the newest: what is further back is asked for by filters, or in an export. */
const most = 300;
const usual = 100;
/** However many come, they are shown no more often. */
const showEveryMs = 100;

/** The log as it comes, newest first. */
export function EventsPage({ query }: PageProps) {
  const asked = Number(query.get('back'));
  const back = Number.isSafeInteger(asked) && asked > 0 ? asked : usual;
  const schemas = useLoaded('schemas', () => present.listEventSchemas());
  const names = schemas.value?.map(({ type }) => eventName(type)).sort() ?? [];
  const type = query.get('type') ?? '';
  const options = type === '' || names.includes(type) ? names : [...names, type];
  const fields = [
    { field: 'type', label: 'Type', options },
    { field: 'stream', label: 'Stream (build- for all builds)' },
    { field: 'actor', label: 'By' },
    { field: 'correlation', label: 'Belongs to' },
  ];
  return (
    <>
      <h1>Events</h1>
      <Filters fields={fields} query={query} />
      <Log key={query.toString()} query={query} back={back} />
    </>
  );
}

function Log({ query, back }: { readonly query: URLSearchParams; readonly back: number }) {
  const [isPaused, setPaused] = useState(false);
  const { events, came, isRead, error, reaches } = useLog(query, back, isPaused);
  return (
    <>
      <div class="actions">
        {moment() === undefined && (
          <button type="button" onClick={() => setPaused(!isPaused)}>
            {isPaused ? 'Go on' : 'Pause'}
          </button>
        )}
        {isPaused && <output>{came === 0 ? 'Nothing came since.' : `${count(came)} came since.`}</output>}
      </div>
      {error !== undefined && <Problem error={error} />}
      <EventTable events={events} empty={isRead ? 'None so far.' : 'Loading…'} />
      <p class="quiet">
        {events.length === most ? `The newest ${most} that match` : 'What matches'} of{' '}
        {reaches === 'start' ? 'the whole log.' : reaches === 'end' ? 'what came since.' : `the last ${count(back)}.`}{' '}
        {reaches === 'part' && <a href={withQuery({ back: String(back * 10) })}>Look further back</a>}
      </p>
    </>
  );
}

interface Read {
  readonly events: readonly DroverEvent[];
  /** How many came since it was paused. */
  readonly came: number;
  /** Whether what was there before is read. */
  readonly isRead: boolean;
  readonly error: Error | undefined;
  readonly reaches: 'start' | 'part' | 'end';
}

/** The last events that match, from so many events back, and those that come. */
export function useLog(query: URLSearchParams, back: number, isPaused: boolean): Read {
  const [read, setRead] = useState<Read>({ events: [], came: 0, isRead: false, error: undefined, reaches: 'part' });
  const paused = useRef(isPaused);
  paused.current = isPaused;
  const resume = useRef(() => {});

  useEffect(() => {
    const end = new AbortController();
    const selection = selectionIn(query);
    let held: readonly DroverEvent[] = [];
    let last = '';
    /** The one at `last`, whether it matches or not. */
    let newest: DroverEvent | undefined;
    let came = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let shownAt = Number.NEGATIVE_INFINITY;
    let isReading = false;
    let waiting: DroverEvent[] = [];
    let pause = shortestPause;
    let keep = (): void => undefined;

    function show(more: Partial<Read> = {}): void {
      clearTimeout(timer);
      timer = undefined;
      shownAt = performance.now();
      setRead((before) => ({ ...before, ...more, came, ...(!paused.current && { events: held }) }));
    }
    function add(event: DroverEvent): void {
      if (event.position <= last) return;
      last = event.position;
      newest = event;
      if (!isSelected(selection, event)) return;
      held = [event, ...held.slice(0, most - 1)];
      if (paused.current) came++;
      timer ??= setTimeout(show, Math.max(0, shownAt + showEveryMs - performance.now()));
    }
    resume.current = () => {
      came = 0;
      show();
    };
    /** What was decided up to now; what comes meanwhile waits, so that all stays in order. */
    async function readBefore(): Promise<void> {
      if (isReading) return;
      isReading = true;
      keep();
      try {
        if (newest === undefined || !(await isInLog(newest))) {
          [held, last, newest, came] = [[], '', undefined, 0];
        }
        let from: string | undefined = last;
        const { position } = await drover.getStatus();
        const begin = typeof position !== 'string' ? 'start' : positionBefore(position, back);
        // A page that nobody saw for long shows what it would if it were opened now.
        if (last === '' || (begin !== undefined && begin !== 'start' && last < begin)) {
          from = begin;
          held = [];
          show({ reaches: from === undefined ? 'end' : from === 'start' ? 'start' : 'part' });
        }
        if (from !== undefined)
          for await (const event of drover.events({
            ...(selection as { types?: readonly never[] }),
            from,
            follow: false,
            signal: end.signal,
          }))
            add(event);
        // Also where none of them was one that is looked for.
        if (typeof position === 'string' && position > last && !end.signal.aborted) last = position;
        pause = shortestPause;
        if (!end.signal.aborted) show({ isRead: true, error: undefined });
      } catch (error) {
        if (end.signal.aborted || sessionEnded(error)) return;
        show({ isRead: true, error: error as Error });
        if (!isPassing(error)) return;
        keep = laterSeen(pause, () => void readBefore());
        pause = Math.min(2 * pause, longestPause);
      } finally {
        isReading = false;
        const since = waiting;
        waiting = [];
        for (const event of since) add(event);
      }
    }
    const offs = [
      onEvent((event) => {
        if (!isReading) return add(event);
        if (isSelected(selection, event)) waiting.push(event);
        if (waiting.length > most) waiting.shift();
      }),
      // The feed begins where the log was when it was made: what was before is read then, so that nothing is left out between.
      onConnection(() => {
        if (connection() === 'live') void readBefore();
      }),
    ];
    // What a moment had is all there.
    if (connection() === 'live' || connection() === 'still') void readBefore();
    return () => {
      end.abort();
      clearTimeout(timer);
      keep();
      for (const off of offs) off();
    };
  }, [query.toString()]);

  useEffect(() => {
    if (!isPaused) resume.current();
  }, [isPaused]);
  return read;
}

/** Whether that very event is there still: a log that was cut short, as by an older copy of it, has another one there, or none. */
async function isInLog({ id, position, time }: DroverEvent): Promise<boolean> {
  try {
    const found = await drover.getEvent({ event: id });
    return found.position === position && found.time === time;
  } catch (error) {
    if (error instanceof DroverProblem && error.code === 'unknown-event') return false;
    throw error;
  }
}
