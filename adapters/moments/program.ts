import { writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import * as z from 'zod';
import { DroverError, isDroverError } from '../../coordinator/errors.ts';
import { beforeFirst, betweenEvents } from '../../coordinator/log/places.ts';
import { foldEvent, type Loaded, loaded } from '../../coordinator/log/recovery.ts';
import { createMomentApplication } from '../../coordinator/moment.ts';
import type { EventStore, Position, StoredEvent } from '../../coordinator/ports/event-store.ts';
import { isEventStoreError } from '../../coordinator/ports/event-store.ts';
import type { Views } from '../../coordinator/ports/views.ts';
import { type ChangeCollector, collectChanges } from '../../projections/changes.ts';
import { createFarm } from '../../projections/farm.ts';
import { wakeDue } from '../../projections/moment.ts';
import { isSqliteFull } from '../data-dir/sqlite-full.ts';
import { createPageFiller } from '../event-feed/page-filler.ts';
import { createSharedPages } from '../event-feed/shared-pages.ts';
import { openEventStore } from '../event-store/open.ts';
import { logUpTo } from '../event-store/up-to.ts';
import { defaultHttpLimits, type ReadContext } from '../http/context.ts';
import { createLogGrowth } from '../http/log-growth.ts';
import { readRoutes } from '../http/read-routes.ts';
import { changesRoute } from '../http/routes/changes.ts';
import { readKeptLogs } from '../log-store/kept-logs.ts';
import { createSystemRuntime } from '../runtime/system-runtime.ts';
import { foldFingerprint } from '../snapshots/fingerprint.ts';
import { createSnapshotFolder } from '../snapshots/folder.ts';
import { openTemporaryViews } from '../views/sqlite/temporary-views.ts';
import type { Edge, FromMoment, ToMoment } from './messages.ts';
import { createMomentServer } from './server.ts';

/** The program of a process that answers what a coordinator answered at a moment that is over. See processes.ts. */

/** Where the coordinator's end of the connection is. */
const connection = 4;
/** Somebody waits for it: behind the coordinator and its agents, and not behind all that a machine is busy with. */
const priority = 10;
/** How often it is told how far the reading is, in milliseconds. */
const tellEvery = 100;
/** How often it says that it is there, in milliseconds. */
const aliveEvery = 1000;
/** How often it is looked at how much memory is taken, once it answers. */
const lookEvery = 1000;

const send = (message: FromMoment): void => void (process.connected && process.send?.(message));

function mustBeWithin(memoryBytes: number): void {
  const used = process.memoryUsage.rss();
  if (used <= memoryBytes) return;
  throw new Error(
    `it takes more memory than it may: expected up to ${memoryBytes} bytes (setting moments.memory-bytes), got ${used}`,
  );
}

/** Reads a log as far as a moment needs, and looks after what that takes. */
function createReader(log: EventStore, { memoryBytes }: ToMoment) {
  let read = 0;
  let told = performance.now();

  function tell(): void {
    const now = performance.now();
    if (now - told < tellEvery) return;
    told = now;
    send({ read });
    mustBeWithin(memoryBytes);
  }

  return {
    get read() {
      return read;
    },
    /** Every event after a place, up to the one at `last`: gives that one. */
    async to(
      last: Position,
      after: Position | undefined,
      take: (event: StoredEvent) => void,
    ): Promise<StoredEvent | undefined> {
      let event: StoredEvent | undefined;
      for await (const batch of logUpTo(log, last).readAll(after === undefined ? {} : { after })) {
        for (event of batch.events) {
          take(event);
          read++;
        }
        tell();
        await turn();
      }
      return event;
    },
  };
}

async function mustBeAt(log: EventStore, position: Position, last: StoredEvent | undefined): Promise<Edge> {
  if (last?.position === position) return { position, at: last.at };
  let next: StoredEvent | undefined;
  for await (const { events } of log.readAll({ limit: 1, ...(last && { after: last.position }) })) next ??= events[0];
  const problem =
    last === undefined ? beforeFirst(position, next) : betweenEvents(position, last.position, next?.position);
  throw new DroverError('invalid-request', `position: ${problem}`);
}

async function newestSnapshot(log: EventStore, told: ToMoment, last: Position): Promise<Loaded | undefined> {
  const dir = told.snapshots;
  const names = await readdir(dir).catch(() => []);
  if (!names.some((name) => name.endsWith('.snapshot'))) return undefined;
  const folder = createSnapshotFolder({ dir, fingerprint: foldFingerprint(), unusable: () => undefined });
  for await (const one of loaded(log, told.policy.storeDir, folder, { upTo: last })) return one;
  return undefined;
}

async function moment(log: EventStore, told: ToMoment, last: Position) {
  const reader = createReader(log, told);
  const views = openTemporaryViews(told.diskBytes);
  const snapshot = await newestSnapshot(log, told, last);
  const farm = snapshot?.farm ?? createFarm();
  let time = 0;
  const logGrowth = createLogGrowth({ monotonic: () => time });
  function view(one: StoredEvent): void {
    views.add(one);
    time = one.at;
    logGrowth.grown(1);
  }
  let event: StoredEvent | undefined;
  if (snapshot !== undefined) event = await reader.to(snapshot.foldedTo.mark.position, undefined, view);
  event =
    (await reader.to(last, event?.position, (one) => {
      foldEvent(farm, one);
      view(one);
    })) ?? event;
  const edge = await mustBeAt(log, last, event);
  wakeDue(farm, edge.at);
  // What was added last is written.
  views.build('');
  const eventStore = logUpTo(log, last);
  const { clock, timers, random } = createSystemRuntime({ keepAlive: true });
  const runtime = { clock: { ...clock, now: () => edge.at }, timers, random };
  const context: ReadContext = {
    application: onlyThese(
      createMomentApplication({ ...told, farm, log: eventStore, runtime, position: last }),
    ) as ReadContext['application'],
    views: { ...views, reached: async () => undefined, trouble: () => undefined } as Pick<
      Views,
      keyof typeof views & keyof Views
    > as Views,
    logs: logsOf(told.logs, views),
    eventStore,
    eventPages: createSharedPages({
      source: createPageFiller(eventStore, timers),
      timers,
      silence: defaultHttpLimits.eventStreamSilence,
    }),
    runtime,
    logGrowth,
    isStill: true,
    // The log has nothing of it.
    diskRoom: () => ({ disks: [] }),
    limits: { ...defaultHttpLimits, ...told.limits },
    closing: new AbortController().signal,
  };
  return { plugins: readRoutes(context), edges: [edge], events: reader.read };
}

/** Those of the logs that are kept now whose attempts had begun. */
function logsOf(dir: string, views: Pick<Views, 'build'>): ReadContext['logs'] {
  const kept = readKeptLogs(dir);
  const had = (build: string, attempt: number): boolean =>
    views.build(build)?.attempts.some((one) => one.attempt === attempt) === true;
  return {
    size: async (build, attempt) => (had(build, attempt) ? kept.size(build, attempt) : 0),
    read: async (build, attempt, wish) => (had(build, attempt) ? kept.read(build, attempt, wish) : undefined),
  };
}

/** No route that reads asks for more: where one comes to, that is found at once. */
function onlyThese<Some extends object>(some: Some): Some {
  return new Proxy(some, {
    get(target, name) {
      if (name in target) return target[name as keyof Some];
      throw new Error(`a moment was asked for ${String(name)}, which it has not`);
    },
  });
}

async function difference(log: EventStore, told: ToMoment, from: Position, to: Position) {
  const reader = createReader(log, told);
  // One that forgets would tell of what has not changed.
  const farm = createFarm(0, false);
  const first = await mustBeAt(log, from, await reader.to(from, undefined, (event) => void foldEvent(farm, event)));
  const changes: ChangeCollector = collectChanges(farm);
  const after = await reader.to(to, from, (event) => changes.event(event, () => void foldEvent(farm, event)));
  const last = from === to ? first : await mustBeAt(log, to, after);
  const plugins = [changesRoute(first, last, changes)];
  return { plugins, edges: [first, last], events: reader.read };
}

async function run(told: ToMoment): Promise<void> {
  setInterval(() => send({ alive: true }), aliveEvery).unref();
  const { wanted, store: address, dir, prefix } = told;
  const log = await openEventStore(address, { dir, write: false, as: 'a moment of drover' });
  const made =
    wanted.kind === 'moment'
      ? await moment(log, told, wanted.position)
      : await difference(log, told, wanted.from, wanted.to);
  const logger = pino(
    { level: 'warn' },
    {
      write(line: string) {
        const { msg, err } = JSON.parse(line) as { msg: string; err?: { stack?: string } };
        send({ said: { message: msg, ...(err?.stack !== undefined && { error: err.stack }) } });
      },
    },
  );
  mustBeWithin(told.memoryBytes);
  const { server } = await createMomentServer({ prefix, plugins: made.plugins, logger });
  server.emit('connection', new Socket({ fd: connection }));
  setInterval(() => {
    try {
      mustBeWithin(told.memoryBytes);
    } catch (error) {
      fail(error);
    }
  }, lookEvery).unref();
  send({ ready: { edges: made.edges, events: made.events } });
}

function wordsOf(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error);
  const { message } = error as Error;
  return isSqliteFull(error)
    ? `its tables take more room than they may (setting moments.disk-bytes), or than the disk of temporary files has: ${message}`
    : message;
}

function fail(error: unknown): void {
  const message = wordsOf(error);
  const code = isDroverError(error) || isEventStoreError(error) ? error.code : undefined;
  const failed: FromMoment = { failed: { message, ...(code !== undefined && { code }) } };
  if (process.connected) process.send?.(failed, () => process.exit());
  else process.exit();
}

process.once('message', (told: ToMoment) => {
  try {
    setPriority(priority);
  } catch {
    // It goes on as it is.
  }
  try {
    // Where memory runs out, this is what can be done without, and not the coordinator.
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Likewise; and where the system has no such file.
  }
  run(told).catch(fail);
});
// The coordinator has gone: nobody asks any more.
process.once('disconnect', () => process.exit());
