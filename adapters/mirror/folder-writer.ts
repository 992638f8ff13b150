import type { CacheSource } from './cache-source.ts';
import { createFilling } from './filling.ts';
import { FolderError } from './folder-error.ts';
import { type FolderForm, openFolder } from './folder-form.ts';
import { lockCacheFolder } from './folder-lock.ts';
import { createLeaving, longestTimer } from './leaving.ts';
import { makeFolder } from './make-folder.ts';
import { hasMirrorState, mirrorStateName, readMirrorState, writeMirrorState } from './mirror-state.ts';

export interface FolderWriterOptions {
  readonly folder: string;
  /** Identity of the log that the tasks come from: a folder belongs to one. */
  readonly log: string;
  /** Whether something was written there before: a folder without it is another, as one whose disk is not mounted. */
  readonly begun: boolean;
  readonly form: FolderForm;
  /** Text of `nix-cache-info`. */
  readonly cacheInfo: string;
  readonly source: CacheSource & {
    /** Base name of what keeps an item from being served, as it is not there: itself, or what it refers to. `undefined` if it is served. */
    lackOf(path: string): Promise<string | undefined>;
  };
  /** NARs that are brought at a time. */
  readonly connections: number;
  /** Told what an operator may want to know. */
  say(message: string): void;
  /** Told of items whose NAR has other bytes than it should. */
  doubt(path: string): void;
}

/** What follows from one event. */
export interface FolderTask {
  /** Base names of items that are to be in the folder from now on. */
  readonly wanted: readonly string[];
  /** One that was added, deleted, found missing, or found upstream. */
  readonly changed?: string;
  /** It was deleted: it is not wanted any more. */
  readonly deleted?: true;
  /** How long its NAR stays after its narinfo went, for clients that have it still, in milliseconds; not at all if absent. */
  readonly staysMs?: number;
}

/** Keeps a folder what tasks say, as a binary cache. Nobody else writes to it meanwhile. */
export interface FolderWriter extends Disposable {
  /**
   * Resolves once what follows from the task is durable in the folder, or waits for something that the source does not have: that comes
   * with the task by which it changes. What counts is what the source serves by then: tasks may come twice, and in any order.
   */
  apply(task: FolderTask): Promise<void>;
}

interface Pending extends FolderTask {
  resolve(): void;
  reject(error: Error): void;
}

export async function openFolderWriter(options: FolderWriterOptions): Promise<FolderWriter> {
  const { source, say } = options;
  if (options.begun && !hasMirrorState(options.folder))
    throw new FolderError(
      `${options.folder}: expected the folder that was written before, got one without ${mirrorStateName}: is its disk mounted? 'drover hooks replay NAME --from start' fills an empty one`,
    );
  await makeFolder(options.folder);
  using opening = new DisposableStack();
  opening.use(lockCacheFolder(options.folder));
  const { storeDir } = options.form;
  const folder = await openFolder(options.folder, options.form);
  const state = await readMirrorState(
    options.folder,
    "what waited for something is not known any more: 'drover hooks replay NAME --from start' finds it",
    say,
  );
  if (state.source !== undefined && state.source !== options.log)
    throw new FolderError(`${folder.path} has what is of ${state.source}, and this log is ${options.log}`);
  const waiting = new Set(state.waiting);
  const leaving = createLeaving(state.leaving);
  /** By what is not there: the items that wait for it. */
  const waiters = new Map<string, Set<string>>();
  let troubles: string[] = [];
  /** Items in trouble whose NAR is not what it should be. */
  let doubted: string[] = [];
  const filling = createFilling({
    folder,
    source,
    storeDir,
    connections: options.connections,
    waiting,
    leaving,
    keepWaiting: save,
    signal: new AbortController().signal,
    answered: (ask) => ask(),
    received() {},
    published() {},
    trouble(message, path) {
      troubles.push(message);
      say(message);
      if (path === undefined) return;
      doubted.push(path);
      options.doubt(path);
    },
  });
  let saved = '';
  await folder.writeCacheInfo(options.cacheInfo);
  await filling.mend();
  await save();
  /** What an earlier run left is looked at with the first task. */
  let attempt = new Set(waiting);
  let hasWithdrawn = true;

  async function save(): Promise<void> {
    const left = leaving.entries();
    const next = {
      version: 1,
      source: options.log,
      waiting: [...waiting].sort(),
      ...(left && { leaving: left }),
    } as const;
    const text = JSON.stringify(next);
    if (text === saved) return;
    await writeMirrorState(folder.path, next);
    saved = text;
  }

  /** Takes it out where it is not served any more, or with another text. */
  async function look({ changed, deleted, staysMs }: FolderTask): Promise<void> {
    if (changed === undefined) return;
    filling.tryAgain(changed);
    const known = folder.get(changed);
    if (known !== undefined && (await filling.narinfoOf(changed))?.text !== known.text) {
      hasWithdrawn = true;
      waiting.add(changed);
      await save();
      await filling.withdraw(changed, staysMs);
    }
    if (deleted && waiting.has(changed) && (await isAbsent(changed))) waiting.delete(changed);
    for (const waiter of waiters.get(changed) ?? []) attempt.add(waiter);
    waiters.delete(changed);
    attempt.add(changed);
  }

  const isAbsent = async (path: string): Promise<boolean> => (await source.lackOf(path)) === path;

  /** Finds out what it waits for. */
  async function wait(path: string): Promise<void> {
    const lack = await source.lackOf(path);
    // It is there by now: what it waited for was told of already, or will be.
    if (lack === undefined && troubles.length === 0) return void attempt.add(path);
    if (lack !== undefined && lack !== path)
      say(`${path} is not in ${folder.path} yet: the coordinator lacks ${lack}, which it refers to`);
    // The source has it, and something is wrong with it, or with what it refers to: that is found missing there and made anew.
    for (const cause of lack === undefined ? [path, ...doubted] : [lack]) {
      const others = waiters.get(cause) ?? new Set();
      waiters.set(cause, others.add(path));
    }
  }

  async function applyAll(tasks: readonly Pending[]): Promise<void> {
    const before = new Set(waiting);
    for (const { wanted } of tasks) for (const path of wanted) if (await filling.mendOne(path)) hasWithdrawn = true;
    troubles = [];
    doubted = [];
    for (const task of tasks) {
      await look(task);
      for (const path of task.wanted) {
        if (folder.get(path) === undefined) waiting.add(path);
        attempt.add(path);
      }
    }
    // Those that went because what they refer to did.
    for (const path of waiting) if (!before.has(path)) attempt.add(path);
    const trying = [...attempt].filter((path) => waiting.has(path));
    await filling.bring(new Set(trying));
    // What was deleted before anybody came by comes again with the build that makes it again.
    for (const path of new Set(tasks.flatMap(({ wanted }) => wanted)))
      if (waiting.has(path) && !before.has(path) && troubles.length === 0 && (await isAbsent(path)))
        waiting.delete(path);
    attempt = new Set();
    for (const path of trying) if (waiting.has(path)) await wait(path);
    await save();
    if (hasWithdrawn) await sweep();
    hasWithdrawn = false;
  }

  let sweeping: NodeJS.Timeout | undefined;
  /** What stays for a while goes by itself after it; where this process has ended by then, with the first task of the next. */
  async function sweep(): Promise<void> {
    await folder.sweep(leaving.current());
    clearTimeout(sweeping);
    const next = leaving.nextMs();
    if (next === undefined) return;
    const later = (): void => {
      hasWithdrawn = true;
      apply({ wanted: [] }).catch((error: Error) => say(`${folder.path}: ${error.message}`));
    };
    sweeping = setTimeout(later, Math.min(next, longestTimer)).unref();
  }

  const queue: Pending[] = [];
  let isWorking = false;
  /** One round at a time; what comes meanwhile is the next one. */
  async function work(): Promise<void> {
    isWorking = true;
    while (queue.length > 0) {
      const tasks = queue.splice(0);
      try {
        await applyAll(tasks);
        for (const { wanted, resolve, reject } of tasks) {
          const lacking = wanted.find((path) => waiting.has(path));
          // It can be had, and something is wrong with it or with what it refers to.
          if (lacking === undefined || troubles.length === 0) resolve();
          else reject(new Error(`${lacking} could not be had: ${troubles[0]}`));
        }
      } catch (error) {
        for (const { reject } of tasks) reject(error as Error);
      }
    }
    isWorking = false;
  }

  function apply(task: FolderTask): Promise<void> {
    return new Promise((resolve, reject) => {
      queue.push({ ...task, resolve, reject });
      if (!isWorking) void work();
    });
  }

  const owned = opening.move();
  return {
    apply,
    [Symbol.dispose]() {
      clearTimeout(sweeping);
      owned.dispose();
    },
  };
}
