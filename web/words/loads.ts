/** How many builds wait, and how many agents have. */
export interface Load {
  readonly queued: number;
  readonly building: number;
}

interface LoadMinute {
  readonly at: number;
  readonly systems: Readonly<Record<string, Load>>;
}

const nothing: Load = { queued: 0, building: 0 };

/**
 * How it was at the end of each of some minutes, of one system or of all: where nothing is said of a minute it was as in the one before.
 *
 * @param loads in order; the first has all systems of which something was there
 * @param minutes since the epoch, in order
 * @param system absent for all
 */
export function loadsAt(loads: readonly LoadMinute[], minutes: readonly number[], system?: string): Load[] {
  const known = new Map<string, Load>();
  let next = 0;
  return minutes.map((minute) => {
    for (; next < loads.length && (loads[next] as LoadMinute).at <= minute * 60_000; next++)
      for (const [name, load] of Object.entries((loads[next] as LoadMinute).systems)) known.set(name, load);
    if (system !== undefined) return known.get(system) ?? nothing;
    const sum = { queued: 0, building: 0 };
    for (const { queued, building } of known.values()) {
      sum.queued += queued;
      sum.building += building;
    }
    return sum;
  });
}
