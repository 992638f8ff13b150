/** How numbers, times and names are written for people: short, in one way on all pages. */

const hashLength = 32;

/** The hash part of a base name, and the rest, without `.drv`. */
export function splitName(base: string): { readonly hash: string; readonly name: string } {
  const [hash, rest] = base[hashLength] === '-' ? [base.slice(0, hashLength), base.slice(hashLength + 1)] : ['', base];
  return { hash, name: rest.endsWith('.drv') ? rest.slice(0, -4) : rest };
}

/** `0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`, `3 d 7 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, 'min', 1, 's');
  if (whole < 86_400) return two(whole, 3600, 'h', 60, 'min');
  return two(whole, 86_400, 'd', 3600, 'h');
}

function two(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const first = Math.floor(seconds / large);
  const second = Math.floor((seconds % large) / small);
  return second === 0 ? `${first} ${largeUnit}` : `${first} ${largeUnit} ${second} ${smallUnit}`;
}

/** `512 B`, `3.4 kB`, `12 MB`. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** With thin spaces: `1 234 567`. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `one build`, `1 234 builds`. */
export function counted(value: number, one: string): string {
  return value === 1 ? `one ${one}` : `${count(value)} ${one}s`;
}

/** As a sentence begins. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const pad = (value: number): string => String(value).padStart(2, '0');

/** `14:03:09`, with the day before it where that is not today's; in the time zone of whoever looks. */
export function time(at: number, now: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return 'no time';
  const clock = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return new Date(now).toDateString() === date.toDateString() ? clock : `${day} ${clock}`;
}

/** As programs read it; `undefined` where there is no such time: events are shown whatever they say. */
export function isoTime(at: number): string | undefined {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** `12 s ago`. */
export function ago(at: number, now: number): string {
  const past = now - at;
  return past < 1000 ? 'just now' : `${duration(Math.floor(past / 1000) * 1000).replace('.0', '')} ago`;
}
