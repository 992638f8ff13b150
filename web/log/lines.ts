const newline = 10;

/**
 * A log as it came, and where its lines begin: 200 MB of it are 200 MB of memory, and what is not looked at is not decoded.
 */
export interface Lines {
  /** Complete ones, and what there is of the last. */
  readonly count: number;
  readonly bytes: number;
  append(chunk: Uint8Array): void;
  /** A line without its end, at most so many bytes of it. */
  line(n: number): string;
  /** The next line after `from` that contains the text, in whichever case; `undefined` where there is none. Lets others have their turn in between. */
  find(text: string, from: number, step: 1 | -1, signal: AbortSignal): Promise<number | undefined>;
}

/** Of one line; who wants more has it downloaded. */
const mostOfLine = 10_000;
const linesPerTurn = 20_000;

export function createLines(): Lines {
  const chunks: Uint8Array[] = [];
  /** Where each chunk begins. */
  const starts: number[] = [];
  let lineStarts = new Float64Array(1024);
  let lines = 1;
  let bytes = 0;
  const decoder = new TextDecoder();

  function begin(at: number): void {
    if (lines === lineStarts.length) {
      const grown = new Float64Array(2 * lines);
      grown.set(lineStarts);
      lineStarts = grown;
    }
    lineStarts[lines++] = at;
  }

  function chunkAt(at: number): number {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((starts[middle] as number) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function slice(from: number, to: number): Uint8Array {
    const whole = new Uint8Array(to - from);
    for (let index = chunkAt(from), at = from; at < to; index++) {
      const start = starts[index] as number;
      const part = (chunks[index] as Uint8Array).subarray(at - start, to - start);
      whole.set(part, at - from);
      at += part.length;
    }
    return whole;
  }

  function line(n: number): string {
    const from = lineStarts[n] as number;
    const end = n + 1 < lines ? (lineStarts[n + 1] as number) - 1 : bytes;
    const to = Math.min(end, from + mostOfLine);
    return decoder.decode(slice(from, to)) + (to < end ? ` … ${end - to} bytes more` : '');
  }

  return {
    get count() {
      // After an end of line there is nothing yet.
      return lineStarts[lines - 1] === bytes ? lines - 1 : lines;
    },
    get bytes() {
      return bytes;
    },
    append(chunk) {
      if (chunk.length === 0) return;
      chunks.push(chunk);
      starts.push(bytes);
      for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, at + 1)) begin(bytes + at + 1);
      bytes += chunk.length;
    },
    line,
    async find(text, from, step, signal) {
      const wanted = text.toLowerCase();
      const count = this.count;
      for (let n = from + step, looked = 0; n >= 0 && n < count; n += step) {
        if (line(n).toLowerCase().includes(wanted)) return n;
        if (++looked % linesPerTurn !== 0) continue;
        await new Promise((resolve) => setTimeout(resolve));
        if (signal.aborted) return undefined;
      }
      return undefined;
    },
  };
}
