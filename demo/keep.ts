import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { killGroup, type Service } from './service.ts';
import type { Services } from './services.ts';
import { isWorkspace, removeWorkspace, type Workspace } from './workspace.ts';

const recordName = 'running.json';
const recordSchema = z.array(z.strictObject({ name: z.string(), pid: z.int().min(2) }));

/** Writes down which services there are, for {@link stopKept}. */
export async function record(workspace: Workspace, services: readonly Service[]): Promise<void> {
  const pids = services.map(({ name, pid }) => ({ name, pid }));
  await writeFile(workspace.file(recordName), `${JSON.stringify(pids)}\n`);
}

/** Resolves when `signal` aborts. Rejects when one of the services ends before that. */
export async function stay(services: Services, signal: AbortSignal): Promise<void> {
  const any = AbortSignal.any([signal, services.lost]);
  // The services keep this process from ending.
  if (!any.aborted) await once(any, 'abort');
  if (!signal.aborted) throw services.lost.reason;
}

/** Stops what goes on by what {@link record} has written, but for this very process; the last one first. Then removes the folder. */
export async function stopKept(folder: string, say: (line: string) => void): Promise<void> {
  if (!isWorkspace(folder)) throw new TypeError(`--stop: expected a folder that the demo has made, got ${folder}`);
  const services = recordSchema.parse(JSON.parse(await readFile(join(folder, recordName), 'utf8')));
  for (const { name, pid } of services.reverse()) {
    if (pid === process.pid || !(await isOurs(pid, folder))) continue;
    say(`stopping ${name}`);
    process.kill(pid, 'SIGTERM');
    const limit = Date.now() + 10_000;
    while (await isOurs(pid, folder)) {
      if (Date.now() > limit) killGroup(pid);
      await sleep(50);
    }
  }
  await removeWorkspace(folder);
  say(`removed ${folder}`);
}

/** Whether the process is still the one that was started on this folder: a number may have gone to another since. */
async function isOurs(pid: number, folder: string): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.includes(folder);
}
