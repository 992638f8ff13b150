import { InvalidArgumentError } from 'commander';

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads an option that is a time: RFC 3339 (`2026-11-25T20:00:00Z`, a date alone is its beginning in UTC), or so long ago (`90s`, `10m`,
 * `2h`, `7d`). Gives milliseconds since the Unix epoch.
 */
export function instantOption(now: () => number): (text: string) => number {
  return (text) => {
    const [, ago, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
    const at = ago === undefined ? Date.parse(text) : now() - Number(ago) * (units[unit] ?? Number.NaN);
    const isTime = ago !== undefined || /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
    if (!isTime || !(at >= 0))
      throw new InvalidArgumentError(
        `Expected a time like 2026-11-25T20:00:00Z, or how long ago like 10m, 2h, 7d, got ${JSON.stringify(text)}.`,
      );
    return at;
  };
}
