/** What a daemon said of its work besides the log of builds. */
export interface DaemonWords {
  /** Its lines, without line feeds, `@ ` lines among them. The last ones of many. */
  readonly lines: readonly string[];
}

/** Takes what a daemon says apart: a build's log, given on as it comes, and the daemon's own lines. */
export interface DaemonLog extends DaemonWords {
  take(text: Buffer): Promise<void>;
  /** What came without a line feed counts as a line. */
  end(): void;
}

/** Before each piece of a build's log, with the number of its bytes. Only where the connection asks for it (`multiplexed-build-output`). */
const logHead = /^@ build-log \d+ (\d+)$/;
const mostLines = 200;
/** Longest line of the daemon's own that is kept whole, in bytes: it names paths. */
const longestLine = 64 * 1024;

export function createDaemonLog(onLog: (chunk: Uint8Array) => void | Promise<void> = () => {}): DaemonLog {
  const lines: string[] = [];
  /** The beginning of a line. */
  let held = Buffer.alloc(0);
  /** Bytes of the build's log that come next. */
  let logBytes = 0;

  function keep(line: Buffer): void {
    if (line.length === 0) return;
    lines.push(line.subarray(0, longestLine).toString());
    if (lines.length > mostLines) lines.shift();
  }

  return {
    lines,
    async take(text) {
      let rest = text;
      while (rest.length > 0) {
        if (logBytes > 0) {
          const chunk = rest.subarray(0, logBytes);
          logBytes -= chunk.length;
          rest = rest.subarray(chunk.length);
          await onLog(chunk);
          continue;
        }
        const end = rest.indexOf(0x0a);
        if (end < 0) {
          held = Buffer.concat([held, rest]);
          // Longer than any line of a daemon: the rest of it says nothing more.
          if (held.length > longestLine) held = held.subarray(0, longestLine);
          return;
        }
        const line = Buffer.concat([held, rest.subarray(0, end)]);
        held = Buffer.alloc(0);
        rest = rest.subarray(end + 1);
        const log = logHead.exec(line.toString('latin1'));
        if (log === null) keep(line);
        else logBytes = Number(log[1]);
      }
    },
    end() {
      keep(held);
      held = Buffer.alloc(0);
    },
  };
}
