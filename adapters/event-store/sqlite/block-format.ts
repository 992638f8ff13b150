import { isAscii } from 'node:buffer';
import type { JsonWish, Meta, StoredEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import { isLine, makeMeta } from '../encode.ts';
import { formatPosition } from '../position.ts';
import { makeEvent, type Row } from './row.ts';

/**
 * What is in a block of events, as two texts that are compressed for themselves: all that is around their data, by columns, and the data, one
 * JSON text a line. What repeats is beside its like that way, and to know the names of streams takes the first alone.
 *
 * The first has a line of JSON for {@link Shared}, and one for each of {@link columns}: a list with an entry for each event, in order.
 */
export interface BlockTexts {
  readonly head: string;
  readonly data: string;
}

interface Shared {
  /** Position of the first event. */
  readonly first: number;
  readonly count: number;
  readonly kinds: readonly (readonly [type: string, version: number])[];
  readonly whos: readonly (readonly [actor: string, correlation: string | null, trace: string | null])[];
  /** Data that are no line of well-formed JSON, by their number in the block: nothing of Drover's, and kept as they are. Their lines are empty. */
  readonly odd: Readonly<Record<string, string>>;
}
/** `kind` and `who` are places in `kinds` and `whos`. */
interface Columns {
  readonly stream: readonly StreamId[];
  readonly revision: readonly number[];
  readonly kind: readonly number[];
  readonly at: readonly number[];
  readonly commit: readonly string[];
  readonly who: readonly number[];
  readonly causation: readonly (string | null)[];
  readonly previous: readonly (string | null)[];
}
const columns = ['stream', 'revision', 'kind', 'at', 'commit', 'who', 'causation', 'previous'] as const;

/** @param rows of neighbours in the log, with whether their data are well-formed. */
export function writeBlock(rows: readonly Row[]): BlockTexts {
  const kinds = createPlaces<Shared['kinds'][number]>();
  const whos = createPlaces<Shared['whos'][number]>();
  const odd: Record<string, string> = {};
  const lines = rows.map(([, , , , , , , , , , , data, , valid], n) => {
    if (valid === 1 && isLine(data)) return data;
    odd[n] = data;
    return '';
  });
  const lists: Columns = {
    stream: rows.map((row) => row[1]),
    revision: rows.map((row) => row[2]),
    kind: rows.map((row) => kinds.of([row[3], row[4]])),
    at: rows.map((row) => row[5]),
    commit: rows.map((row) => row[6]),
    who: rows.map((row) => whos.of([row[7], row[8], row[10]])),
    causation: rows.map((row) => row[9]),
    previous: rows.map((row) => row[12]),
  };
  const shared: Shared = { first: rows[0]?.[0] ?? 0, count: rows.length, kinds: kinds.all, whos: whos.all, odd };
  const head = [shared, ...columns.map((column) => lists[column])].map((line) => JSON.stringify(line));
  return { head: head.join('\n'), data: lines.join('\n') };
}

function createPlaces<Value>(): { readonly all: Value[]; of(value: Value): number } {
  const all: Value[] = [];
  const places = new Map<string, number>();
  return {
    all,
    of(value) {
      const key = JSON.stringify(value);
      let place = places.get(key);
      if (place === undefined) {
        place = all.push(value) - 1;
        places.set(key, place);
      }
      return place;
    },
  };
}

/** A block that is being read. Events are numbered from 0 within it. Each throws where the text is not what {@link writeBlock} makes. */
export interface BlockHead {
  readonly first: number;
  readonly count: number;
  /** A whole column, which is read when it is first asked for. */
  readonly streams: Columns['stream'];
  readonly revisions: Columns['revision'];
  readonly commits: Columns['commit'];
  type(n: number): string;
  /** @param line gives the event's line of the data. */
  readEvents(): (n: number, line: (n: number) => string, json: JsonWish | undefined) => StoredEvent;
}

export function readBlockHead(head: Buffer): BlockHead {
  const lines = createLines(head);
  const { first, count, kinds, whos, odd } = JSON.parse(lines(0)) as Shared;
  const read = new Map<keyof Columns, unknown>();
  function column<Name extends keyof Columns>(name: Name): Columns[Name] {
    let list = read.get(name) as Columns[Name] | undefined;
    if (list === undefined) {
      list = JSON.parse(lines(1 + columns.indexOf(name))) as Columns[Name];
      if (list.length !== count) throw new TypeError(`Expected ${count} entries of ${name}, got ${list.length}`);
      read.set(name, list);
    }
    return list;
  }
  type Read = ReturnType<BlockHead['readEvents']>;
  let events: Read | undefined;

  function makeReader(): Read {
    const [stream, revision, kind, at] = [column('stream'), column('revision'), column('kind'), column('at')];
    const [commit, who, causation] = [column('commit'), column('who'), column('causation')];
    const previous = column('previous');
    const hasOdd = Object.keys(odd).length > 0;
    /** What most events share, so that it is one object. */
    const metas: Meta[] = whos.map(([actor, correlation, trace]) => makeMeta(actor, correlation, null, trace));
    function metaOf(n: number): Meta {
      const cause = causation[n] as string | null;
      if (cause === null) return metas[who[n] as number] as Meta;
      const [actor, correlation, trace] = whos[who[n] as number] as Shared['whos'][number];
      return makeMeta(actor, correlation, cause, trace);
    }
    return (n, line, json) => {
      const [type, version] = kinds[kind[n] as number] as Shared['kinds'][number];
      const own = hasOdd ? odd[n] : undefined;
      return makeEvent(
        {
          stream: stream[n] as StreamId,
          revision: revision[n] as number,
          position: formatPosition(first + n),
          type,
          version,
          at: at[n] as number,
          commit: commit[n] as string,
          meta: metaOf(n),
        },
        previous[n] as string | null,
        own ?? line(n),
        json,
        json === 'instead' && own === undefined,
      );
    };
  }

  return {
    first,
    count,
    get streams() {
      return column('stream');
    },
    get revisions() {
      return column('revision');
    },
    get commits() {
      return column('commit');
    },
    type: (n) => (kinds[column('kind')[n] as number] as Shared['kinds'][number])[0],
    readEvents: () => (events ??= makeReader()),
  };
}

const lineFeed = 10;

/** The lines of a text, each as a string of its own: one of all of them would be long, and slow to make. */
export function createLines(bytes: Buffer): (n: number) => string {
  // Of plain ASCII, as nearly all is, a string is a copy of bytes.
  const encoding = isAscii(bytes) ? 'latin1' : 'utf8';
  /** Where lines begin, as far as was looked for. */
  const starts = [0];
  let isWhole = false;
  return (n) => {
    while (starts.length <= n + 1 && !isWhole) {
      const end = bytes.indexOf(lineFeed, starts.at(-1));
      isWhole = end < 0;
      starts.push(isWhole ? bytes.length + 1 : end + 1);
    }
    const start = starts[n];
    const next = starts[n + 1];
    if (start === undefined || next === undefined)
      throw new RangeError(`Expected at least ${n + 1} lines, got ${starts.length - 1}`);
    return bytes.toString(encoding, start, next - 1);
  };
}
