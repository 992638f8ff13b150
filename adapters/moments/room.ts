/** What is known of who asks one of the moments. Times in milliseconds, by the monotonic clock. */
export interface Use {
  /** Whom it is answering now, and since when. */
  readonly holds: Iterable<{ readonly by: string; readonly since: number }>;
  /** When each who asked it was answered last. */
  readonly users: ReadonlyMap<string, number>;
}

/** One that was asked so short a time ago will be asked again. */
const restMs = 2000;
/** An answer that goes on for so long is one that is followed, or read slowly: it keeps no place from others. */
const longMs = 30_000;
/** Who reads what a page shows asks for nothing meanwhile: for so long nobody takes his place who has one. */
const readingMs = 60_000;

/**
 * Which one is ended for another that somebody asks for: the least recently asked that nobody uses, his own before others'. Where all are used, who uses
 * none has one of somebody who uses several: however many one token asks for, others come to theirs.
 *
 * @returns `undefined` where there is none
 */
export function toEnd<One extends Use>(all: readonly One[], by: string, now: number): One | undefined {
  const uses = all.map((one) => ({ one, by: usersOf(one, now), last: lastAsked(one) })).sort((a, b) => a.last - b.last);
  const free = uses.filter(({ by: users }) => users.size === 0);
  const own = free.find(({ one }) => !isReadBy(others(by), one, now));
  if (own !== undefined) return own.one;
  const hasOne = uses.some(({ by: users }) => users.has(by));
  if (hasOne) return undefined;
  const [first] = free;
  if (first !== undefined) return first.one;
  const alone = uses.filter(({ by: users }) => users.size === 1);
  const greedy = alone.find(({ by: [user] }) => alone.filter(({ by: [another] }) => another === user).length > 1);
  return greedy?.one;
}

const others = (by: string) => (user: string) => user !== by;

/** Those who use it now. */
function usersOf({ holds, users }: Use, now: number): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { by, since } of holds) if (now - since < longMs) found.add(by);
  for (const [by, last] of users) if (now - last <= restMs) found.add(by);
  return found;
}

function lastAsked({ holds, users }: Use): number {
  return Math.max(Number.NEGATIVE_INFINITY, ...Array.from(holds, ({ since }) => since), ...users.values());
}

function isReadBy(wanted: (user: string) => boolean, { holds, users }: Use, now: number): boolean {
  const asked = [...Array.from(holds, ({ by, since }) => [by, since] as const), ...users];
  return asked.some(([by, last]) => wanted(by) && now - last < readingMs);
}
