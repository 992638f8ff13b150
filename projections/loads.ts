import { createMemory, type Memory } from './memory.ts';

/** How many builds of a system there are that wait, whatever for, and how many agents have. */
export interface Load {
  readonly queued: number;
  readonly building: number;
}

/** How it was at the end of a minute, or is now, for those systems of which something changed in it. */
export interface LoadMinute {
  /** When the minute began, milliseconds since the Unix epoch. */
  readonly at: number;
  readonly systems: Readonly<Record<string, Load>>;
}

/** What waits and is built, by system, now and by the minute. */
export interface Loads {
  now(): Readonly<Record<string, Load>>;
  /** The minutes of the three hours before an instant, in order; the first has all systems of which something was there. */
  before(now: number): LoadMinute[];
  /** A build of the system has another status. @param before `undefined` of one that is new. */
  moved(system: string, before: string | undefined, after: string, at: number): void;
}

const minute = 60_000;
const kept = 180;
/** Whoever submits names systems. Those beyond are one. */
const mostSystems = 24;
const others = 'others';

const kinds: Readonly<Record<string, keyof Load>> = { queued: 'queued', allocated: 'building', running: 'building' };

export function createLoads(memory: Memory = createMemory()): Loads {
  const current = memory.map<string, Load>('current');
  /** As it was before the first minute that is kept. */
  const base = memory.map<string, Load>('base');
  /** By the minute since the epoch. They follow each other: a clock that is set back changes the last one. */
  const minutes = memory.map<number, Record<string, Load>>('minutes');
  const last = memory.list<number>('last'); // The last of them, alone.

  /** An object cannot have all that a system may be called. */
  const nameOf = (system: string): string =>
    system !== '__proto__' && (current.has(system) || current.size < mostSystems) ? system : others;

  /** Minutes that are too old go into what was before. */
  function leaveOut(until: number): void {
    for (const [key, systems] of minutes) {
      if (key > until) return;
      for (const [name, load] of Object.entries(systems)) base.set(name, load);
      minutes.delete(key);
    }
  }

  return {
    now: () => Object.fromEntries(current),
    before(now) {
      const from = Math.floor(now / minute) - kept;
      const first = Object.fromEntries(base);
      const found: LoadMinute[] = [];
      for (const [key, systems] of minutes)
        if (key <= from) Object.assign(first, systems);
        else found.push({ at: key * minute, systems });
      const there = Object.entries(first).filter(([, { queued, building }]) => queued + building > 0);
      return [{ at: from * minute, systems: Object.fromEntries(there) }, ...found];
    },
    moved(system, before, after, at) {
      const from = kinds[before ?? ''];
      const to = kinds[after];
      if (from === to) return;
      const name = nameOf(system);
      const load: { -readonly [Kind in keyof Load]: number } = { ...(current.get(name) ?? { queued: 0, building: 0 }) };
      if (from !== undefined) load[from]--;
      if (to !== undefined) load[to]++;
      current.set(name, load);
      const key = Math.max(Math.floor(at / minute), last[0] ?? 0);
      last[0] = key;
      const systems = minutes.get(key);
      if (systems !== undefined) systems[name] = load;
      else {
        minutes.set(key, { [name]: load });
        leaveOut(key - kept);
      }
    },
  };
}
