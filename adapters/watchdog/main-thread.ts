import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { inSources } from '../runtime/source-places.ts';

/** Hundredths of a second: USER_HZ, which Linux shows to programs whatever its own clock does. */
const ticksPerSecond = 100;

/** Processor seconds that the main thread has used; of the whole process where the system does not say it of one thread. */
export function mainThreadSeconds(): number {
  try {
    // Its name, in brackets, may hold anything; after it come fields 3 on, of which 14 and 15 are user and system time.
    const fields = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}

/** The main thread, held where it was. */
export interface Held {
  /** Innermost function first: `function (file:line:column)`. */
  readonly stack: readonly string[];
  /** Ends the process from within the main thread, without any of its handlers. */
  exit(code: number): void;
}

interface CallFrame {
  readonly callFrameId: string;
  readonly functionName: string;
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber?: number };
}

/** Stops the main thread in the middle of what it does, by the debugger; `undefined` where it does not come to a stop in time. */
export function holdMainThread(milliseconds: number): Promise<Held | undefined> {
  const { promise, resolve } = Promise.withResolvers<Held | undefined>();
  const timer = setTimeout(() => resolve(undefined), milliseconds);
  const session = new Session();
  session.connectToMainThread();
  const files = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => files.set(scriptId, url));
  session.on('Debugger.paused', ({ params }) => {
    clearTimeout(timer);
    const frames = params.callFrames as readonly CallFrame[];
    resolve({
      stack: frames.map(({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }) => {
        const place = `${files.get(scriptId)?.replace(/^file:\/\//, '') ?? ''}:${lineNumber + 1}:${columnNumber + 1}`;
        return `${functionName || '(anonymous)'} (${inSources(place)})`;
      }),
      exit(code) {
        const [frame] = frames;
        const expression = `process.reallyExit(${code})`;
        if (frame) session.post('Debugger.evaluateOnCallFrame', { callFrameId: frame.callFrameId, expression });
      },
    });
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
  return promise;
}
