import { InvalidArgumentError } from 'commander';

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** RFC 3339; a date alone is its beginning in UTC. */
function timeOf(text: string): number | undefined {
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const at = isTime ? Date.parse(text) : Number.NaN;
  return at >= 0 ? at : undefined;
}

/**
 * Reads an option that is a time: RFC 3339 (`2026-11-25T20:00:00Z`, a date alone is its beginning in UTC), or so long ago (`90s`, `10m`,
 * `2h`, `7d`). Gives milliseconds since the Unix epoch.
 */
export function instantOption(now: () => number): (text: string) => number {
  return (text) => {
    const [, ago, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
    const at = ago === undefined ? timeOf(text) : now() - Number(ago) * (units[unit] ?? Number.NaN);
    if (at === undefined || !(at >= 0))
      throw new InvalidArgumentError(
        `Expected a time like 2026-11-25T20:00:00Z, or how long ago like 10m, 2h, 7d, got ${JSON.stringify(text)}.`,
      );
    return at;
  };
}

/**
 * Reads an option that is a time to come: `now`, RFC 3339, or how long from now (`90s`, `10m`, `2h`, `7d`). Gives milliseconds since the
 * Unix epoch; for `now`, and for what has passed, `undefined`.
 */
export function comingOption(now: () => number): (text: string) => { readonly at: number | undefined } {
  return (text) => {
    const [, wait, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
    const at = text === 'now' ? now() : wait === undefined ? timeOf(text) : now() + Number(wait) * Number(units[unit]);
    if (at === undefined)
      throw new InvalidArgumentError(
        `Expected a time like 2026-11-25T20:00:00Z, a wait like 10m, 2h, 7d, or now, got ${JSON.stringify(text)}.`,
      );
    return { at: at > now() ? at : undefined };
  };
}
