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
  /** Of each group those that count, the newest first, one of each derivation. */
  const groups = new Map<string, Success[]>();
  const items = new Map<Item, number>();

  function count(drv: Drv, by: number): void {
    graph.eachOutput(drv, (item) => {
      const uses = (items.get(item) ?? 0) + by;
      if (uses > 0) items.set(item, uses);
      else items.delete(item);
    });
  }

  return {
    items,
    succeeded(success) {
      const { drv, tags: own } = success;
      const name = graph
        .drvPath(drv)
        .slice(33)
        .replace(/\.drv$/, '');
      if (derivation !== undefined && !matchesPattern(derivation, name)) return false;
      if (!Object.entries(tags).every(([tag, value]) => own[tag] === value)) return false;
      const key = JSON.stringify([nameWithoutVersion(name), ...per.map((tag) => own[tag] ?? null)]);
      const group = groups.get(key) ?? [];
      const known = group.findIndex((other) => other.drv === drv);
      if (known !== -1 && (group[known] as Success).order >= success.order) return false;
      if (known !== -1) group.splice(known, 1);
      const place = group.findIndex(({ order }) => order < success.order);
      group.splice(place === -1 ? group.length : place, 0, success);
      groups.set(key, group);
      const gone = group.length > newest ? group.pop() : undefined;
      if (gone === success) return false;
      if (known === -1) count(drv, 1);
      if (gone !== undefined) count(gone.drv, -1);
      return known === -1;
    },
  };
}
