import type { Item } from '../../projections/graph.ts';
import type { Core } from '../core.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Meta } from '../ports/event-store.ts';
import type { Answer, Asker } from './asking.ts';

const timer = 'upstream-expiry';
const meta: Meta = { actor: 'upstreams' };
/** Asked for at a time, beside whatever else is asked. */
const width = 64;
const eventsPerTurn = 100;
/** An upstream that gives no answer is asked again so often, and believed for so much longer at most: it may only be restarted. */
const againMs = 60_000;
const graceMs = 3_600_000;

/** Asks again for what has expired: what is still there is believed anew, and the rest is lost. */
export interface Expiry {
  resume(): void;
}

export function startExpiry(
  core: Core,
  asker: Asker,
  deadlines: Deadlines,
  expires: (upstream: string) => number,
  search: (paths: readonly string[], meta: Meta) => Promise<unknown>,
  signal: AbortSignal,
): Expiry {
  const { farm, writer, runtime, logger } = core;
  let armed = Number.POSITIVE_INFINITY;
  let isRunning = false;
  /** What expires later than anything that is found now was found by a clock that has been set back since, or under a longer `ttl-seconds`. */
  const isDue = (upstream: string, at: number, now: number): boolean => at <= now || at > expires(upstream);
  /** Until the last of what is found now expires, in milliseconds: no wait is longer, whatever a clock said. */
  const longestMs = (): number =>
    Math.max(0, ...asker.upstreams.map(({ settings }) => expires(settings.name) - runtime.clock.now()));

  function arm(at: number | undefined): void {
    if (at === undefined || at >= armed || isRunning) return;
    armed = at;
    deadlines.set(timer, at, longestMs(), () => {
      armed = Number.POSITIVE_INFINITY;
      run().catch((error: Error) => {
        if (writer.failure !== undefined || signal.aborted) return;
        logger.error({ err: error }, `upstreams could not be asked again; they are in ${againMs / 1000} s`);
        arm(runtime.clock.now() + againMs);
      });
    });
  }

  async function renew(item: Item): Promise<boolean> {
    const known = farm.upstreams.get(item);
    if (known === undefined) return false;
    const { path, upstream } = known;
    const answer = await asker.ask(path, { signal });
    const now = runtime.clock.now();
    const still = farm.upstreams.get(item);
    if (signal.aborted || still?.path !== path || still.expires !== known.expires) return false;
    if (answer === 'unknown' && now < known.expires + graceMs) return false;
    if (typeof answer !== 'string' && answer.references.join() === known.references.join()) {
      const data = { ...answer, expires: expires(answer.upstream) };
      writer.commit(
        'item',
        path.slice(0, 32),
        farm.itemRevision(path),
        [{ type: 'StoreItemFoundUpstream', data }],
        meta,
      );
      return true;
    }
    const event = { type: 'StoreItemLostUpstream', data: { path, upstream, reason: reasonOf(answer) } } as const;
    writer.commit('item', path.slice(0, 32), farm.itemRevision(path), [event], meta);
    // What it refers to now may be nowhere, or lead back to it: that is looked at as for the first time.
    if (typeof answer !== 'string') await search([path], meta);
    return true;
  }

  async function run(): Promise<void> {
    isRunning = true;
    const due: Item[] = [];
    const now = runtime.clock.now();
    for (const { item, upstream, expires: at } of farm.upstreams.all()) if (isDue(upstream, at, now)) due.push(item);
    let next = 0;
    let sinceWait = 0;
    const work = async (): Promise<void> => {
      while (next < due.length && !signal.aborted)
        if ((await renew(due[next++] as Item)) && ++sinceWait % eventsPerTurn === 0) await writer.durable();
    };
    try {
      await Promise.all(Array.from({ length: Math.min(width, due.length) }, work));
    } finally {
      isRunning = false;
    }
    if (signal.aborted || writer.failure !== undefined) return;
    const first = farm.upstreams.nextExpiry();
    const after = runtime.clock.now();
    arm(first === undefined ? undefined : Math.max(first, first <= after ? after + againMs : first));
  }

  writer.listen((_, __, event) => {
    if (event.type === 'StoreItemFoundUpstream') arm(event.data.expires);
  });
  return { resume: () => arm(farm.upstreams.nextExpiry()) };
}

function reasonOf(answer: Answer): string {
  if (answer === 'absent') return 'it does not have it any more';
  if (answer === 'unknown') return 'it gave no answer since it was to be asked again';
  return 'it has it with other references now';
}
