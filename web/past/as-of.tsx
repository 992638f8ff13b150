import { DroverProblem } from 'drover/client';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { onMomentGone, present } from '../live/connection.ts';
import { Problem } from '../parts/problem.tsx';
import { go, type Place } from '../router.ts';
import { time } from '../words/format.ts';
import { momentWas } from './clock.ts';
import { Machine, sameAs } from './machine.tsx';
import { isRefused, type Moment, positionOf, readMoment } from './moments.ts';
import { Progress } from './progress.tsx';
import { type Read, useReading } from './reading.ts';
import type { Point } from './steps.ts';

/** A moment is read again no more often. */
const shortestGapMs = 5000;

/** The moment that is looked at, once it is read; `undefined` for now. */
export function useMoment(text: string | undefined): Read<Moment> | undefined {
  const read = useReading(text, async (signal) => {
    const position = await positionOf(text as string);
    const moment = await readMoment(position);
    if (moment.at !== undefined) momentWas(moment.position, moment.at);
    // However it was written, an address that is sent on says which event.
    if (!signal.aborted && moment.position !== text) go(sameAs(moment.position), 'replace');
    return moment;
  });
  useEffect(() => {
    if (text === undefined) return;
    let lastAt = Number.NEGATIVE_INFINITY;
    return onMomentGone(() => {
      // It may be that the coordinator takes no more for now.
      if (performance.now() - lastAt < shortestGapMs) return;
      lastAt = performance.now();
      read.retry();
    });
  }, [text]);
  return text === undefined ? undefined : read;
}

export const pointOf = (read: Read<Moment> | undefined): Point | undefined => read?.answer;

/** A page as of a moment, once the log is read up to there. */
export function AsOf({ read, children }: { readonly read: Read<Moment>; readonly children: () => ComponentChildren }) {
  const { answer, error, retry } = read;
  if (error !== undefined)
    return (
      <>
        <h1>{isRefused(error) ? 'There is no such moment' : 'The moment cannot be shown'}</h1>
        <Problem error={error} {...(!isRefused(error) && { retry })} />
      </>
    );
  if (answer === undefined) return <p class="loading">Loading…</p>;
  if (!answer.ready)
    return (
      <>
        <h1>
          As of {timeOf(answer)}
          {answer.position}
        </h1>
        <Progress of={answer} what="The log is read up to there:" />
      </>
    );
  return <>{children()}</>;
}

/** `14:03:09, ` where it is known. */
const timeOf = ({ at }: Point): string => (at === undefined ? '' : `${time(at, Date.now())}, `);

/** Below the header: the slider where it is open, and of when the page is, with the way back to now. */
export function MomentBar({
  place,
  read,
  isOpen,
}: {
  readonly place: Place;
  readonly read: Read<Moment> | undefined;
  readonly isOpen: boolean;
}) {
  const point = pointOf(read);
  if (read === undefined && !isOpen) return null;
  return (
    <section class={read === undefined ? 'machine' : 'machine past'} aria-label="Time machine">
      {isOpen && <Machine place={place} point={point} />}
      <p>
        {read !== undefined && (
          <>
            <output class="connection still">
              {point === undefined ? 'as of a moment' : `as of ${timeOf(point)}${point.position}`}
            </output>{' '}
            <BackToNow key={place.path.join('/')} place={place} />{' '}
          </>
        )}
        {point === undefined ? (
          <a href="/difference">Compare two moments</a>
        ) : (
          <a href={`/difference?from=${encodeURIComponent(point.position)}`}>Compare with now</a>
        )}
      </p>
    </section>
  );
}

/** Pages of these are of one thing, which may be gone. */
const things: readonly string[] = ['submissions', 'agents', 'builds', 'hooks', 'items', 'roots'];

function BackToNow({ place: { path } }: { readonly place: Place }) {
  const [isGone, setGone] = useState(false);
  const [section = '', id] = path;
  useEffect(() => {
    if (id === undefined || path.length > 2 || !things.includes(section)) return;
    const end = new AbortController();
    present
      .request('GET', `/v1/${section}/${encodeURIComponent(id)}`, { signal: end.signal })
      .then((response) => response.body?.cancel())
      .catch((error: unknown) => {
        if (!end.signal.aborted) setGone(error instanceof DroverProblem && error.status === 404);
      });
    return () => end.abort();
  }, []);
  if (!isGone)
    return (
      <a href={sameAs(undefined)} data-now>
        Back to now
      </a>
    );
  return (
    <>
      <b>There is no {id} now.</b>{' '}
      <a href={`/${section}`} data-now>
        All {section} now
      </a>
    </>
  );
}
