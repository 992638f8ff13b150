import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeWeb } from '../../scripts/web.ts';
import { startCoordinatorProcess } from '../coordinator-process.ts';
import { median } from '../figures.ts';
import { processorMs } from '../process-figures.ts';
import { type BenchOptions, freshFolder, type Report, type Row, Skipped } from '../row.ts';
import { type Farm, startFarm } from './farm.ts';
import { firstLoad } from './first-load.ts';
import { graphMoves } from './graph.ts';
import { inBrowser } from './in-browser.ts';
import type { Came } from './open-overviews.ts';

const perSecond = 100;

/** What a browser loads first and how soon that shows the farm, and how soon an event is seen. */
export async function seen(report: Report, { work, quick }: BenchOptions): Promise<void> {
  await using scene = await openScene(work);
  const { origin, farm } = scene;
  report(await firstLoad(origin));
  const options = { farm, cookie: await logIn(farm, 'person'), quick, busy: () => startBusy(farm) };
  for (const row of await inBrowser(origin, options)) report(row);
  for (const row of await graphMoves(origin, farm, options.cookie, quick)) report(row);
}

/** What open overviews cost the coordinator, all threads counted, while a hundred events happen a second: in rounds, with none and with all of them. */
export async function open(report: Report, { work, seconds, quick }: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Skipped('reads /proc, which is there on Linux only');
  await using scene = await openScene(work);
  const { origin, farm, pid } = scene;
  const cookies: string[] = [];
  for (let n = 0; n < (quick ? 20 : 200); n++) cookies.push(await logIn(farm, `person-${n}`));
  const cookiesFile = join(scene.dir, 'cookies.json');
  await writeFile(cookiesFile, JSON.stringify(cookies));

  async function measured() {
    await using happening = startBusy(farm);
    await pause(500);
    const [from, before, counted] = [performance.now(), processorMs(pid), happening.events()];
    await pause(Math.max(seconds, quick ? 1 : 5) * 1000);
    const tookMs = performance.now() - from;
    const share = (100 * (processorMs(pid) - before)) / tookMs;
    return { share, tookMs, rate: (1000 * (happening.events() - counted)) / tookMs };
  }

  await measured();
  const found: { none: Row[]; open: Row[] } = { none: [], open: [] };
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    const none = await measured();
    found.none.push({
      key: 'dashboard-none',
      name: `${perSecond} events/s, no overview open`,
      value: none.share,
      unit: '% of a core',
      note: `${none.rate.toFixed(0)} events/s happened`,
    });
    await using overviews = await openOverviews(origin, cookiesFile);
    await measured();
    await overviews.tell();
    const begun = performance.now();
    const { share, rate } = await measured();
    const came = await overviews.tell();
    const each = (count: number): string => ((1000 * count) / (performance.now() - begun) / cookies.length).toFixed(1);
    found.open.push({
      key: 'dashboard-open',
      name: `${cookies.length} open overviews, beyond that`,
      // Of a machine that is busy fewer happen than were to: what those that did cost by themselves is taken off.
      value: share - (none.share * rate) / none.rate,
      unit: '% of a core',
      note: `${rate.toFixed(0)} events/s happened; to each ${each(came.updates)} updates/s, by each ${each(came.requests)} requests/s, ${each(came.bytes / 1000)} kB/s`,
    });
  }
  report(median(found.none));
  report(median(found.open));
}

/** A coordinator in a process of its own, with something to look at. */
async function openScene(work: string) {
  await makeWeb(fileURLToPath(new URL('../..', import.meta.url)));
  const dir = await freshFolder(work, 'dashboard');
  await using resources = new AsyncDisposableStack();
  const coordinator = resources.use(await startCoordinatorProcess(join(dir, 'data')));
  const farm = resources.use(await startFarm(coordinator));
  const kept = resources.move();
  return {
    dir,
    farm,
    origin: coordinator.url.origin,
    pid: coordinator.pid,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Has events happen, evenly, until it is disposed of. */
function startBusy(farm: Farm) {
  const open = new Set<Promise<void>>();
  let events = 0;
  let failed: unknown;
  const timer = setInterval(() => {
    // A coordinator that is late is not asked for ever more.
    if (open.size > 50) return;
    const one = farm.happen().then(
      () => void events++,
      (error: unknown) => {
        failed = error;
      },
    );
    open.add(one);
    void one.then(() => open.delete(one));
  }, 1000 / perSecond);
  return {
    events: () => events,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await Promise.all(open);
      if (failed !== undefined) throw failed;
    },
  };
}

/** @returns the Cookie header of somebody with a token of his own */
async function logIn({ drover }: Farm, name: string): Promise<string> {
  const { secret: token } = await drover.createToken({ name, scope: 'read' });
  const headers = { 'content-type': 'application/json' };
  const { headers: answered } = await drover.request('POST', '/v1/session', {
    headers,
    body: JSON.stringify({ token }),
  });
  return answered.getSetCookie()[0]?.split(';')[0] as string;
}

async function openOverviews(url: string, cookiesFile: string) {
  const child = fork(fileURLToPath(new URL('./open-overviews.ts', import.meta.url)), [url, cookiesFile], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const early = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the overviews ended with ${code}`)));
  early.catch(() => undefined);
  await Promise.race([once(child, 'message'), early]);
  return {
    async tell(): Promise<Came> {
      const told = once(child, 'message');
      child.send('tell');
      const [came] = await Promise.race([told, early]);
      return came;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
