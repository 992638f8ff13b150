import { eventName, isPassing } from 'drover/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { laterSeen, longestPause } from '../live/seen.ts';
import { Problem } from '../parts/problem.tsx';
import { go, type Place } from '../router.ts';
import { sessionEnded } from '../session/session-end.ts';
import { count, time } from '../words/format.ts';
import { thingOf } from '../words/things.ts';
import { atMoment, withoutMoment } from './address.ts';
import { boundsOfLog, eventAt, nextAfter, pointBefore } from './moments.ts';
import {
  addressed,
  type Bounds,
  isFurther,
  type Point,
  positionAt,
  scaleKind,
  scaleOf,
  stepFrom,
  valueAt,
} from './steps.ts';

const hour = 3_600_000;
/** Keys come one after the other: each moment costs the coordinator some reading, so the last of them counts. */
const keyPauseMs = 500;
/** While it is dragged, what is at a place is asked for once it pauses. */
const lookPauseMs = 100;
/** Moves that follow each other within this are one step back for the browser. */
const oneMoveMs = 3000;

/** A slider over the log, and steps along it: where it is let go of, the page is shown as of then. */
export function Machine({ place, point }: { readonly place: Place; readonly point: Point | undefined }) {
  const [bounds, setBounds] = useState<Bounds>();
  const [error, setError] = useState<Error>();
  useEffect(() => {
    let isOver = false;
    let keep = (): void => undefined;
    function look(): void {
      boundsOfLog().then(
        (found) => {
          if (isOver) return;
          setBounds(found);
          setError(undefined);
          // When the last event happened is known once the coordinator's views have come so far.
          if (scaleKind(found) === undefined) keep = laterSeen(longestPause / 2, look);
        },
        (problem: Error) => {
          if (isOver || sessionEnded(problem)) return;
          setError(problem);
          if (isPassing(problem)) keep = laterSeen(longestPause / 2, look);
        },
      );
    }
    look();
    return () => {
      isOver = true;
      keep();
    };
  }, [place.moment]);
  // Until a moment is read, it is where it was led to.
  const here = useRef(point);
  const isKnown = point?.at !== undefined || point?.position !== here.current?.position;
  if (place.moment === undefined || (point !== undefined && isKnown)) here.current = point;
  if (error !== undefined) return <Problem error={error} />;
  if (bounds === undefined) return <p class="loading">Loading…</p>;
  const anew = async (): Promise<Bounds> => {
    const found = await boundsOfLog();
    setBounds(found);
    return found;
  };
  return <Controls here={here} bounds={bounds} anew={anew} />;
}

function Controls({
  here,
  bounds,
  anew,
}: {
  /** Of which moment the page is, or is to be; nothing for now. */
  readonly here: { current: Point | undefined };
  readonly bounds: Bounds;
  /** The log as it is by now. */
  readonly anew: () => Promise<Bounds>;
}) {
  const point = here.current;
  const [dragged, setDragged] = useState<number>();
  const [seen, setSeen] = useState<string>();
  const [error, setError] = useState<Error>();
  const byKey = useRef(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const movedAt = useRef(Number.NEGATIVE_INFINITY);
  const asked = useRef<AbortController | undefined>(undefined);

  // Once it has led somewhere, the slider stands there, if it is not moved on by then.
  const isMoving = useRef(false);
  useEffect(() => {
    if (!isMoving.current) setDragged(undefined);
  }, [point?.position]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      asked.current?.abort();
    },
    [],
  );

  const kind = scaleKind(bounds);
  const { min, max, step: least } = scaleOf(bounds);
  const value = dragged ?? valueAt(bounds, point);
  const isNow = value >= max;
  const position = kind === 'events' ? positionAt(bounds, value) : undefined;

  useEffect(() => {
    setSeen(undefined);
    if (dragged === undefined || position === undefined) return;
    const end = new AbortController();
    const look = setTimeout(async () => {
      const event = await eventAt(position, end.signal).catch(() => undefined);
      if (event === undefined || end.signal.aborted) return;
      const { text } = thingOf(event.stream, event.data);
      setSeen(`${time(Date.parse(event.time), Date.now())}, ${eventName(event.type)} of ${text}`);
    }, lookPauseMs);
    return () => {
      clearTimeout(look);
      end.abort();
    };
  }, [dragged]);

  /** Finds where to go, and goes there; what was asked for before is forgotten. */
  async function lead(find: (signal: AbortSignal) => Promise<Point | string | undefined>): Promise<void> {
    clearTimeout(timer.current);
    asked.current?.abort();
    const end = new AbortController();
    asked.current = end;
    setError(undefined);
    isMoving.current = false;
    try {
      const found = await find(end.signal);
      if (end.signal.aborted) return;
      const now = performance.now();
      const how = now - movedAt.current < oneMoveMs ? 'replace' : 'step';
      movedAt.current = now;
      if (typeof found !== 'string') here.current = found;
      go(sameAs(typeof found === 'object' ? found.position : found), how);
    } catch (problem) {
      if (!end.signal.aborted && !sessionEnded(problem)) setError(problem as Error);
    }
  }
  function letGo(next: number): void {
    clearTimeout(timer.current);
    timer.current = setTimeout(
      () => void lead(async (signal) => pointOfValue(bounds, next, signal)),
      byKey.current ? keyPauseMs : 0,
    );
  }
  const step = (by: (signal: AbortSignal) => Promise<Point | undefined>, name: string) => (
    <button type="button" onClick={() => void lead(by)}>
      {name}
    </button>
  );
  const event = (events: 1 | -1) => async (signal: AbortSignal) => byEvent(await anew(), here.current, events, signal);
  const span = (ms: number) => async (signal: AbortSignal) => byTime(await anew(), here.current, ms, signal);
  const known = dragged === undefined && point?.at !== undefined ? time(point.at, Date.now()) : undefined;
  const there = kind === 'time' ? time(value, Date.now()) : '…';
  const told = isNow ? 'now' : (seen ?? known ?? there);
  const place = kind === 'events' && !isNow ? [`event ${count(value)} of ${count(max)}`] : [];
  return (
    <>
      {kind !== undefined && (
        <>
          <div class="slider">
            <label for="moment">Place in the log</label>
            <input
              id="moment"
              type="range"
              min={min}
              max={max}
              step={least}
              value={value}
              aria-valuetext={[told, ...place].join(', ')}
              onKeyDown={() => {
                byKey.current = true;
              }}
              onPointerDown={() => {
                byKey.current = false;
              }}
              onInput={({ currentTarget }) => {
                isMoving.current = true;
                setDragged(Number(currentTarget.value));
              }}
              onChange={({ currentTarget }) => letGo(Number(currentTarget.value))}
            />
            <span class="quiet">{[told, ...place].join(' · ')}</span>
          </div>
          <div class="steps buttons">
            {step(span(-24 * hour), '−1 day')}
            {step(span(-hour), '−1 hour')}
            {kind === 'events' && step(event(-1), '−1 event')}
            {kind === 'events' && step(event(1), '+1 event')}
            {step(span(hour), '+1 hour')}
            {step(span(24 * hour), '+1 day')}
          </div>
        </>
      )}
      <form
        class="steps"
        onSubmit={(submitted) => {
          submitted.preventDefault();
          const text = String(new FormData(submitted.currentTarget).get('moment') ?? '');
          if (text.trim() !== '') void lead(async () => addressed(text, Date.now()));
        }}
      >
        <label for="moment-text">{kind === undefined ? 'Position or event' : 'Time, position or event'}</label>
        <input
          id="moment-text"
          name="moment"
          placeholder={
            kind === undefined ? bounds.last.position : `20:00, 2026-11-25 20:00, 2h${bounds.numbered ? ', 4711' : ''}`
          }
          autocomplete="off"
        />
        <button type="submit">Go</button>
      </form>
      {error !== undefined && <Problem error={error} />}
    </>
  );
}

/** The page that is open, at another moment; where in a list it was says nothing there. */
export function sameAs(moment: string | undefined): string {
  const query = new URLSearchParams(location.search);
  query.delete('after');
  const text = query.toString();
  const page = withoutMoment(location.pathname);
  // A difference has two moments already.
  if (page === '/difference') return atMoment(moment, '/');
  return atMoment(moment, text === '' ? page : `${page}?${text}`);
}

/** Where a slider is let go of. By time, it is the last event up to then. */
async function pointOfValue(bounds: Bounds, value: number, signal: AbortSignal): Promise<Point | undefined> {
  if (value >= scaleOf(bounds).max) return undefined;
  if (scaleKind(bounds) === 'time') return pointBefore(value + 1, bounds);
  const position = positionAt(bounds, value);
  return position === undefined ? undefined : pointAt(position, signal);
}

async function pointAt(position: string, signal: AbortSignal): Promise<Point> {
  const event = await eventAt(position, signal);
  return { position, at: event === undefined ? undefined : Date.parse(event.time) };
}

async function byEvent(
  bounds: Bounds,
  point: Point | undefined,
  events: 1 | -1,
  signal: AbortSignal,
): Promise<Point | undefined> {
  const position = stepFrom(bounds, point, events);
  return position === undefined ? undefined : pointAt(position, signal);
}

async function byTime(
  bounds: Bounds,
  point: Point | undefined,
  ms: number,
  signal: AbortSignal,
): Promise<Point | undefined> {
  const to = (point?.at ?? Date.now()) + ms;
  if (ms > 0 && (bounds.last.at === undefined || to > bounds.last.at)) return undefined;
  const found = await pointBefore(to, bounds);
  if (point === undefined || isFurther(ms, point, found)) return found;
  // Nothing happened for that long, or the clock was set back: what is next in that direction is.
  if (ms > 0) return nextAfter(point.position, signal);
  return scaleKind(bounds) === 'events' ? byEvent(bounds, point, -1, signal) : point;
}
