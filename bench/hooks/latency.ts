import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { type HookDefinition, hookDefaults } from '../../domain/hook/definition.ts';
import { createFakeDerivationStore } from '../../test/support/fake-derivation-store.ts';
import { probeFsync } from '../event-store/fsync-probe.ts';
import { admin, startBenchFarm } from '../life/farm.ts';
import { type BenchOptions, freshFolder, type Report } from '../row.ts';
import { rates, reportWaits, secondsAt } from './waits.ts';

const agents = 64;

/**
 * How long an event waits for a hook, at so many matching events a second: from the answer of the event store that it is durable to the
 * delivery being handed to the transport. Beside the hook that is measured, one hangs and one always fails on the same events. What a
 * command or a webhook takes from there on is not measured.
 */
export async function run(report: Report, { work, seconds }: BenchOptions): Promise<void> {
  const fsync = probeFsync(work);
  for (const rate of rates) {
    const waits = await measure(await freshFolder(work, `hooks-${rate}`), rate, secondsAt(rate, seconds));
    const note = `beside a hook that hangs and one that fails; fsync ${fsync.toFixed(2)} ms`;
    reportWaits(report, { key: `hook-${rate}`, name: `event durable → hook started, ${rate}/s` }, waits, note);
  }
  const alone = await measure(await freshFolder(work, 'hooks-alone'), 100, Math.max(seconds, 5), ['measured']);
  const name = 'event durable → hook started, 100/s, alone';
  reportWaits(report, { key: 'hook-alone', name }, alone, `fsync ${fsync.toFixed(2)} ms`);
}

const withTroubles = ['measured', 'hangs', 'fails'];

async function measure(dir: string, rate: number, seconds: number, hooks = withTroubles): Promise<number[]> {
  const durableAt = new Map<string, number>();
  const waits: number[] = [];
  const all = Promise.withResolvers<void>();
  const wanted = Math.ceil(rate * seconds);
  await using real = await openSqliteEventStore({ dir });
  await using bench = await startBenchFarm({
    store: noting(real, durableAt),
    storeDir: '/nix/store',
    derivations: createFakeDerivationStore([]),
    hookTransport: {
      check: async () => undefined,
      deliver({ hook, event }) {
        if (hook === 'hangs') return new Promise(() => undefined);
        if (hook === 'fails') return Promise.resolve({ ok: false, error: 'it always does' });
        const now = performance.now();
        waits.push(now - (durableAt.get(`${event.stream}@${event.revision}`) ?? Number.NaN));
        if (waits.length >= wanted) all.resolve();
        return Promise.resolve({ ok: true });
      },
    },
  });
  const definition: HookDefinition = {
    ...hookDefaults,
    on: ['AgentPaused', 'AgentResumed'],
    target: { kind: 'webhook', url: 'https://bench.example/' },
    concurrency: 64,
    timeoutSeconds: 3600,
  };
  for (let n = 0; n < agents; n++) await bench.application.addAgent(admin, `agent${n}`);
  for (const name of hooks) await bench.application.addHook(admin, name, { definition });
  await new Promise((resolve) => setTimeout(resolve, 100));

  const begun = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(wanted, Math.floor(((performance.now() - begun) / 1000) * rate) + 1);
    for (; sent < due; sent++) {
      const wish = Math.floor(sent / agents) % 2 === 0 ? 'pause' : 'resume';
      bench.application.steerAgent(admin, `agent${sent % agents}`, wish).catch(all.reject);
    }
  }, 1);
  await Promise.race([all.promise, bench.failed]).finally(() => clearInterval(timer));
  return waits;
}

/** Notes when the event store said that an event is durable. */
function noting(store: EventStore, durableAt: Map<string, number>): EventStore {
  return {
    ...store,
    async appendBatch(commits) {
      const results = await store.appendBatch(commits);
      const now = performance.now();
      for (const [index, result] of results.entries()) {
        const { stream, events } = commits[index] as (typeof commits)[number];
        if (result.ok)
          for (let back = 0; back < events.length; back++) durableAt.set(`${stream}@${result.revision - back}`, now);
      }
      return results;
    },
  };
}
