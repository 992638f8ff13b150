import { styleText } from 'node:util';
import { safeText } from './safe-text.ts';

/**
 * On one line, control characters as `\xNN` and those of bidirectional text as `\uNNNN`: names and messages come from elsewhere and must
 * steer neither the terminal nor the reader.
 */
export function printable(text: string): string {
  const oneLine = text.replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return safeText(oneLine, false);
}

/** How long ago, or in how long: `now`, `42s ago`, `3h ago`, `in 5m`. */
export function relativeTime(at: number | null | undefined, now: number): string {
  if (at === null || at === undefined) return '-';
  const past = now - at;
  if (Math.abs(past) < 1000) return 'now';
  const span = duration(Math.abs(past));
  return past > 0 ? `${span} ago` : `in ${span}`;
}

/** `850ms`, `42s`, `3m 10s`, `5h 2m`, `3d 4h`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 60) return joinUnits(m, 'm', s % 60, 's');
  const h = Math.floor(m / 60);
  if (h < 48) return joinUnits(h, 'h', m % 60, 'm');
  return joinUnits(Math.floor(h / 24), 'd', h % 24, 'h');
}

function joinUnits(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit} ${small}${smallUnit}`;
}

/** `512 B`, `1.4 KiB`, `20.0 MiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = 'B';
  for (unit of ['KiB', 'MiB', 'GiB', 'TiB']) {
    value /= 1024;
    if (value < 1024) break;
  }
  return `${value.toFixed(1)} ${unit}`;
}

/** `hello-2.10` for `<hash>-hello-2.10.drv`. */
export function shortName(base: string): string {
  return base.replace(/^[0-9a-z]{32}-/, '').replace(/\.drv$/, '');
}

export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

type Style = Parameters<typeof styleText>[0];
const styles: Readonly<Record<string, Style>> = {
  succeeded: 'green',
  accepting: 'green',
  connected: 'green',
  failed: 'red',
  lost: 'red',
  quarantined: 'red',
  canceled: 'yellow',
  paused: 'yellow',
  draining: 'yellow',
  disconnected: 'yellow',
  running: 'cyan',
  allocated: 'cyan',
  heading: 'bold',
  dim: 'dim',
};

/** `text` in the colour of a state, where colours are wanted. */
export function paint(text: string, state: string, colour: boolean): string {
  const style = styles[state];
  return colour && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
}

/** The same for a text of several lines, each but the first indented by `indent` spaces. */
export function printableLines(text: string, indent = 0): string {
  return text
    .split('\n')
    .map((line) => printable(line.trimEnd()))
    .join(`\n${' '.repeat(indent)}`);
}
