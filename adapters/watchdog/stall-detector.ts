/** What the watchdog sees of the main thread at one look. */
export interface Look {
  /** How often its event loop has answered. */
  readonly beats: number;
  /** Processor time that it has used, in seconds. */
  readonly cpuSeconds: number;
}

/** So many looks in a row have to find nothing new: one alone proves nothing about a machine that was busy elsewhere. */
export const looksInARow = 6;

/**
 * Tells a main thread that computes without end from one that had no chance to: one that was stopped, suspended with its machine, or
 * starved of the processor uses no processor time, and what counts is that alone. One that waits in the kernel uses none either; ending it
 * would not help.
 */
export function createStallDetector(longestSeconds: number): (look: Look) => number | undefined {
  let since: Look | undefined;
  let looks = 0;
  /** Processor seconds of the turn that does not end, once they are too many. */
  return (look) => {
    if (since === undefined || look.beats !== since.beats) {
      since = look;
      looks = 0;
      return undefined;
    }
    looks++;
    const used = look.cpuSeconds - since.cpuSeconds;
    return looks >= looksInARow && used >= longestSeconds ? used : undefined;
  };
}
