import type { Commit } from '../../../coordinator/ports/event-store.ts';
import type { DroverEvent } from '../../../domain/events.ts';
import { insist } from '../violation.ts';

export interface KeptRoot {
  readonly source: string;
  /** By base name: when that ends by the clock, and when it was added by virtual time. */
  readonly targets: Map<string, { readonly until: number; readonly added: number }>;
}

interface Known {
  readonly references: readonly string[];
  /** Virtual time of the decision. */
  readonly added: number;
}

interface Going {
  readonly decided: number;
  /** How long its bytes were to stay, in milliseconds. */
  readonly wait: number;
}

/** What the audit of what is kept has to be told beside the log. */
export interface KeepGround {
  /** Virtual time at which the commit was decided, and when a clock has jumped last. */
  decidedAt(commit: Commit): number;
  readonly lastJump: number;
  /** How long clients may keep a narinfo, in milliseconds. */
  readonly narinfoMs: number;
  /** What unfinished builds need, by base name. */
  needs(): Iterable<string>;
  /** Uploads under way, and since when. */
  uploads(): Iterable<{ readonly references: readonly string[]; readonly begun: number }>;
  /** Items that are present. */
  isPresent(path: string): boolean;
}

/** Milliseconds that clocks and what is rounded may differ by. */
const slack = 5;

/**
 * I9: what roots, unfinished builds, uploads and what is new keep does not go, and no bytes go while somebody may know of them. All of it is
 * worked out anew for each item that goes, by brute force.
 */
export function auditKeep(ground: KeepGround) {
  const roots = new Map<string, KeptRoot>();
  /** All items that ever were there, as they were last. */
  const known = new Map<string, Known>();
  const going = new Map<string, Going>();
  /** Items that somebody has deleted whoever needs them, and without a wait. */
  const forcedItems = new Set<string>();
  const atOnce = new Set<string>();
  /** How the collection goes about it that is under way. */
  const collecting = { graceMs: 0, now: false as boolean | undefined, scheduledGraceMs: 0 };
  let [rootChanges, removals, collected] = [0, 0, 0];

  function reachable(seeds: Iterable<string>): Set<string> {
    const found = new Set(seeds);
    for (const path of found) for (const reference of known.get(path)?.references ?? []) found.add(reference);
    return found;
  }

  function* targets(): Generator<string> {
    for (const root of roots.values()) yield* root.targets.keys();
  }

  function checkCollected(where: string, path: string, commit: Commit): void {
    collected++;
    const decided = ground.decidedAt(commit);
    insist(!reachable(targets()).has(path), 'I9', `${where}: ${path} was collected, and a root keeps it`);
    insist(!reachable(ground.needs()).has(path), 'I9', `${where}: ${path} was collected, and a build needs it`);
    const uploads = [...ground.uploads()].filter(({ begun }) => begun < decided);
    const uploading = reachable(uploads.flatMap(({ references }) => references));
    insist(!uploading.has(path), 'I9', `${where}: ${path} was collected, and an upload refers to it`);
    const graceMs = commit.meta.actor === 'collections' ? collecting.scheduledGraceMs : collecting.graceMs;
    const isNew = ([one, { added }]: [string, Known]): boolean =>
      ground.isPresent(one) && added > ground.lastJump && decided - added < graceMs - slack;
    const recent = [...known].filter(isNew).map(([one]) => one);
    insist(!reachable([...recent]).has(path), 'I9', `${where}: ${path} was collected, and it is new, or of what is`);
  }

  function checkDeleted(where: string, path: string): void {
    if (forcedItems.has(path)) return;
    const root = [...targets()].includes(path);
    insist(!root, 'I9', `${where}: ${path} was deleted without force, and a root keeps it`);
    const needed = [...ground.needs()].includes(path);
    insist(!needed, 'I9', `${where}: ${path} was deleted without force, and a build needs it`);
    for (const [other, { references }] of known)
      if (other !== path && ground.isPresent(other))
        insist(
          !references.includes(path),
          'I9',
          `${where}: ${path} was deleted without force, and ${other} refers to it`,
        );
  }

  function rootEvent(where: string, name: string, event: DroverEvent, commit: Commit): void {
    const at = ground.decidedAt(commit);
    if (event.type === 'RootAdded') {
      const { source, until = Number.POSITIVE_INFINITY } = event.data;
      const root: KeptRoot = { source, targets: roots.get(name)?.targets ?? new Map() };
      for (const target of event.data.targets)
        if ((root.targets.get(target)?.until ?? 0) < until) root.targets.set(target, { until, added: at });
      roots.set(name, root);
    } else if (event.type === 'RootRemoved') {
      const root = roots.get(name);
      insist(root, 'I4', `${where}: of a root that there is not`);
      for (const target of event.data.targets ?? [...root.targets.keys()]) root.targets.delete(target);
      removals++;
    } else if (event.type === 'RootExpired') {
      for (const [target, { until, added }] of roots.get(name)?.targets ?? []) {
        if (until > event.data.until) continue;
        if (added > ground.lastJump)
          insist(commit.at >= until - slack, 'I9', `${where}: ${target} was to be kept for longer`);
        roots.get(name)?.targets.delete(target);
      }
    } else return;
    rootChanges++;
    if (roots.get(name)?.targets.size === 0) roots.delete(name);
  }

  return {
    roots,
    forcedItems,
    atOnce,
    collecting,
    get rootChanges() {
      return rootChanges;
    },
    /** How often something was removed from a root. */
    get removals() {
      return removals;
    },
    /** How many items collections have taken. */
    get collected() {
      return collected;
    },
    /** To be called before the event is applied. */
    add(where: string, category: string, id: string, event: DroverEvent, commit: Commit): void {
      if (category === 'root') rootEvent(where, id, event, commit);
      if (event.type === 'StoreItemAdded') {
        const { path, references } = event.data;
        known.set(path, { references, added: ground.decidedAt(commit) });
        going.delete(path);
      } else if (event.type === 'StoreItemFoundUpstream') {
        // What it refers to is needed with it; it is no item of the pool, so it is never new.
        const { path, references } = event.data;
        if (!ground.isPresent(path)) known.set(path, { references, added: Number.NEGATIVE_INFINITY });
      } else if (event.type === 'StoreItemUnpublished') {
        const { path, until } = event.data;
        const isCollected = commit.meta.correlation?.startsWith('gc-');
        if (isCollected) checkCollected(where, path, commit);
        else checkDeleted(where, path);
        if (isCollected && collecting.now) atOnce.add(path);
        const wait = until - commit.at;
        if (!atOnce.has(path))
          insist(wait >= ground.narinfoMs, 'I9', `${where}: ${path} goes after ${wait} ms, with narinfos about`);
        going.set(path, { decided: ground.decidedAt(commit), wait });
      } else if (event.type === 'StoreItemDeleted') {
        const { path } = event.data;
        const entry = going.get(path);
        going.delete(path);
        if (entry === undefined || atOnce.has(path) || entry.decided <= ground.lastJump) return;
        const waited = ground.decidedAt(commit) - entry.decided;
        insist(
          waited >= entry.wait - slack,
          'I9',
          `${where}: the bytes of ${path} go after ${waited} ms, and clients may know of them for ${entry.wait} ms`,
        );
      }
    },
    /** In the end: what was kept for a while is kept no more once that is over. */
    end(now: number): void {
      for (const [name, { targets: all }] of roots)
        for (const [target, { until, added }] of all)
          if (added > ground.lastJump)
            insist(until + 1000 > now, 'I5', `the root ${name} keeps ${target} for longer than it was to`);
    },
  };
}
