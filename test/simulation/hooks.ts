import assert from 'node:assert/strict';
import type { Application } from '../../coordinator/application.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { HookOutcome, HookTransport } from '../../coordinator/ports/hook-transport.ts';
import { type HookDefinition, hookDefaults } from '../../domain/hook/definition.ts';
import type { VirtualTime } from './time.ts';

const admin = { id: 'admin', scope: 'admin' } as const;
const retry = { maxAttempts: 1000, baseSeconds: 1, maxSeconds: 10 };
const target = { kind: 'command', run: 'simulated' } as const;
const ends = ['BuildSucceeded', 'BuildFailed', 'BuildSatisfied'];
const course = [...ends, 'BuildSubmitted', 'BuildAllocated', 'BuildStarted', 'BuildAttemptFailed', 'BuildReleased'];

/** Hooks of every temper on the same events. */
const hooks: Readonly<Record<string, HookDefinition>> = {
  quick: { ...hookDefaults, target, retry, on: course, concurrency: 8 },
  slow: { ...hookDefaults, target, retry, on: course, concurrency: 2 },
  flaky: { ...hookDefaults, target, retry, on: course },
  ordered: { ...hookDefaults, target, retry, on: ends, order: 'all' },
  away: { ...hookDefaults, target, retry, on: ['StoreItemAdded', 'AgentConnected'] },
  hangs: { ...hookDefaults, target, retry, on: course, concurrency: 1, timeoutSeconds: 20 },
  parks: { ...hookDefaults, target, retry: { ...retry, maxAttempts: 2 }, on: ends },
};
/** What these owe has to be delivered in the end. */
const reliable = ['quick', 'slow', 'flaky', 'ordered', 'away'];

interface Receipt {
  readonly id: string;
  readonly stream: string;
  readonly revision: number;
  /** Which start of the coordinator delivered it. */
  readonly life: number;
}

/** Receivers of hooks, and the check that each got what it asked for (I10). */
export function createSimulatedReceivers(time: VirtualTime) {
  let life = 0;
  const receipts = new Map<string, Receipt[]>(Object.keys(hooks).map((name) => [name, []]));
  const begun = time.now();
  function conduct(hook: string): { readonly ms: number; readonly fails: boolean } | undefined {
    if (hook === 'hangs') return undefined;
    const ms = hook === 'quick' ? 1 : hook === 'slow' ? 300 + time.random() * 1000 : time.random() * 100;
    const isAway = hook === 'away' && (time.now() - begun) % 40_000 < 15_000;
    return { ms, fails: isAway || (hook !== 'quick' && hook !== 'slow' && time.random() < 0.3) || hook === 'parks' };
  }

  /** For one process: what it began before it was killed may still arrive, and nobody hears the answer. */
  function transport(isAlive: () => boolean): HookTransport {
    return {
      check: async () => undefined,
      deliver({ hook, event: { stream, revision } }, signal) {
        const mine = life;
        return new Promise<HookOutcome>((resolve) => {
          signal.addEventListener('abort', () => resolve({ ok: false, error: 'ended' }));
          const how = conduct(hook);
          // A process that was killed begins nothing more.
          if (how === undefined || !isAlive()) return;
          time.after(how.ms / 2, () => {
            // One that was begun and whose coordinator is gone: the request was on its way, or it was not.
            if (signal.aborted || (!isAlive() && time.random() < 0.5)) return;
            if (!how.fails) receipts.get(hook)?.push({ id: `${stream}@${revision}`, stream, revision, life: mine });
          });
          time.after(how.ms, () => {
            if (isAlive()) resolve(how.fails ? { ok: false, error: 'simulated' } : { ok: true });
          });
        });
      },
    };
  }

  return {
    transport,
    /** The coordinator starts again, after a kill or a failure of its store. */
    started: () => void life++,
    /** Adds those that are not there yet. */
    async add(application: Application): Promise<void> {
      const there = new Set(application.hooks().map(({ name }) => name));
      for (const [name, definition] of Object.entries(hooks))
        if (!there.has(name)) await application.addHook(admin, name, { definition, from: 'start' });
    },
    /** Whether the reliable ones owe nothing any more. */
    isQuiet: (application: Application): boolean =>
      application.hooks().every(({ name, lag }) => !reliable.includes(name) || (lag.events === 0 && lag.exact)),
    /** I10, from the log and from what arrived alone. */
    async audit(log: EventStore): Promise<void> {
      const all: { id: string; type: string; stream: string; revision: number }[] = [];
      for await (const { events } of log.readAll())
        for (const { stream, revision, type } of events)
          all.push({ id: `${stream}@${revision}`, type, stream, revision });
      const place = new Map(all.map(({ id }, index) => [id, index]));
      const checkpoints = all.filter(({ type }) => type === 'HookCheckpointed').length;
      assert.ok(checkpoints > 0, 'hooks write down how far they are');
      for (const [name, definition] of Object.entries(hooks)) {
        const got = receipts.get(name) as Receipt[];
        const wanted = all.filter(({ type }) => definition.on.includes(type));
        const arrived = new Set(got.map(({ id }) => id));
        assert.ok(wanted.length > 0, name);
        for (const { id } of got)
          assert.ok(
            definition.on.includes(all[place.get(id) as number]?.type ?? ''),
            `I10: ${name} did not ask for ${id}`,
          );
        if (reliable.includes(name))
          for (const { id } of wanted) assert.ok(arrived.has(id), `I10: ${name} never got ${id}`);
        // First arrivals come in the order of their stream, or of the log; so does each life for itself.
        const first = new Map<string, number>();
        const inLife = new Map<string, number>();
        for (const { id, stream, life } of got) {
          const key = definition.order === 'all' ? '' : stream;
          const at = place.get(id) as number;
          const before = inLife.get(`${life} ${key}`) ?? -1;
          assert.ok(at > before, `I10: ${name} got ${id} out of order, or twice from one coordinator`);
          inLife.set(`${life} ${key}`, at);
          first.set(key, Math.max(first.get(key) ?? -1, at));
        }
        for (const key of first.keys()) {
          let last = -1;
          const seen = new Set<string>();
          for (const { id, stream } of got) {
            if ((definition.order === 'all' ? '' : stream) !== key || seen.has(id)) continue;
            seen.add(id);
            const at = place.get(id) as number;
            assert.ok(at > last, `I10: ${name} got ${id} for the first time after what came later`);
            last = at;
          }
        }
      }
      assert.ok(
        all.some(({ type }) => type === 'HookParked'),
        'what always fails is parked',
      );
    },
  };
}
