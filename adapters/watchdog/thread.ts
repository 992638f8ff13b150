/** The watchdog's thread: it looks at the main thread now and then, and ends the process where that stands still. */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { Stall } from '../../coordinator/ports/work.ts';
import { readBeats, readWork, type Shared } from './label.ts';
import { type Held, holdMainThread, mainThreadSeconds } from './main-thread.ts';
import { createStallDetector, looksInARow } from './stall-detector.ts';
import { writeStall } from './write-stall.ts';

export interface WatchdogData {
  readonly shared: Shared;
  readonly seconds: number;
  readonly file: string;
  /** Whether the process logs lines of JSON. */
  readonly json: boolean;
}

/** What the process ends with: EX_SOFTWARE of sysexits.h. */
export const stalledExitCode = 70;
/** How long the main thread may take to come to a stop, and to end, in milliseconds. */
const holdMs = 20_000;
const exitMs = 5_000;

if (parentPort === null) throw new TypeError('Expected to be started as a worker thread');
const port = parentPort;
const { shared, seconds, file, json } = workerData as WatchdogData;
const stalledFor = createStallDetector(seconds);

const timer = setInterval(
  () => {
    const used = stalledFor({ beats: readBeats(shared), cpuSeconds: mainThreadSeconds() });
    if (used === undefined) port.postMessage('turn');
    else {
      clearInterval(timer);
      void end(used);
    }
  },
  (seconds * 1000) / looksInARow,
);
port.postMessage('ready');

async function end(used: number): Promise<void> {
  // Before it is held: where it came back meanwhile, it would say something else.
  const work = readWork(shared);
  const held = await holdMainThread(holdMs).catch((): undefined => undefined);
  const stall: Stall = { at: Date.now(), seconds: Math.round(used), work, stack: held?.stack.slice(0, 50) ?? [] };
  try {
    writeStall(file, stall);
  } catch (error) {
    say(stall, ` It could not be written to ${file}: ${error instanceof Error ? error.message : error}.`);
  }
  say(stall, '');
  await leave(held);
}

/** Straight to the file descriptor: the main thread passes nothing on. */
function say({ at, seconds, work, stack }: Stall, more: string): void {
  const over = work === undefined ? '' : ` over ${work.what} ${work.name}`;
  const msg = `the coordinator stood still for ${seconds} s${over}; its watchdog ends it, see ${file}.${more}`;
  const line = json
    ? JSON.stringify({
        level: 60,
        time: new Date(at).toISOString(),
        ...(work && { [work.what]: work.name }),
        stack,
        msg,
      })
    : [`drover: ${msg}`, ...stack.map((frame) => `    at ${frame}`)].join('\n');
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody listens; the file has it.
  }
}

async function leave(held: Held | undefined): Promise<void> {
  held?.exit(stalledExitCode);
  await sleep(held ? exitMs : 0);
  process.kill(process.pid, 'SIGKILL');
}
