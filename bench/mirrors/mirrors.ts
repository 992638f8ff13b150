import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startCoordinatorProcess } from '../coordinator-process.ts';
import { processorMs, residentMiB } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report, Skipped } from '../row.ts';
import type { ToMirrors } from './follow.ts';

/** Mirrors, and how many items a burst has. */
const rounds = [
  [1, 50],
  [10, 25],
  [50, 10],
] as const;
const narBytes = 20_000;
/** Items that are added one by one, after each burst. */
const singles = 5;

/**
 * What mirrors that follow cost the coordinator, which is a process of its own: while nothing happens; for each item that is added in a
 * burst, or by itself; and, for comparison, what it costs that as many clients fetch the same narinfos and NARs and do nothing else. All
 * threads are counted. Mirrors and clients are in one process, as two cores would not bear fifty; that is not counted.
 */
export async function run(report: Report, { work, quick }: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Skipped('reads /proc, which is there on Linux only');
  const dir = await freshFolder(work, 'mirrors');
  await using coordinator = await startCoordinatorProcess(join(dir, 'data'));
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, coordinator.token);
  /** How the items that are added now begin, and how many of these there are. */
  let name = 'before';
  let items = 0;
  const files: string[] = [];
  async function add(): Promise<void> {
    const { hashPart, url } = await coordinator.add(`${name}-${items++}`, randomBytes(narBytes));
    files.push(`/${hashPart}.narinfo`, `/${url}`);
  }
  async function cost(happens: () => Promise<unknown>): Promise<number> {
    const before = processorMs(coordinator.pid);
    await happens();
    return processorMs(coordinator.pid) - before;
  }
  async function addMany(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await add();
  }
  /** A burst, then items one by one, with time to look for more; what each costs, in ms. */
  async function turn(burst: number, arrived: () => Promise<void>): Promise<{ burst: number; single: number }> {
    async function added(count: number): Promise<void> {
      await addMany(count);
      await arrived();
      await pause(100);
    }
    const ofBurst = await cost(() => added(burst));
    let single = 0;
    for (let n = 0; n < singles; n++) single += await cost(() => added(1));
    return { burst: ofBurst, single };
  }
  await addMany(quick ? 50 : 300);

  for (const [count, most] of rounds) {
    const [burst, turns] = quick ? [Math.ceil(most / 5), 2] : [most, 6];
    const spent = { burst: 0, single: 0, bytes: 0, idle: 0 };
    // What adding costs while nobody follows, before and after: what it costs beyond that is for the mirrors.
    const alone = { burst: 0, single: 0 };
    async function addAlone(): Promise<void> {
      name = `apart-${count}`;
      for (let n = 0; n < turns / 2; n++) {
        const own = await turn(burst, async () => undefined);
        alone.burst += own.burst;
        alone.single += own.single;
      }
    }
    await addAlone();
    const seconds = quick ? 3 : 15;
    let resident = 0;
    {
      name = `for-${count}`;
      items = 0;
      await using mirrors = startMirrors(count, name);
      await add();
      await mirrors.until(items);
      // Connections are made, and what was left to be done is done.
      await pause(quick ? 1000 : 5000);
      spent.idle = await cost(() => pause(seconds * 1000));
      resident = residentMiB(coordinator.pid);
      // In turns: a machine is not the same for long.
      for (let n = 0; n < turns; n++) {
        const start = files.length;
        const { burst: ofBurst, single } = await turn(burst, () => mirrors.until(items));
        spent.burst += ofBurst;
        spent.single += single;
        const came = files.slice(start, start + 2 * burst);
        spent.bytes += await cost(() => mirrors.get(came));
      }
    }
    await addAlone();

    const row = (key: string, name: string, value: number, unit: string, note: string): void =>
      report({
        key: `mirrors-${count}${key}`,
        name: `${count === 1 ? 'a mirror' : `${count} mirrors`}: ${name}`,
        value,
        unit,
        note,
      });
    const micros = (total: number, added: number): number => (1000 * total) / added / count;
    const all = turns * burst;
    row(
      '-idle',
      'nothing happens',
      spent.idle / seconds / 10,
      '% of a core',
      `${spent.idle.toFixed(0)} ms in ${seconds} s, ${resident.toFixed(0)} MiB resident`,
    );
    row(
      '-bytes',
      'the bytes of an item alone',
      micros(spent.bytes, all),
      'µs each',
      `as many clients GET ${all} narinfos and NARs of ${narBytes} bytes`,
    );
    const taken = (own: number, added: number): string =>
      `adding it, ${((1000 * own) / added).toFixed(0)} µs, is taken off`;
    row(
      '',
      'an item of many',
      micros(spent.burst - alone.burst, all),
      'µs each',
      `bursts of ${burst}; ${taken(alone.burst, all)}`,
    );
    const ones = turns * singles;
    row(
      '-single',
      'an item by itself',
      micros(spent.single - alone.single, ones),
      'µs each',
      taken(alone.single, ones),
    );
  }

  /** They want items with that name only, and need not fetch what was there before. */
  function startMirrors(count: number, wanted: string) {
    const child = fork(
      fileURLToPath(new URL('./follow.ts', import.meta.url)),
      [coordinator.url.href, tokenFile, join(dir, `folders-${count}`), `${count}`, wanted],
      { execArgv: ['--disable-warning=ExperimentalWarning'] },
    );
    const early = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the mirrors ended with ${code}`)));
    early.catch(() => undefined);
    async function ask(told: ToMirrors): Promise<void> {
      const done = once(child, 'message');
      child.send(told);
      await Promise.race([done, early]);
    }
    return {
      until: (number: number) => ask({ until: number }),
      get: (paths: readonly string[]) => ask({ get: paths }),
      async [Symbol.asyncDispose]() {
        if (child.exitCode !== null) return;
        const ended = once(child, 'exit');
        child.disconnect();
        await ended;
      },
    };
  }
}
