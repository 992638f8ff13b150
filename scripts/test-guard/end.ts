import { writeSync } from 'node:fs';
import { holdMainThread } from '../../adapters/watchdog/main-thread.ts';
import { descendants } from './descendants.ts';

/** How long the main thread may take to come to a stop, in milliseconds. */
const holdMs = 5_000;

/** What hangs: what is wrong with which file, in which of its tests, and what else is known. */
export interface Hanging {
  readonly what: string;
  readonly running: readonly string[];
  /** Files that share the process, and end with it before their end. */
  readonly left: readonly string[];
  readonly more: readonly string[];
}

export async function endBlocked(hanging: Omit<Hanging, 'more'>): Promise<void> {
  const held = await holdMainThread(holdMs).catch((): undefined => undefined);
  const more = held?.stack.map((frame) => `at ${frame}`) ?? ['outside of JavaScript: in the system, or for a process'];
  end({ ...hanging, more });
}

/** Straight to the file descriptor: the main thread passes nothing on. What the process started ends first, as later it has no parent. */
export function end({ what, running, left, more }: Hanging): void {
  const children = descendants(process.pid);
  const lines = [
    `${what}, and is ended.`,
    ...running.map((name) => `in ${JSON.stringify(name)}`),
    ...more,
    ...left.map((file) => `with ${file}, which is not done`),
    ...children.map(({ pid, command }) => `with process ${pid}: ${command}`),
  ];
  writeSync(2, `${lines.join('\n    ')}\n`);
  for (const { pid } of children) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
  process.kill(process.pid, 'SIGKILL');
}
