const newline = 10;

/**
 * A log as it came, and where some of its lines begin: 200 MB of it are little more than 200 MB of memory, also where all of them are ends of lines,
 * and what is not looked at is not decoded.
 */
export interface Lines {
  /** Complete ones, and what there is of the last. */
  readonly count: number;
  readonly bytes: number;
  append(chunk: Uint8Array): void;
  /** A line without its end, at most so many bytes of it. */
  line(n: number): string;
  /**
   * The next line after `from` that contains the text, in whichever case, also where {@link line} leaves that out; `undefined` where there is
   * none. Lets others have their turn in between.
   */
  find(text: string, from: number, step: 1 | -1, signal: AbortSignal): Promise<number | undefined>;
}

/** Of one line; who wants more has it downloaded. */
const mostOfLine = 10_000;
/** Looked at in one piece, decoded at once: line by line it takes ten times as long. In bytes. */
const searched = 512 * 1024;
/** After so long others have their turn, in milliseconds. */
const turn = 12;
/** Where a line begins is known of one after so many lines or bytes: between two of these it is looked for. */
const linesPerMark = 64;
const bytesPerMark = 16_384;

export function createLines(): Lines {
  const chunks: Uint8Array[] = [];
  /** Where each chunk begins. */
  const chunkStarts: number[] = [];
  /** Lines whose beginnings are known: their numbers, and where they begin. The first always is. */
  let markLines = new Float64Array(64);
  let markStarts = new Float64Array(64);
  let marks = 1;
  let lines = 1;
  let lastStart = 0;
  let bytes = 0;
  /** Where all lines begin from a mark to the next: lines are looked at beside one another. */
  let near: { readonly mark: number; readonly lines: number; readonly starts: readonly number[] } | undefined;
  const decoder = new TextDecoder();

  function begin(at: number): void {
    const isFar =
      lines - (markLines[marks - 1] as number) >= linesPerMark ||
      at - (markStarts[marks - 1] as number) >= bytesPerMark;
    if (isFar) {
      if (marks === markLines.length) {
        markLines = grown(markLines);
        markStarts = grown(markStarts);
      }
      markLines[marks] = lines;
      markStarts[marks++] = at;
    }
    lastStart = at;
    lines++;
  }

  function startOf(n: number): number {
    const mark = lastUpTo(markLines, marks, n);
    if (near?.mark !== mark || near.lines !== lines) near = { mark, lines, starts: startsFrom(mark) };
    return near.starts[n - (markLines[mark] as number)] as number;
  }

  function startsFrom(mark: number): readonly number[] {
    const starts = [markStarts[mark] as number];
    const count = (mark + 1 < marks ? (markLines[mark + 1] as number) : lines) - (markLines[mark] as number);
    for (let index = chunkAt(starts[0] as number); starts.length < count; index++) {
      const [chunk, start] = [chunks[index] as Uint8Array, chunkStarts[index] as number];
      for (let at = Math.max(0, (starts[0] as number) - start); at < chunk.length && starts.length < count; at++)
        if (chunk[at] === newline) starts.push(start + at + 1);
    }
    return starts;
  }

  function chunkAt(at: number): number {
    return lastUpTo(chunkStarts, chunkStarts.length, at);
  }

  /** The line that a byte is in. */
  function lineAt(at: number): number {
    const mark = lastUpTo(markStarts, marks, at);
    let line = markLines[mark] as number;
    for (const byte of slice(markStarts[mark] as number, at)) if (byte === newline) line++;
    return line;
  }

  function slice(from: number, to: number): Uint8Array {
    const whole = new Uint8Array(to - from);
    for (let index = chunkAt(from), at = from; at < to; index++) {
      const start = chunkStarts[index] as number;
      const part = (chunks[index] as Uint8Array).subarray(at - start, to - start);
      whole.set(part, at - from);
      at += part.length;
    }
    return whole;
  }

  function line(n: number): string {
    const from = startOf(n);
    const end = n + 1 < lines ? startOf(n + 1) - 1 : bytes;
    const to = Math.min(end, from + mostOfLine);
    return decoder.decode(slice(from, to)) + (to < end ? ` … ${end - to} bytes more` : '');
  }

  return {
    get count() {
      // After an end of line there is nothing yet.
      return lastStart === bytes ? lines - 1 : lines;
    },
    get bytes() {
      return bytes;
    },
    append(chunk) {
      if (chunk.length === 0) return;
      chunks.push(chunk);
      chunkStarts.push(bytes);
      // By hand: a call for each end of line takes minutes of a log of nothing else.
      for (let at = 0; at < chunk.length; at++) if (chunk[at] === newline) begin(bytes + at + 1);
      bytes += chunk.length;
    },
    line,
    async find(text, from, step, signal) {
      const wanted = text.toLowerCase();
      // Of a letter there may be four bytes, and another number of them in capitals.
      const overlap = 4 * wanted.length;
      const start = step === 1 ? (from + 1 < lines ? startOf(from + 1) : bytes) : 0;
      const limit = step === 1 ? bytes : from < lines ? startOf(Math.max(0, from)) : bytes;
      let since = performance.now();
      for (let at = step === 1 ? start : limit; step === 1 ? at < limit : at > start; at += step * searched) {
        const begin = Math.max(start, step === 1 ? at : at - searched);
        const piece = decoder.decode(slice(begin, Math.min(limit, begin + searched + overlap))).toLowerCase();
        const place = step === 1 ? piece.indexOf(wanted) : piece.lastIndexOf(wanted);
        if (place !== -1) return lineAt(begin) + newlinesIn(piece, place);
        if (performance.now() - since < turn) continue;
        await new Promise((resolve) => setTimeout(resolve));
        if (signal.aborted) return undefined;
        since = performance.now();
      }
      return undefined;
    },
  };
}

/** Before a place. Whatever is decoded, or written small, has as many as it had. */
function newlinesIn(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

function grown(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const more = new Float64Array(2 * numbers.length);
  more.set(numbers);
  return more;
}

/** The place of the last number that is no larger, of so many that grow; the first is. */
function lastUpTo(numbers: { readonly [place: number]: number }, count: number, most: number): number {
  let [low, high] = [0, count - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((numbers[middle] as number) <= most) low = middle;
    else high = middle - 1;
  }
  return low;
}
