import type { RootRefusal } from '../../domain/root/decide.ts';
import type { Farm } from '../../projections/farm.ts';
import type { RootRecord } from '../../projections/roots.ts';
import type { Application } from '../application.ts';
import { DroverError } from '../errors.ts';

export interface RootStatus {
  readonly name: string;
  /** Who keeps it. */
  readonly source: 'api' | 'submission' | 'config';
  /** How many store items it names, and how many of them are not available. */
  readonly targets: number;
  readonly unavailable: number;
  /** When something was added last, milliseconds since the Unix epoch, and by whom. */
  readonly addedAt: number;
  readonly addedBy: string;
  /** When something of it expires first. */
  readonly until?: number;
}

export interface RootDetail extends RootStatus {
  readonly kept: readonly {
    readonly item: string;
    readonly state: 'available' | 'unpublished' | 'unavailable';
    readonly until?: number;
  }[];
}

/** Roots as they are told of, from the farm alone. */
export type RootStatuses = Pick<Application, 'roots' | 'root'> & {
  /** @throws DroverError where there is none that keeps something */
  find(name: string): RootRecord;
  detailOf(root: RootRecord): RootDetail;
};

/** @param nameOf what whoever added something is called. */
export function createRootStatuses(
  { graph, availability, roots, unpublished }: Pick<Farm, 'graph' | 'availability' | 'roots' | 'unpublished'>,
  nameOf: (actor: string) => string,
): RootStatuses {
  function find(name: string): RootRecord {
    const root = roots.get(name);
    if (root === undefined || root.state.targets.size === 0) throw refusal(name, { code: 'unknown-root' });
    return root;
  }

  function isAvailable(target: string): boolean {
    const item = graph.itemOf(target);
    return item !== undefined && availability.isAvailable(item);
  }

  function statusOf({ name, state, added }: RootRecord): RootStatus {
    const { source, targets } = state;
    const first = [...targets.values()].reduce((least, end) => Math.min(least, end), Number.POSITIVE_INFINITY);
    let unavailable = 0;
    for (const target of targets.keys()) if (!isAvailable(target)) unavailable++;
    return {
      name,
      source,
      targets: targets.size,
      unavailable,
      addedAt: added.at,
      addedBy: nameOf(added.by),
      ...(first !== Number.POSITIVE_INFINITY && { until: first }),
    };
  }

  function detailOf(root: RootRecord): RootDetail {
    const kept = Array.from(root.state.targets, ([item, until]) => {
      const known = graph.itemOf(item);
      const isGoing = known !== undefined && unpublished.get(known) !== undefined;
      const state = isAvailable(item) ? 'available' : isGoing ? 'unpublished' : 'unavailable';
      return { item, state, ...(until !== Number.POSITIVE_INFINITY && { until }) } as const;
    });
    return { ...statusOf(root), kept };
  }

  return {
    find,
    detailOf,
    roots: () => Array.from(roots.all(), statusOf).sort((a, b) => (a.name < b.name ? -1 : 1)),
    root: (name) => detailOf(find(name)),
  };
}

export function refusal(name: string, refused: RootRefusal): DroverError {
  switch (refused.code) {
    case 'unknown-root':
      return new DroverError(
        'unknown-root',
        `there is no root ${name}; 'drover roots list' names those that there are`,
      );
    case 'unknown-root-target':
      return new DroverError(
        'unknown-root-target',
        `the root ${name} does not keep ${refused.target}; 'drover roots show ${name}' says what it keeps`,
      );
    case 'root-in-configuration':
      return new DroverError(
        'root-in-configuration',
        `the root ${name} belongs to a rule [[keep]] of the coordinator's configuration, or would be taken by one: change that, or take another name`,
      );
  }
}
