/** Lines of one delivery that go to the log; what a command prints beyond that is counted only. */
const mostLines = 100;
const longestLine = 1000;

export interface OutputLog {
  /** The last line that was not empty. */
  readonly lastLine: string;
  readonly write: (chunk: Buffer) => void;
  end(): void;
}

/** Cuts what a command prints into lines for the log, as many as are bearable. */
export function createOutputLog(log: (line: string) => void): OutputLog {
  const decoder = new TextDecoder();
  let rest = '';
  let lines = 0;
  let lastLine = '';

  function line(text: string): void {
    const shown = text.trimEnd().slice(0, longestLine);
    if (shown === '') return;
    lastLine = shown;
    lines++;
    if (lines <= mostLines) log(shown);
  }

  return {
    get lastLine() {
      return rest.trim() === '' ? lastLine : rest.trim().slice(0, longestLine);
    },
    write(chunk) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = (parts.pop() as string).slice(0, longestLine);
      for (const part of parts) line(part);
    },
    end() {
      line(rest);
      rest = '';
      if (lines > mostLines) log(`… and ${lines - mostLines} lines more`);
    },
  };
}
