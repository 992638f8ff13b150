import type { DroverEvent } from '../../../domain/events.ts';
import { type BuildEntry, createLedger, isOver, type Ledger } from '../../simulation/audit/ledger.ts';
import { insist } from '../../simulation/violation.ts';
import type { Event } from '../../support/e2e/event-feed.ts';
import { leases } from '../plan.ts';

/** Reasons of the deletions that the torture's operators ask for; the collector has its own. */
export const deleted = 'torture: if nobody needs it';
export const forced = 'torture: whoever needs it';

/** The log as a subscriber gets it, event by event, and what must hold at each: the simulation's ledger, and what real clients and files add. */
export interface LogAudit {
  readonly ledger: Ledger;
  /** Names of roots, and until when each of their targets is kept. */
  readonly roots: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Submissions all of whose builds are there. */
  readonly queued: ReadonlySet<string>;
  /** Somebody kills it now. */
  killed(name: string): void;
  /** A coordinator is started now. */
  started(leaseSeconds: number): void;
  /** Number of the last event by which the item went. */
  lastLoss(path: string): number;
  open(): BuildEntry[];
  /** What keeps the build from running that only a person changes; `undefined` where there is nothing. */
  obstacleOf(build: BuildEntry): string | undefined;
  add(event: Event): void;
}

export function createLogAudit(): LogAudit {
  const roots = new Map<string, Map<string, number>>();
  const queued = new Set<string>();
  const losses = new Map<string, number>();
  /** Builds that were made although there was, or might be, what they make. */
  const redone = new Set<string>();
  const reasons = new Map<string, string>();
  const kills = new Set<string>();
  /** Starts of the coordinator, each with how long it lets agents be away, in seconds. */
  const lives: { readonly at: number; readonly lease: number }[] = [];
  /** When each agent went, if it has. */
  const away = new Map<string, number>();
  let position = '';
  let count = 0;
  const ledger = createLedger({
    // What the files are is looked at when the farm rests: by the time that an event is read here its file may have gone.
    isSound: () => true,
    hasSigned: () => true,
    // No event says that an attempt has left its slot.
    hasLeftSlot: () => true,
    isForgetful: true,
    noted: () => {},
  });
  const { derivations, items, builds, makers, everPresent, lackingOf, isAvailable } = ledger;
  const outputsOf = ({ derivation }: BuildEntry): string[] => Object.values(derivations.get(derivation)?.outputs ?? {});

  /** I9: what was not to go whoever needs it, nobody needed. */
  function unpublished(path: string, reason: string): void {
    losses.set(path, count);
    if (reason === forced) return;
    const where = `${path} went at ${position} ("${reason}")`;
    for (const [name, targets] of roots) insist(!targets.has(path), 'I9', `${where}, and root ${name} keeps it`);
    for (const build of builds.values())
      if (!isOver(build))
        insist(
          !derivations.get(build.derivation)?.needs.includes(path),
          'I9',
          `${where}, and build ${build.id} needs it`,
        );
    for (const [other, { references }] of items)
      insist(other === path || !references.includes(path), 'I7', `${where}, and ${other} refers to it`);
  }

  /** No work is done again without a cause: a loss of what it made, or somebody's wish. */
  function allocated(id: string): void {
    const build = builds.get(id) as BuildEntry;
    if (redone.has(id)) return;
    const isThere = outputsOf(build).every(isAvailable);
    insist(
      !isThere,
      'I4',
      `${id} was given out at ${position} (${reasons.get(id)}), and all its outputs were available`,
    );
  }

  /** I11: who only lost its connection, or the coordinator, loses no build. */
  function released(id: string, agent: string, reason: string, at: number): void {
    const where = `${id} was taken back from ${agent} at ${position} (${reason})`;
    if (reason === 'agent-forgot') insist(kills.has(agent), 'I11', `${where}, which was never killed`);
    if (reason !== 'agent-lost') return;
    // Nobody is away for as long as the long leases are, on a machine that is ten times as slow either.
    const since = away.get(agent) ?? 0;
    const isShort = lives.some(({ lease, at: begun }, n) => {
      const ended = lives[n + 1]?.at ?? Number.POSITIVE_INFINITY;
      return lease === leases.short && begun <= at && ended >= since;
    });
    insist(isShort, 'I11', `${where}, which had ${leases.long} s to come back`);
  }

  function root(name: string, event: DroverEvent): void {
    const targets = roots.get(name) ?? new Map<string, number>();
    if (event.type === 'RootAdded') {
      const { until = Number.POSITIVE_INFINITY } = event.data;
      for (const target of event.data.targets) targets.set(target, Math.max(until, targets.get(target) ?? 0));
    } else if (event.type === 'RootExpired') {
      for (const [target, until] of targets) if (until <= event.data.until) targets.delete(target);
    } else if (event.type === 'RootRemoved') {
      for (const target of event.data.targets ?? [...targets.keys()]) targets.delete(target);
    }
    if (targets.size > 0) roots.set(name, targets);
    else roots.delete(name);
  }

  return {
    ledger,
    roots,
    queued,
    killed: (name) => void kills.add(name),
    started: (lease) => void lives.push({ at: Date.now(), lease }),
    lastLoss: (path) => losses.get(path) ?? -1,
    open: () => [...builds.values()].filter((build) => !isOver(build)),
    obstacleOf(build) {
      const lacking = derivations.get(build.derivation)?.needs.flatMap((need) => lackingOf(need)) ?? [];
      for (const item of lacking) {
        const of = new Set((makers.get(item) ?? []).map(({ path }) => path.slice(0, 32)));
        if (of.size === 0) return `the source ${item}`;
        const made = [...builds.values()].filter(({ derivation }) => of.has(derivation));
        const underWay = made.find((one) => !isOver(one));
        if (underWay) return `the build ${underWay.id}`;
        const last = made.at(-1);
        if (last?.standing === 'failed' || last?.standing === 'canceled')
          return `${last.id}, which is ${last.standing}`;
        insist(!everPresent.has(item), 'I5', `${build.id} needs ${item}, which is gone, and nobody builds it again`);
        return `a build of ${item}`;
      }
      return undefined;
    },
    add({ stream, revision, type, data, actor, time, position: at }) {
      position = at;
      const event = { type, data } as DroverEvent;
      const [id, dash] = [stream.slice(stream.indexOf('-') + 1), stream.indexOf('-')];
      if (event.type === 'BuildSubmitted') {
        const { submission, reason } = event.data;
        reasons.set(id, reason);
        if (reason === 'retry' || ledger.submissions.get(submission)?.force) redone.add(id);
      }
      const isNew = event.type === 'BuildAllocated' && event.data.attempt > (builds.get(id)?.agents.length ?? 0);
      if (isNew) allocated(id);
      const commit = { id: `${stream}@${revision}`, stream, expected: 'any', events: [{ type, version: 1, data }] };
      ledger.stored(
        [{ ...commit, meta: { actor }, at: 0 } as never],
        [{ ok: true, revision, position: at, replayed: false } as never],
      );
      if (event.type === 'AgentDisconnected') away.set(id, Date.parse(time));
      else if (event.type === 'BuildReleased') released(id, event.data.agent, event.data.reason, Date.parse(time));
      else if (event.type === 'SubmissionQueued') queued.add(id);
      else if (event.type === 'StoreItemUnpublished') unpublished(event.data.path, event.data.reason);
      else if (event.type === 'StoreItemDeleted' || event.type === 'StoreItemMissing')
        losses.set(event.data.path, count);
      else if (stream.slice(0, dash) === 'root') root(id, event);
      count++;
    },
  };
}
