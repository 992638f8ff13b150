import { type Standing, standings } from '../../domain/build/standing.ts';
import { buildId } from '../../projections/builds.ts';
import type { Farm } from '../../projections/farm.ts';
import { newestStanding, standingOf } from '../../projections/standing.ts';
import type { Application } from '../application.ts';
import { type BuildFilter, type BuildRow, type buildFilterStates, buildStates, mostAmong } from '../ports/views.ts';

/** How builds stand, by their ids: what the views do not know. */
export type Standings = Pick<Application, 'standing' | 'newestStanding' | 'tookBefore'>;

export function createStandings(farm: Farm): Standings {
  const { queue } = farm;
  return {
    standing(id) {
      const build = queue.build(id);
      return build && standingOf(farm, build);
    },
    tookBefore(id) {
      const build = queue.build(id);
      const before = build && queue.durations.before(build.drv);
      return before === undefined ? undefined : Math.round(before);
    },
    newestStanding(wanted, limit, before) {
      const order = before === undefined ? undefined : queue.build(before)?.order;
      return newestStanding(farm, wanted, limit, order).map(buildId);
    },
  };
}

/** The filter for builds that are in some of the states or, queued, stand in one of the ways. */
export function inStates(farm: Standings, wanted: readonly (typeof buildFilterStates)[number][]): BuildFilter {
  const state = buildStates.filter(
    (one) => wanted.includes(one) || (wanted.includes('building') && (one === 'allocated' || one === 'running')),
  );
  const standing = new Set<Standing>(standings.filter((one) => wanted.includes(one)));
  if (standing.size === 0 || state.includes('queued')) return { state };
  return { state, among: (before) => farm.newestStanding(standing, mostAmong, before) };
}

/** The row of a build as it is shown: of one that is queued with how it stands, of one that an agent has with how long its like took. */
export function withStanding<Row extends BuildRow>(farm: Pick<Standings, 'standing' | 'tookBefore'>, row: Row): Row {
  const before = row.state === 'allocated' || row.state === 'running' ? farm.tookBefore(row.id) : undefined;
  if (before !== undefined) return { ...row, before };
  const standing = row.state === 'queued' ? farm.standing(row.id) : undefined;
  return standing === undefined ? row : { ...row, standing };
}
