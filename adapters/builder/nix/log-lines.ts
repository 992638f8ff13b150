import { withoutErrorFrames } from '../../../domain/build/verdicts/daemon-text.ts';

/** Takes the lines of a build's log as a daemon sends them and gives on what a person should read. */
export interface LogLines {
  take(line: Uint8Array): Promise<void>;
  /** Gives on what was held back. */
  end(): Promise<void>;
}

/** The first of the two lines or more by which older Nix reports, in binary, that the builder could not be started. */
const frameBegins = '\u0001\n';
const frameGoesOn = '\u0005\0\0\0\0\0\0\0Error';
/** How much may be held back for being one of these. */
const mostHeld = 64 * 1024;

export function createLogLines(give: (line: Uint8Array) => void | Promise<void>): LogLines {
  let held: Buffer[] = [];
  let size = 0;

  async function end(): Promise<void> {
    if (held.length === 0) return;
    const text = Buffer.concat(held).toString('latin1');
    held = [];
    size = 0;
    await give(Buffer.from(withoutErrorFrames(text), 'latin1'));
  }

  return {
    async take(line) {
      const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
      if (bytes.toString('latin1') === frameBegins) await end();
      else if (held.length === 0) return give(line);
      held.push(bytes);
      size += bytes.length;
      // The builder's own text that began like one goes on at once.
      const mayBe = held.length === 1 || held[1]?.indexOf(frameGoesOn, 0, 'latin1') === 0;
      if (!mayBe || size > mostHeld) await end();
    },
    end,
  };
}
