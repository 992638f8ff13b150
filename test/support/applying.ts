import type { Farm } from '../../projections/farm.ts';

type Applied = Parameters<Farm['apply']>;

/** Applies events to a farm one after another, each with the next revision of its stream and at the time that it is then; gives what was applied. */
export function applying(
  farm: Farm,
  now: () => number,
): (category: Applied[0], id: string, event: Applied[2]) => Applied {
  const revisions = new Map<string, number>();
  return (category, id, event) => {
    const stream = `${category}-${id}`;
    const revision = (revisions.get(stream) ?? -1) + 1;
    revisions.set(stream, revision);
    const applied: Applied = [category, id, event, revision, now()];
    farm.apply(...applied);
    return applied;
  };
}
