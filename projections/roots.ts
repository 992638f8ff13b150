import type { RootEvent } from '../domain/root/events.ts';
import { evolveRoot, initialRoot, type RootState } from '../domain/root/state.ts';
import type { Graph, Item } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

export interface RootRecord {
  readonly name: string;
  state: RootState;
  /** Revision of the last event of its stream. */
  revision: number;
  /** When something was last added to it, milliseconds since the Unix epoch, and whose doing that was. */
  added: { readonly at: number; readonly by: string };
}

/** When some targets of a root expire. */
export interface RootDue {
  readonly until: number;
  /** How long that was to take at most, in milliseconds: no clock makes it longer. */
  readonly longest: number;
}

/** Names under which store items are kept, with all that these refer to, whoever else needs them. */
export interface Roots {
  /** How many there are that keep something. */
  readonly size: number;
  /** Also one that keeps nothing any more. */
  get(name: string): RootRecord | undefined;
  /** Those that keep something. */
  all(): Iterable<RootRecord>;
  /** One that keeps the item for itself. */
  keeping(item: Item): string | undefined;
  /** Items that some root names. */
  targets(): Iterable<Item>;
  /** What of a root expires first. */
  due(name: string): RootDue | undefined;
  apply(name: string, event: RootEvent, revision: number, at: number, by: string): void;
  describe(): Iterable<string>;
}

/** @param released no root names the item any more. */
export function createRoots(
  graph: Pick<Graph, 'internItem'>,
  released: (item: Item) => void,
  memory: Memory = createMemory(),
): Roots {
  const roots = memory.map<string, RootRecord>('roots');
  const there = new Set<RootRecord>();
  memory.part('there', {
    save: () => Array.from(there, ({ name }) => name),
    load(saved: readonly string[]) {
      for (const name of saved) there.add(roots.get(name) as RootRecord);
    },
  });
  const keepers = memory.map<Item, Set<string>>('keepers');

  function keep(name: string, target: string): void {
    const item = graph.internItem(target);
    const names = keepers.get(item);
    if (names === undefined) keepers.set(item, new Set([name]));
    else names.add(name);
  }

  function release(name: string, target: string): void {
    const item = graph.internItem(target);
    const names = keepers.get(item);
    names?.delete(name);
    if (names?.size !== 0) return;
    keepers.delete(item);
    released(item);
  }

  return {
    get size() {
      return there.size;
    },
    get: (name) => roots.get(name),
    all: () => there,
    keeping: (item) => keepers.get(item)?.values().next().value,
    targets: () => keepers.keys(),
    due(name) {
      const root = roots.get(name);
      if (root === undefined) return undefined;
      let until = Number.POSITIVE_INFINITY;
      for (const end of root.state.targets.values()) until = Math.min(until, end);
      return until === Number.POSITIVE_INFINITY ? undefined : { until, longest: Math.max(0, until - root.added.at) };
    },
    apply(name, event, revision, at, by) {
      let root = roots.get(name);
      if (root === undefined) {
        root = { name, state: initialRoot, revision, added: { at, by } };
        roots.set(name, root);
      }
      const before = root.state.targets;
      root.state = evolveRoot(root.state, event);
      root.revision = revision;
      if (event.type === 'RootAdded') {
        root.added = { at, by };
        for (const target of event.data.targets) keep(name, target);
      } else for (const target of before.keys()) if (!root.state.targets.has(target)) release(name, target);
      if (root.state.targets.size > 0) there.add(root);
      else there.delete(root);
    },
    *describe() {
      for (const { name, state, revision, added } of roots.values())
        yield `root ${name} ${revision} ${JSON.stringify({ ...state, targets: [...state.targets], added })}`;
    },
  };
}
