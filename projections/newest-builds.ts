import { matchesPattern } from '../domain/hook/match.ts';
import type { Farm } from './farm.ts';
import type { Drv, Item } from './graph.ts';

export interface NewestRule {
  readonly newest: number;
  /** Pattern for the name of the derivation, without `.drv`. */
  readonly derivation?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly per?: readonly string[] | undefined;
}

/** A derivation that was built for somebody who asked for it, or was there already. */
export interface Success {
  readonly drv: Drv;
  readonly tags: Readonly<Record<string, string>>;
  /** What was asked for later has a higher one. */
  readonly order: number;
}

interface Counted {
  readonly path: string;
  readonly outputs: readonly Item[];
  order: number;
}

/** Outputs of the newest derivations that were built, of each name without its version and of each value of some tags. */
export interface NewestBuilds {
  /** The items that count now. */
  readonly items: ReadonlyMap<Item, number>;
  /** @returns whether that changes {@link items}. */
  succeeded(success: Success): boolean;
}

/** What comes before the version, as Nix takes names apart: the version begins with the first `-` that no letter follows. */
export function nameWithoutVersion(name: string): string {
  const at = name.search(/-[^a-zA-Z]/);
  return at <= 0 ? name : name.slice(0, at);
}

export function createNewestBuilds(
  { graph }: Pick<Farm, 'graph'>,
  { newest, derivation, tags = {}, per = [] }: NewestRule,
): NewestBuilds {
  /** Of each group those that count, the newest first, one of each derivation; the graph may forget it. */
  const groups = new Map<string, Counted[]>();
  const items = new Map<Item, number>();

  function outputsOf(drv: Drv): Item[] {
    const outputs: Item[] = [];
    graph.eachOutput(drv, (item) => void outputs.push(item));
    return outputs;
  }

  function count({ outputs }: Counted, by: number): void {
    for (const item of outputs) {
      const uses = (items.get(item) ?? 0) + by;
      if (uses > 0) items.set(item, uses);
      else items.delete(item);
    }
  }

  return {
    items,
    succeeded(success) {
      const { drv, order, tags: own } = success;
      const path = graph.drvPath(drv);
      const name = path.slice(33).replace(/\.drv$/, '');
      if (derivation !== undefined && !matchesPattern(derivation, name)) return false;
      if (!Object.entries(tags).every(([tag, value]) => own[tag] === value)) return false;
      const key = JSON.stringify([nameWithoutVersion(name), ...per.map((tag) => own[tag] ?? null)]);
      const group = groups.get(key) ?? [];
      const known = group.findIndex((other) => other.path === path);
      if (known !== -1 && (group[known] as Counted).order >= order) return false;
      const [before] = known === -1 ? [] : group.splice(known, 1);
      const counted = before ?? { path, order, outputs: outputsOf(drv) };
      counted.order = order;
      const place = group.findIndex((other) => other.order < order);
      group.splice(place === -1 ? group.length : place, 0, counted);
      groups.set(key, group);
      const gone = group.length > newest ? group.pop() : undefined;
      if (gone === counted) return false;
      if (known === -1) count(counted, 1);
      if (gone !== undefined) count(gone, -1);
      return known === -1;
    },
  };
}
