import { readdirSync, readFileSync } from 'node:fs';

/** What all threads of a process have run so far, in milliseconds. Source: Linux, Documentation/scheduler/sched-stats.rst. */
export function processorMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const [ran = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(ran) / 1e6;
  }, 0);
}

/** What the main thread of a process has run so far, in milliseconds. */
export function mainThreadMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** What of a process is in memory now, in MiB. Source: proc(5). */
export function residentMiB(pid: number): number {
  const [, kib = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

/** What the threads of this process that are called so have run, in milliseconds; `undefined` where the system does not say. Source: proc(5). */
export function threadMs(name: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const tasks = '/proc/self/task';
  return readdirSync(tasks)
    .filter((thread) => readFileSync(`${tasks}/${thread}/comm`, 'utf8').trim() === name)
    .reduce((sum, thread) => sum + Number(readFileSync(`${tasks}/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6, 0);
}
