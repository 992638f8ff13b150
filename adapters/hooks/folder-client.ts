import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FromFolder, ToFolder } from '../mirror/folder-protocol.ts';
import type { FolderTask } from '../mirror/folder-writer.ts';
import { moduleBeside } from '../runtime/module-beside.ts';

const program = fileURLToPath(moduleBeside('../mirror/folder-process', import.meta.url));
/** A process that has had nothing to do for so long ends; the next task starts another. */
const idleMs = 10 * 60_000;
/** How long one that is to end may take. */
const graceMs = 2000;

/** What the process asks. */
export interface FolderAnswers {
  /** Text of the narinfo of a hash part that is served now, whatever its store directory; `forGuix`, with its signature for Guix. */
  narinfo(hashPart: string, forGuix: boolean): Promise<string | undefined>;
  /**
   * The NAR of what only an upstream has, by the URL in its narinfo; `undefined` where it is not there any more. Rejects where the upstream does not
   * give it now.
   */
  upstreamNar(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** What keeps an item from being served. */
  lackOf(path: string): Promise<string | undefined>;
  /** The file of an item is not what it should be. */
  doubt(path: string): void;
  say(message: string): void;
}

export interface FolderClient extends AsyncDisposable {
  /** @param begun whether something was written there before: a process that is started for the task refuses a folder that does not have it */
  apply(task: FolderTask, begun: boolean): Promise<void>;
  /**
   * Ends the process as soon as it has nothing to do, so that another program may write there; the next task starts one again. Whether it has
   * ended.
   */
  rest(): boolean;
}

interface Writer {
  readonly child: ChildProcess;
  readonly tasks: Map<number, { resolve(): void; reject(error: Error): void }>;
  /** NARs of upstreams that it reads, by the question that opened them. */
  readonly nars: Map<number, { readonly bytes: AsyncIterator<Uint8Array>; readonly end: AbortController }>;
}

/** Has tasks done by a process that writes the folder, started when there is something to do. */
export function createFolderClient(
  open: Omit<Extract<ToFolder, { kind: 'open' }>, 'begun'>,
  answers: FolderAnswers,
): FolderClient {
  let current: Writer | undefined;
  let idle: NodeJS.Timeout | undefined;
  let lastTask = 0;
  let resting = false;

  function start(begun: boolean): Writer {
    const { PATH, TMPDIR, LANG, NODE_COMPILE_CACHE } = process.env;
    const started = fork(program, [], {
      env: { PATH, TMPDIR, LANG, NODE_COMPILE_CACHE },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Bytes of NARs go over it as they are.
      serialization: 'advanced',
    });
    const writer: Writer = { child: started, tasks: new Map(), nars: new Map() };
    let said = '';
    let failure: string | undefined;
    started.stderr?.on('data', (text) => {
      said = `${said}${text}`.slice(-2000);
    });
    started.on('message', (message: FromFolder) => {
      if (message.kind === 'failed') failure = message.error;
      else hear(writer, message);
    });
    const over = (reason: string): void => {
      if (current === writer) current = undefined;
      if (failure === undefined && said !== '') answers.say(`the process that writes ${open.folder} ended: ${said}`);
      for (const { reject } of writer.tasks.values()) reject(new Error(failure ?? reason));
      writer.tasks.clear();
      for (const nar of writer.nars.keys()) leave(writer, nar);
    };
    started.on('error', (error) => over(`the process that writes ${open.folder}: ${error.message}`));
    // Not `exit`, which may be heard of before what it said last.
    started.on('close', (code, signal) => over(`the process that writes ${open.folder} ended (${signal ?? code})`));
    // The coordinator may end without it; it ends with the coordinator.
    started.unref();
    started.channel?.unref();
    (started.stderr as unknown as { unref?(): void })?.unref?.();
    tell(started, { ...open, begun });
    return writer;
  }

  function tell(to: ChildProcess, message: ToFolder): void {
    // One that is gone is seen when it exits.
    if (to.connected) to.send(message, () => {});
  }

  /** The NAR that a writer reads; what it has opened and left, or lost with its process, holds no upstream. */
  function leave({ nars }: Writer, id: number): void {
    nars.get(id)?.end.abort();
    nars.delete(id);
  }

  async function openNar(writer: Writer, id: number, url: string): Promise<{ text?: string }> {
    const end = new AbortController();
    const nar = await answers.upstreamNar(url, end.signal);
    if (nar === undefined) return {};
    if (writer.child.connected) writer.nars.set(id, { bytes: nar[Symbol.asyncIterator](), end });
    else end.abort();
    return { text: url };
  }

  async function readNar({ nars }: Writer, id: number): Promise<{ bytes?: Uint8Array }> {
    const next = await nars.get(id)?.bytes.next();
    return next === undefined || next.done ? {} : { bytes: next.value };
  }

  function hear(writer: Writer, message: Exclude<FromFolder, { kind: 'failed' }>): void {
    const { child: from, tasks } = writer;
    const answer = (id: number, given: Promise<{ text?: string | undefined; bytes?: Uint8Array }>): void =>
      void given.then(
        (what) => tell(from, { kind: 'answer', id, ...what }),
        (error: Error) => tell(from, { kind: 'answer', id, error: error.message }),
      );
    if (message.kind === 'say') answers.say(message.message);
    else if (message.kind === 'doubt') answers.doubt(message.path);
    else if (message.kind === 'ask') {
      const { id, what, of } = message;
      const text = what === 'lack' ? answers.lackOf(of) : answers.narinfo(of, what === 'guix-narinfo');
      answer(
        id,
        text.then((found) => ({ text: found })),
      );
    } else if (message.kind === 'open') answer(message.id, openNar(writer, message.id, message.url));
    else if (message.kind === 'read') answer(message.id, readNar(writer, message.nar));
    else if (message.kind === 'close') leave(writer, message.nar);
    else {
      const task = tasks.get(message.id);
      tasks.delete(message.id);
      if (message.error === undefined) task?.resolve();
      else task?.reject(new Error(message.error));
      if (tasks.size === 0) idle = setTimeout(() => from.connected && from.disconnect(), resting ? 0 : idleMs).unref();
    }
  }

  return {
    apply(task, begun) {
      clearTimeout(idle);
      resting = false;
      if (current?.child.connected !== true) current = start(begun);
      const { child, tasks } = current;
      const id = ++lastTask;
      return new Promise((resolve, reject) => {
        tasks.set(id, { resolve, reject });
        tell(child, { kind: 'apply', id, task });
      });
    },
    rest() {
      resting = true;
      if (current === undefined) return true;
      if (current.tasks.size > 0) return false;
      clearTimeout(idle);
      if (current.child.connected) current.child.disconnect();
      return false;
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(idle);
      const last = current?.child;
      if (last === undefined || last.exitCode !== null) return;
      const exited = once(last, 'exit');
      if (last.connected) last.disconnect();
      const late = setTimeout(() => last.kill('SIGKILL'), graceMs);
      // One that a disk holds cannot be ended by anybody, and is not waited for.
      await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 2 * graceMs).unref())]);
      clearTimeout(late);
    },
  };
}
