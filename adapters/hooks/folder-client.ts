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
  /** Text of the narinfo of a hash part that is served now. */
  narinfo(hashPart: string): Promise<string | undefined>;
  /** What keeps an item from being served. */
  lackOf(path: string): Promise<string | undefined>;
  /** The file of an item is not what it should be. */
  doubt(path: string): void;
  say(message: string): void;
}

export interface FolderClient extends AsyncDisposable {
  /** @param begun whether something was written there before: a process that is started for the task refuses a folder that does not have it */
  apply(task: FolderTask, begun: boolean): Promise<void>;
  /** Ends the process as soon as it has nothing to do, so that another program may write there; the next task starts one again. */
  rest(): void;
}

interface Writer {
  readonly child: ChildProcess;
  readonly tasks: Map<number, { resolve(): void; reject(error: Error): void }>;
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
    });
    const writer: Writer = { child: started, tasks: new Map() };
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

  function hear({ child: from, tasks }: Writer, message: Exclude<FromFolder, { kind: 'failed' }>): void {
    if (message.kind === 'say') answers.say(message.message);
    else if (message.kind === 'doubt') answers.doubt(message.path);
    else if (message.kind === 'ask') {
      const { id, what, of } = message;
      (what === 'narinfo' ? answers.narinfo(of) : answers.lackOf(of)).then(
        (text) => tell(from, { kind: 'answer', id, text }),
        (error: Error) => tell(from, { kind: 'answer', id, error: error.message }),
      );
    } else {
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
      if (current === undefined || current.tasks.size > 0) return;
      clearTimeout(idle);
      if (current.child.connected) current.child.disconnect();
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
