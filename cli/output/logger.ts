import { type Logger, pino } from 'pino';
import type { Io } from './io.ts';
import { paint, printable } from './text.ts';

export interface LoggerOptions {
  readonly logLevel: string;
  readonly logFormat?: 'auto' | 'json' | 'text' | undefined;
}

/** The log of a coordinator or an agent, on standard error: lines of JSON, or lines for people. */
export function createLogger({ logLevel, logFormat = 'auto' }: LoggerOptions, io: Io): Logger {
  const prefix = journalPrefix(io);
  const text = logFormat === 'text' || (logFormat === 'auto' && io.interactive);
  const write = text
    ? (line: string) => io.err(`${prefix(line)}${readable(line, io)}\n`)
    : (line: string) => io.err(`${prefix(line)}${line}`);
  return pino({ level: logLevel, timestamp: pino.stdTimeFunctions.isoTime, base: null }, { write });
}

/** Priorities of syslog. */
const priorities: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

/**
 * `<3>` before a line: the journal of systemd takes it off, and has the priority of the line from it, for `journalctl -p err`. Nothing where
 * standard error is not the journal. Source: sd-daemon(3), `JOURNAL_STREAM` in systemd.exec(5).
 */
function journalPrefix({ environment, errInode }: Io): (line: string) => string {
  const journal = environment.JOURNAL_STREAM;
  if (journal === undefined || journal !== errInode?.()) return () => '';
  return (line) => {
    const level = /^\{"level":(\d+)/.exec(line)?.[1];
    return level === undefined ? '' : `<${priorities[Number(level)] ?? 6}>`;
  };
}

const quiet: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'pid', 'hostname']);
const levels: Readonly<Record<number, readonly [name: string, state: string]>> = {
  10: ['trace', 'dim'],
  20: ['debug', 'dim'],
  30: ['info ', 'succeeded'],
  40: ['warn ', 'paused'],
  50: ['error', 'failed'],
  60: ['fatal', 'failed'],
};

/** `12:34:56 info  message key=value …`. */
export function readable(line: string, { colour }: Pick<Io, 'colour'>): string {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const [level, state] = levels[Number(entry.level)] ?? ['?    ', 'dim'];
  const fields = Object.entries(entry)
    .filter(([name]) => !quiet.has(name))
    .map(([name, value]) => ` ${name}=${printable(typeof value === 'string' ? value : JSON.stringify(value))}`);
  return `${String(entry.time).slice(11, 19)} ${paint(level, state, colour)} ${printable(String(entry.msg ?? ''))}${paint(fields.join(''), 'dim', colour)}`;
}
