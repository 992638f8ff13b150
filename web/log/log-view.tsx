import { DroverProblem, isPassing } from 'drover/client';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { connection, drover, onConnection } from '../live/connection.ts';
import { whileSeen } from '../live/seen.ts';
import { Problem } from '../parts/problem.tsx';
import { moment, withQuery } from '../router.ts';
import { bytes as bytesText, count as countText } from '../words/format.ts';
import { piecesOf } from './ansi.ts';
import { createLines, type Lines } from './lines.ts';

const lineHeight = 18;
/** No browser has taller elements than some thirty million pixels: beyond this the bar stands for more lines than it has pixels. */
const mostHeight = 8_000_000;
const spare = 10;
/** The end of a finished log of more bytes comes by itself, before the rest does: so many lines of it. */
const longLog = 2_000_000;
const endLines = 200;

/** The log of an attempt, as it comes: only the lines that are seen are in the page. */
export function LogView({
  build,
  attempt,
  line,
  size,
}: {
  readonly build: string;
  readonly attempt: number;
  readonly line: number | undefined;
  /** In bytes, of one that is finished. */
  readonly size: number | null;
}) {
  const lines = useMemo(createLines, [build, attempt]);
  const [state, setState] = useState<{ ended?: boolean; error?: Error }>({});
  const [, setSize] = useState(0);
  const [top, setTop] = useState(0);
  const [isFollowing, setFollowing] = useState(line === undefined);
  const [wanted, setWanted] = useState('');
  const [found, setFound] = useState<number | 'none'>();
  const view = useRef<HTMLDivElement>(null);
  const scrolledTo = useRef(0);
  /** The line at the top of what is seen, and where the bar was put for it: that stands for other lines as more of them come. */
  const held = useRef({ line: 0, top: 0 });
  /** Whether what was found is yet to be brought into view sideways, which it can be once its line is drawn. */
  const isAside = useRef(false);
  const finding = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => finding.current?.abort(), [lines]);
  const lastLines = useEnd(build, attempt, line === undefined && size !== null && size > longLog);

  useEffect(() => {
    let isOver = false;
    setState({});
    return whileSeen(() => {
      const end = new AbortController();
      const over = (state: { ended?: boolean; error?: Error }): void => {
        if (end.signal.aborted) return;
        isOver = true;
        setState(state);
      };
      if (!isOver)
        read(build, attempt, lines, end.signal, () => setSize(lines.bytes)).then(
          () => over({ ended: true }),
          (error: Error) => over({ error }),
        );
      return () => end.abort();
    });
  }, [lines]);

  const isAhead = isFollowing && state.ended !== true && lastLines !== undefined && lines.bytes < (size ?? 0);
  const shown = view.current === null ? 40 : Math.ceil(view.current.clientHeight / lineHeight);
  const { count } = lines;
  const height = Math.min(mostHeight, count * lineHeight);
  const room = Math.max(1, height - (view.current?.clientHeight ?? 0));
  const isScaled = count * lineHeight > mostHeight;
  const lineAt = (at: number): number =>
    isScaled ? Math.round((at / room) * Math.max(0, count - shown)) : Math.floor(at / lineHeight);
  const first = isScaled && !isFollowing && top === held.current.top ? held.current.line : lineAt(top);
  const begin = Math.max(0, first - spare);
  const end = Math.min(count, first + shown + spare);

  function goToLine(n: number): void {
    const element = view.current;
    if (element === null) return;
    // What was shown when this was drawn is less, where it is as high as it is only since then.
    const most = Math.ceil(element.clientHeight / lineHeight);
    const line = Math.max(0, Math.min(n - Math.floor(most / 2), count - most));
    element.scrollTop = isScaled ? (line / Math.max(1, count - shown)) * room : line * lineHeight;
    held.current = { line, top: element.scrollTop };
    setTop(element.scrollTop);
  }
  useLayoutEffect(() => {
    if (isScaled && !isFollowing) goToLine(held.current.line + Math.floor(shown / 2));
  }, [count]);

  useEffect(() => {
    const element = view.current;
    if (!isFollowing || element === null) return;
    element.scrollTop = element.scrollHeight;
    held.current = { line: Math.max(0, count - shown), top: element.scrollTop };
  }, [count, isFollowing, lastLines]);
  const atEnd = Math.min(lastLines?.count ?? 0, shown + spare);
  const target = found === undefined || found === 'none' ? (line === undefined ? undefined : line - 1) : found;
  const isThere = target !== undefined && target < count;
  /** In the log, and that in the window, of which it may be below the end. */
  function bringIntoView(n: number): void {
    goToLine(n);
    view.current?.scrollIntoView({ block: 'nearest' });
    isAside.current = found !== undefined;
    bringFromAside();
  }
  /** As far to the left as it is seen there, or in the middle. */
  function bringFromAside(): void {
    const line = isAside.current ? view.current?.querySelector('.target') : undefined;
    if (!line) return;
    isAside.current = false;
    const [element, mark] = [view.current as HTMLDivElement, line.querySelector('mark')];
    if (mark === null) return;
    const isAtLeft = mark.offsetLeft + mark.offsetWidth <= element.clientWidth;
    element.scrollLeft = isAtLeft ? 0 : mark.offsetLeft - Math.max(0, element.clientWidth - mark.offsetWidth) / 2;
  }
  useLayoutEffect(bringFromAside);
  useEffect(() => {
    if (isThere && target !== undefined) bringIntoView(target);
  }, [target, isThere]);
  // A line that somebody points at after that is another, and is to stay in view.
  useEffect(() => {
    setFound(undefined);
    if (line !== undefined) setFollowing(false);
  }, [line]);

  async function find(step: 1 | -1): Promise<void> {
    if (wanted === '') return;
    finding.current?.abort();
    finding.current = new AbortController();
    const { signal } = finding.current;
    setFollowing(false);
    const start = step === 1 ? -1 : count;
    const from = typeof found === 'number' ? found : start;
    const next =
      (await lines.find(wanted, from, step, signal)) ??
      (from === start ? undefined : await lines.find(wanted, start, step, signal));
    if (signal.aborted) return;
    // The only one there is, from which somebody has gone away since.
    if (next !== undefined && next === found) bringIntoView(next);
    setFound(next ?? 'none');
  }

  if (state.error instanceof DroverProblem && state.error.code === 'not-found')
    return (
      <section aria-labelledby="log-heading">
        <h2 id="log-heading">Log of attempt {attempt}</h2>
        {size === null || size === 0 ? (
          <p class="quiet">It has none: no builder ran, or it printed nothing.</p>
        ) : (
          <p role="alert">It is lost: the builder printed {bytesText(size)}, which are not kept any more.</p>
        )}
      </section>
    );
  return (
    <section aria-labelledby="log-heading">
      <h2 id="log-heading">Log of attempt {attempt}</h2>
      <form
        class="logtools"
        onSubmit={(event) => {
          event.preventDefault();
          void find(1);
        }}
      >
        <input
          type="search"
          aria-label="Find in the log"
          placeholder="Find"
          value={wanted}
          onInput={(event) => {
            setWanted(event.currentTarget.value);
            setFound(undefined);
          }}
        />
        <button type="submit">Next</button>
        <button type="button" onClick={() => void find(-1)}>
          Previous
        </button>
        <label>
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={(event) => setFollowing(event.currentTarget.checked)}
          />
          Follow
        </label>
        <a href={`${drover.url}${logPath(build)}?attempt=${attempt}`} data-plain>
          As text
        </a>
        <output class="quiet">
          {found === 'none' ? 'It is not in the log. ' : ''}
          {countText(count)} {count === 1 ? 'line' : 'lines'}, {bytesText(lines.bytes)}
          {state.ended === true ? '' : state.error === undefined ? ', coming' : ''}
          {isAhead ? '; its end is here already' : ''}
        </output>
      </form>
      {state.error !== undefined && <Problem error={state.error} />}
      {state.ended === true && size !== null && lines.bytes < size && (
        <p role="alert">
          It is not all here: the builder printed {bytesText(size)}, of which {bytesText(size - lines.bytes)} are not
          kept any more.
        </p>
      )}
      <div
        class="log"
        ref={view}
        style={{ height: `min(70vh, ${(isAhead ? Math.max(count, lastLines.count) : count) * lineHeight + 20}px)` }}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it with the keyboard
        tabIndex={0}
        role="log"
        aria-label={`Log of attempt ${attempt}`}
        onScroll={(event) => {
          const element = event.currentTarget;
          if (element.scrollTop !== held.current.top)
            held.current = { line: lineAt(element.scrollTop), top: element.scrollTop };
          setTop(element.scrollTop);
          const isAtEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 2 * lineHeight;
          // Lines that came since have put the end further away, which is nobody's wish: who goes up wants to stay there.
          if (!isAtEnd && element.scrollTop < scrolledTo.current) setFollowing(false);
          scrolledTo.current = element.scrollTop;
        }}
      >
        <div class="space" style={{ height: `${isAhead ? Math.max(height, lastLines.count * lineHeight) : height}px` }}>
          {isAhead
            ? // In their order, in which they are read aloud and copied.
              Array.from({ length: atEnd }, (_, above) => {
                const n = atEnd - 1 - above;
                const text = lastLines.line(lastLines.count - 1 - n);
                return <Line key={`end ${n}`} below={n * lineHeight} text={text} wanted={wanted} isTarget={false} />;
              })
            : Array.from({ length: Math.max(0, end - begin) }, (_, n) => {
                const at = begin + n;
                const y = isScaled ? top + (at - first) * lineHeight : at * lineHeight;
                return <Line key={at} n={at} top={y} text={lines.line(at)} wanted={wanted} isTarget={at === target} />;
              })}
        </div>
      </div>
    </section>
  );
}

/** At a place from the top; or from the bottom, where its number is not known yet. */
function Line({
  n,
  top,
  below,
  text,
  wanted,
  isTarget,
}: {
  readonly n?: number;
  readonly top?: number;
  readonly below?: number;
  readonly text: string;
  readonly wanted: string;
  readonly isTarget: boolean;
}) {
  return (
    <div
      class={isTarget ? 'line target' : 'line'}
      style={below === undefined ? { top: `${top}px` } : { bottom: `${below}px` }}
    >
      {n === undefined ? (
        <span class="nr" />
      ) : (
        <a class="nr" href={withQuery({ line: String(n + 1) })} data-step aria-label={`Line ${n + 1}`}>
          {n + 1}
        </a>
      )}
      {piecesOf(text).map((piece, index) => (
        <span key={index} class={piece.look}>
          {marked(piece.text, wanted)}
        </span>
      ))}
    </div>
  );
}

/** What is looked for stands out. */
function marked(text: string, wanted: string) {
  if (wanted === '') return text;
  const [low, what] = [text.toLowerCase(), wanted.toLowerCase()];
  const parts = [];
  let from = 0;
  // Where small letters are longer than capitals, places differ.
  if (low.length !== text.length) return text;
  for (let at = low.indexOf(what); at !== -1; at = low.indexOf(what, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + what.length)}</mark>);
    from = at + what.length;
  }
  return [...parts, text.slice(from)];
}

/** The last lines of a log that is finished, where they are wanted before the rest is there. */
function useEnd(build: string, attempt: number, isWanted: boolean): Lines | undefined {
  const [end, setEnd] = useState<Lines>();
  useEffect(() => {
    setEnd(undefined);
    if (!isWanted) return;
    const left = new AbortController();
    const query = { attempt, tail: endLines };
    drover
      .request('GET', logPath(build), { query, signal: left.signal, headers: { accept: 'text/plain' } })
      .then(async (response) => {
        const lines = createLines();
        lines.append(new Uint8Array(await response.arrayBuffer()));
        if (!left.signal.aborted) setEnd(lines);
      })
      // All of it comes anyway.
      .catch(() => undefined);
    return () => left.abort();
  }, [build, attempt, isWanted]);
  return end;
}

const logPath = (build: string): string => `/v1/builds/${encodeURIComponent(build)}/log`;

/** All of the log and what comes: a connection that is lost is made again where it was. */
async function read(
  build: string,
  attempt: number,
  lines: Lines,
  signal: AbortSignal,
  came: () => void,
): Promise<void> {
  for (let pause = 250; ; pause = Math.min(2 * pause, 10_000)) {
    // A builder may print nothing for hours: whether the connection is there still, others know.
    const lost = new AbortController();
    const off = onConnection(() => {
      if (connection() === 'lost') lost.abort();
    });
    try {
      const query = { attempt, offset: lines.bytes, follow: moment() === undefined };
      const response = await drover.request('GET', logPath(build), {
        query,
        signal: AbortSignal.any([signal, lost.signal]),
        headers: { accept: 'text/plain' },
      });
      const reader = response.body?.getReader();
      for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
        lines.append(part.value);
        pause = 250;
        came();
      }
      return;
    } catch (error) {
      if (signal.aborted || (error instanceof DroverProblem && !isPassing(error))) throw error;
    } finally {
      off();
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    await isThere(signal);
    signal.throwIfAborted();
  }
}

/** Resolves once the connection is not known to be lost, or nobody wants it any more: who waits holds all that is read of the log. */
async function isThere(signal: AbortSignal): Promise<void> {
  if (connection() !== 'lost' || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      off();
      resolve();
    };
    const off = onConnection(() => {
      if (connection() !== 'lost') end();
    });
    signal.addEventListener('abort', end, { once: true });
  });
}
