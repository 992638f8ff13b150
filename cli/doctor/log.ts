import { logIdentity } from '../../adapters/data-dir/log-identity.ts';
import { checkLogMark, createLogMarks } from '../../adapters/data-dir/log-mark.ts';
import { openEventStore } from '../../adapters/event-store/open.ts';
import { formatPosition, parsePosition } from '../../adapters/event-store/position.ts';
import { openSqliteEventStore } from '../../adapters/event-store/sqlite/store.ts';
import type { StoreAddress } from '../../adapters/event-store/store-url.ts';
import { commitOfStored, commitText, isSameCommit } from '../../coordinator/audit/commit-text.ts';
import type { EventStore, Position, StoredEvent } from '../../coordinator/ports/event-store.ts';
import { leafHash } from '../../domain/audit/merkle-tree.ts';
import { plural, relativeTime } from '../output/text.ts';
import { bad, check, type Finding, type Found, good } from './finding.ts';

export interface LogPlace {
  readonly address: StoreAddress;
  /** The data folder, a full path. */
  readonly data: string;
  readonly pool: string;
  /** Folder of the embedded log, `undefined` for an engine of its own. */
  readonly logDir: string | undefined;
  /** Whether a coordinator writes to it now. */
  readonly isHeld: boolean;
}

/** So many of the newest events are read. */
const tail = 2000;
/** How long a server may take to answer. */
const patienceMs = 15_000;

/** The log as it can be read without writing to it: where it ends, whether it belongs to the folder, and whether its newest commits are linked. */
export async function checkLog(place: LogPlace, now: number): Promise<readonly Finding[]> {
  let store: EventStore | undefined;
  try {
    return await check('log', async () => {
      store = await within(openForLooking(place));
      const head = await within(store.head());
      if (head === undefined) return good('it is empty: the first start begins it');
      return [...(await belongs(store, place)), ...(await newest(store, head, place, now))];
    });
  } finally {
    await store?.[Symbol.asyncDispose]();
  }
}

function openForLooking({ address, data, logDir, isHeld }: LogPlace): Promise<EventStore> {
  // Reading a log that nobody writes to would leave files beside it.
  if (logDir !== undefined) return openSqliteEventStore({ dir: logDir, readOnly: true, leaveNothing: !isHeld });
  return openEventStore(address, { dir: data, write: false, as: 'drover doctor' });
}

async function belongs(store: EventStore, { data, pool }: LogPlace): Promise<readonly Found[]> {
  await within(logIdentity(`${data}/log-id`).check(store));
  await using marks = createLogMarks({ folders: [data, pool], onError: () => undefined });
  for (const mark of await marks.read()) await within(checkLogMark(store, mark, data));
  return [good('it is the log that this data folder was made with, and has all that the folder remembers')];
}

async function newest(
  store: EventStore,
  head: Position,
  { logDir, data, address }: LogPlace,
  now: number,
): Promise<readonly Found[]> {
  const whole = `drover events verify ${logDir === undefined ? '--store …' : `--data ${logDir}`} checks all of it`;
  // Only the embedded engine counts its positions, so that one can go back from the end.
  if (address.kind !== 'sqlite') return [good(`it ends at ${head}; ${whole}`)];
  const from = Math.max(0, parsePosition(head) - tail);
  const events: StoredEvent[] = [];
  const wish = { json: 'beside', ...(from > 0 && { after: formatPosition(from) }) } as const;
  for await (const batch of store.readAll(wish)) events.push(...batch.events);
  const last = events.at(-1);
  const ends = good(`it ends at ${head}, with ${last?.type} ${relativeTime(last?.at, now)}`);
  const { commits, fault } = linksOf(events, from === 0);
  if (fault !== undefined)
    return [ends, bad(fault, `do not write to it: drover events verify --data ${data} says more; docs/audit.md`)];
  return [
    ends,
    good(
      `its last ${plural(commits, 'commit')} ${commits === 1 ? 'carries' : 'carry each'} the hash of the one before; ${whole}`,
    ),
  ];
}

/** Whether each commit carries the hash of the one before it, of those that are whole: unless `isWhole`, the first may have begun earlier. */
export function linksOf(
  events: readonly StoredEvent[],
  isWhole: boolean,
): { readonly commits: number; readonly fault?: string } {
  const commits: StoredEvent[][] = [];
  for (const event of events) {
    const current = commits.at(-1);
    if (current !== undefined && isSameCommit(current.at(-1), event)) current.push(event);
    else commits.push([event]);
  }
  let before: string | undefined;
  for (const [at, commit] of commits.entries()) {
    const [first] = commit as [StoredEvent];
    if (at > (isWhole ? 0 : 1) && first.previousHash !== undefined && first.previousHash !== before)
      return {
        commits: commits.length,
        fault: `the commit ${first.commit} (${first.stream}@${first.revision}) at ${first.position} does not carry the hash of the one before it: the log is not as it was written`,
      };
    before = leafHash(commitText(commitOfStored(commit)));
  }
  return { commits: commits.length };
}

async function within<Value>(work: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () =>
      late.reject(
        new Error(`no answer of the event store within ${patienceMs / 1000} s: is it running, and is --store right?`),
      ),
    patienceMs,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
