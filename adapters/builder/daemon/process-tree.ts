import { readdir, readFile, stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/**
 * Process ids of all that descends from `pid`, nearest first; empty where there is no `/proc`. A builder has a session
 * of its own, so that killing the daemon's process group does not reach it.
 */
export async function descendants(pid: number): Promise<readonly number[]> {
  const found: number[] = [];
  const open = [pid];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const child of await childrenOf(parent)) {
      found.push(child);
      open.push(child);
    }
  }
  return found;
}

async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'latin1').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

/**
 * Process ids of those whose root folder is one of `folders`: builders in their sandbox, whoever is their parent by now. Empty where
 * there is no `/proc`, and where no folder is there.
 */
export async function rootedIn(folders: readonly string[]): Promise<readonly number[]> {
  const identity = (path: string): Promise<string | undefined> =>
    stat(path).then(
      ({ dev, ino }) => `${dev} ${ino}`,
      () => undefined,
    );
  const roots = new Set(await Promise.all(folders.map(identity)));
  roots.delete(undefined);
  if (roots.size === 0) return [];
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const there = await Promise.all(pids.map(async (pid) => roots.has(await identity(`/proc/${pid}/root`))));
  return pids.filter((_, index) => there[index]).map(Number);
}

/** Kills all of them and waits, for two seconds at most, until none runs any more. */
export async function killAndWait(pids: readonly number[]): Promise<void> {
  for (const pid of pids) killHard(pid);
  await waitForEnd(pids);
}

/** Resolves once none of the processes runs, or after some seconds. */
export async function waitForEnd(pids: readonly number[]): Promise<void> {
  for (let look = 0; look < 100; look++) {
    const running = await Promise.all(pids.map(runs));
    if (!running.includes(true)) return;
    await setTimeout(20);
  }
}

/** Whether the process is there and not just waiting to be noticed by its parent. */
async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  return stat !== undefined && !/^\d+ \(.*\) [ZX] /s.test(stat);
}

/** Kills the process, and its group if it leads one; nothing happens if it is gone. */
function killHard(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // Gone already, or no group of that number.
    }
  }
}
