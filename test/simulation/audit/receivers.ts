import type { Application } from '../../../coordinator/application.ts';
import type { EventStore } from '../../../coordinator/ports/event-store.ts';
import type { HookOutcome, HookTransport } from '../../../coordinator/ports/hook-transport.ts';
import { type HookDefinition, hookDefaults, hookDefinition } from '../../../domain/hook/definition.ts';
import type { Life } from '../life.ts';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../time.ts';
import { insist } from '../violation.ts';

const retry = { maxAttempts: 1000, baseSeconds: 1, maxSeconds: 10 };
const target = { kind: 'command', run: 'simulated' } as const;
const ends = ['BuildSucceeded', 'BuildFailed', 'BuildSatisfied'];
const course = [...ends, 'BuildSubmitted', 'BuildAllocated', 'BuildStarted', 'BuildAttemptFailed', 'BuildReleased'];

/** Holds for each event of a build, as long as what the build is of is known. */
const where = { name: '*' };

/** Hooks of every temper on the same events. */
const hooks: Readonly<Record<string, HookDefinition>> = {
  quick: { ...hookDefaults, target, retry, on: course, where, concurrency: 8 },
  flaky: { ...hookDefaults, target, retry, on: [...ends, 'StoreItemAdded', 'StoreItemDeleted', 'AgentConnected'] },
  ordered: { ...hookDefaults, target, retry, on: ends, where, order: 'all', concurrency: 2 },
  hangs: { ...hookDefaults, target, retry, on: ends, concurrency: 1, timeoutSeconds: 20 },
  parks: { ...hookDefaults, target, retry: { ...retry, maxAttempts: 2 }, on: ends },
};
/** What these owe has to be delivered in the end. */
const reliable = ['quick', 'flaky', 'ordered'];
/** For hooks that operators add and remove: what they are owed begins where they were added. */
export const passingHook = hookDefinition.parse({ ...hookDefaults, target, retry, on: course, where });

interface Receipt {
  readonly id: string;
  readonly stream: string;
  /** Which start of the coordinator delivered it. */
  readonly life: number;
}

export type Receivers = ReturnType<typeof createReceivers>;

/** Receivers of hooks, and the check that each got what it asked for (I10). */
export function createReceivers(time: VirtualTime, random: Random) {
  let life = 0;
  const receipts = new Map<string, Receipt[]>(Object.keys(hooks).map((name) => [name, []]));
  const weather = { hangs: false, fails: false };

  function conduct(hook: string): { readonly ms: number; readonly fails: boolean } | undefined {
    if (hook === 'hangs' || weather.hangs) return undefined;
    const ms = hook === 'quick' ? 1 : random.between(1, 300);
    return { ms, fails: weather.fails || hook === 'parks' || (hook !== 'quick' && random.chance(0.2)) };
  }

  /** For one process: what it began before it was killed may still arrive, and nobody hears the answer. */
  function transport(mine: Life): HookTransport {
    return {
      check: async () => undefined,
      deliver({ hook, event: { stream, revision } }, signal) {
        const at = life;
        return new Promise<HookOutcome>((resolve) => {
          signal.addEventListener('abort', () => resolve({ ok: false, error: 'ended' }));
          const how = conduct(hook);
          // A process that was killed begins nothing more.
          if (how === undefined || !mine.alive) return;
          time.after(how.ms / 2, () => {
            // One that was begun and whose coordinator is gone: the request was on its way, or it was not.
            if (signal.aborted || (!mine.alive && random.chance(0.5))) return;
            if (!how.fails) receipts.get(hook)?.push({ id: `${stream}@${revision}`, stream, life: at });
          });
          time.after(how.ms, () => {
            if (mine.alive) resolve(how.fails ? { ok: false, error: 'simulated' } : { ok: true });
          });
        });
      },
    };
  }

  function auditHook(name: string, definition: HookDefinition, log: readonly { id: string; type: string }[]): void {
    const place = new Map(log.map(({ id }, index) => [id, index]));
    const got = receipts.get(name) as Receipt[];
    const arrived = new Set(got.map(({ id }) => id));
    for (const { id } of got) {
      const type = log[place.get(id) ?? -1]?.type;
      insist(type !== undefined, 'I1', `${name} got ${id}, which is not in the log`);
      insist(definition.on.includes(type), 'I10', `${name} did not ask for ${id}`);
    }
    if (reliable.includes(name))
      for (const { id, type } of log)
        insist(!definition.on.includes(type) || arrived.has(id), 'I10', `${name} never got ${id}, ${type}`);
    // First arrivals come in the order of their stream, or of the log; so does each life for itself.
    const first = new Map<string, number>();
    const inLife = new Map<string, number>();
    const seen = new Set<string>();
    for (const { id, stream, life: at } of got) {
      const key = definition.order === 'all' ? '' : stream;
      const index = place.get(id) as number;
      const before = inLife.get(`${at} ${key}`) ?? -1;
      insist(index > before, 'I10', `${name} got ${id} out of order, or twice from one coordinator`);
      inLife.set(`${at} ${key}`, index);
      if (seen.has(id)) continue;
      seen.add(id);
      insist(index > (first.get(key) ?? -1), 'I10', `${name} got ${id} for the first time after what came later`);
      first.set(key, index);
    }
  }

  return {
    weather,
    transport,
    /** A coordinator runs on the log: the first of a process, or the next after its event store failed. */
    started: () => void life++,
    /** Adds those that are not there yet. */
    async add(application: Application, by: { readonly id: string; readonly scope: 'admin' }): Promise<void> {
      const there = new Set(application.hooks().map(({ name }) => name));
      for (const [name, definition] of Object.entries(hooks))
        if (!there.has(name))
          await application.addHook(by, name, { definition: hookDefinition.parse(definition), from: 'start' });
    },
    /** Whether the reliable ones, and those that operators added, owe nothing any more. */
    isQuiet: (application: Application): boolean =>
      application
        .hooks()
        .every(
          ({ name, state, lag }) =>
            name === 'hangs' || name === 'parks' || state === 'paused' || (lag.events === 0 && lag.exact),
        ),
    /** I10, from the log and from what arrived alone. */
    async audit(store: EventStore): Promise<void> {
      const log: { id: string; type: string }[] = [];
      for await (const { events } of store.readAll({ json: 'instead' }))
        for (const { stream, revision, type } of events) log.push({ id: `${stream}@${revision}`, type });
      for (const [name, definition] of Object.entries(hooks)) auditHook(name, definition, log);
    },
  };
}
