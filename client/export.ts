import { overConnections } from './connection.ts';
import { DroverProblem } from './errors.ts';
import { type EventName, type EventsOptions, type EventType, selectionOf } from './events.ts';
import type { Http } from './http.ts';

/** Which events to export: all of {@link EventsOptions} but what is for following. */
export type ExportOptions = Omit<EventsOptions<EventType | EventName>, 'follow' | 'checkpoint'>;

const newline = 10;
const mostLine = 64 * 1024 * 1024;

/**
 * The events that are there, as lines of JSON, one each, in the bytes in which they come: a log of millions as fast as it is sent. Each part
 * is of whole lines. A lost connection is made again after the last one, without a gap or a repeat.
 *
 * @throws {DroverProblem} for a refusal that waiting does not change
 */
export async function* exportEvents(http: Http, options: ExportOptions): AsyncGenerator<Uint8Array, void, undefined> {
  let from = options.from === 'start' ? undefined : options.from;
  const ask = (signal: AbortSignal): Promise<Response> => {
    const query = { ...selectionOf(options), from };
    return http.request('GET', '/v1/events', { query, headers: { accept: 'application/x-ndjson' }, signal });
  };
  for await (const lines of overConnections(ask, wholeLines, options, () => true)) {
    // Before it is given out: what comes after it is asked for next.
    from = positionOf(lines, http.url);
    yield lines;
  }
}

/** What comes, cut after the last line that is whole; the rest of one that is not is dropped. */
async function* wholeLines(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = new Uint8Array();
  for await (const part of parts) {
    const end = part.lastIndexOf(newline) + 1;
    if (end === 0) {
      rest = joined(rest, part);
      if (rest.length > mostLine) throw new Error(`expected events of at most ${mostLine} bytes, got more`);
      continue;
    }
    yield rest.length === 0 ? part.subarray(0, end) : joined(rest, part.subarray(0, end));
    rest = part.slice(end);
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/** Position of the last event of whole lines. */
function positionOf(lines: Uint8Array, url: string): string {
  const start = lines.lastIndexOf(newline, -2) + 1;
  try {
    const { position } = JSON.parse(new TextDecoder().decode(lines.subarray(start))) as { position?: unknown };
    if (typeof position === 'string') return position;
  } catch {
    // Not JSON.
  }
  throw new DroverProblem('unexpected-answer', 200, `${url} sent something that is not an event`, {});
}
