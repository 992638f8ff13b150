import { stripVTControlCharacters } from 'node:util';
import type { HookDelivery } from '../../coordinator/ports/hook-transport.ts';
import type { VerdictChange } from '../../domain/hook/match.ts';

/** What a person is told of a derivation that broke or was fixed. */
export interface Notification {
  readonly change: VerdictChange;
  /** One line. */
  readonly summary: string;
  readonly text: string;
}

export interface NotificationSources {
  readonly storeDir: string;
  /** Where people reach the coordinator, if that is known. */
  readonly publicUrl: string | undefined;
  /** The last lines of the attempt's log, if there are any. */
  readonly logEnd: string | undefined;
}

/** Of one that is tried with an event that changed nothing (`drover hooks test`), the event itself is taken for the change. */
export function notificationOf(
  { event, facts }: Pick<HookDelivery, 'event' | 'facts'>,
  { storeDir, publicUrl, logEnd }: NotificationSources,
): Notification {
  const id = `${event.stream}@${event.revision}`;
  const isFailure = event.type === 'BuildFailed';
  const change = facts.change ?? { kind: isFailure ? 'broken' : 'fixed', brokenBy: id, brokenSince: event.at };
  const build = event.stream.slice('build-'.length);
  const data = (typeof event.data === 'object' && event.data !== null ? event.data : {}) as Record<string, unknown>;
  const { attempt, message } = data;
  const what = `${facts.name ?? 'a derivation'} on ${facts.system ?? 'an unknown system'}`;
  const summary = change.kind === 'broken' ? `${what} is broken: ${facts.class ?? 'it failed'}` : `${what} is fixed`;
  const log = attempt === undefined ? undefined : `/v1/builds/${build}/log?attempt=${attempt}`;
  const tags = Object.entries(facts.tags ?? {}).map(([key, value]) => `${key}=${value}`);
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['build', attempt === undefined ? build : `${build}, attempt ${attempt}`],
    ['derivation', facts.derivation && `${facts.storeDir ?? storeDir}/${facts.derivation}`],
    ['agent', facts.agent],
    ['submission', event.meta.correlation],
    ['tags', tags.length === 0 ? undefined : tags.join(' ')],
    ['time', new Date(event.at).toISOString()],
    [
      'broken since',
      change.kind === 'fixed'
        ? `${new Date(change.brokenSince).toISOString()} (${span(event.at - change.brokenSince)}), by ${change.brokenBy}`
        : undefined,
    ],
    ['log', attempt === undefined ? undefined : `drover builds log ${build} --attempt ${attempt}`],
    ['', log && publicUrl && `${publicUrl.replace(/\/$/, '')}${log}`],
    ['event', id],
  ];
  const facts_ = rows
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value = '']) => `  ${name.padEnd(12)}  ${readable(value).replace(/\s+/g, ' ')}`);
  const parts = [`${summary}.`, facts_.join('\n')];
  if (isFailure && typeof message === 'string' && message !== '') parts.push(`What was said:\n\n${indented(message)}`);
  if (isFailure && logEnd !== undefined && logEnd !== '') parts.push(`The end of the log:\n\n${indented(logEnd)}`);
  return { change, summary, text: `${parts.join('\n\n')}\n` };
}

/** As a person may read it, whatever a builder printed or a tag says: nothing steers a terminal, or the order in which it is read. */
function readable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll('\r\n', '\n')
    .replace(/[[\p{Cc}\p{Bidi_Control}]--[\t\n]]/gv, '�');
}

function indented(text: string): string {
  return readable(text)
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

function span(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}
