import { foldEvent } from '../../coordinator/log/recovery.ts';
import type { StoredEvent } from '../../coordinator/ports/event-store.ts';
import { eventTypes } from '../../domain/events.ts';
import { type ChangeCollector, collectChanges } from '../../projections/changes.ts';
import { createFarm } from '../../projections/farm.ts';
import { type Edge, formatChanges } from '../output/changes.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import type { Place } from '../output/place.ts';
import { forPrograms, type OutputFlags, print } from '../output/print.ts';
import { plural } from '../output/text.ts';
import { type LogFlags, openLog } from './log-source.ts';
import { askAgent, askBuild, askItem, askQueue, askStatus, askWhy, type Question } from './questions.ts';
import { type Reading, readLog, type Stop, timeOf } from './read-log.ts';
import { type What, whatNames } from './what.ts';

export interface ReplayFlags extends LogFlags, OutputFlags {
  readonly until?: Place;
  readonly diff?: readonly Place[];
  readonly state?: Parameters<typeof askQueue>[0];
  readonly system?: string;
  readonly name?: string;
  readonly agent?: string;
  readonly submission?: string;
  readonly tag?: string;
  readonly limit?: number;
  readonly after?: string;
}

/** What is asked about, and of which thing. */
const whats: Readonly<Record<What, { of?: string; ask(id: string, flags: ReplayFlags): Question }>> = {
  status: { ask: askStatus },
  queue: { ask: (_, flags) => askQueue(...queueWish(flags)) },
  build: { of: 'a build', ask: askBuild },
  item: { of: 'an item', ask: askItem },
  agent: { of: 'an agent', ask: askAgent },
  why: { of: 'a build', ask: askWhy },
};

/** Prints what was known at a moment. False if it was interrupted. */
export async function show(
  what: What | undefined,
  id: string | undefined,
  flags: ReplayFlags,
  io: Io,
  signal: AbortSignal,
): Promise<boolean> {
  const asked = what === undefined ? undefined : whats[what];
  if (asked === undefined) throw wrongUse(`expected ${whatNames.join(', ')} or --diff`);
  if ((asked.of === undefined) !== (id === undefined))
    throw wrongUse(`expected ${asked.of ?? 'nothing'} after ${what}`);
  const strange = queueFlags.find((flag) => flags[flag] !== undefined);
  if (what !== 'queue' && strange !== undefined) throw wrongUse(`--${strange} is for queue, not for ${what}`);
  using question = asked.ask(id ?? '', flags);
  const stop = { flag: '--until', place: flags.until ?? theEnd };
  let last: StoredEvent | undefined;
  const reading: Reading = {
    event: question.event,
    reached(_, event) {
      last = event;
    },
  };
  if (!(await read(flags, [stop], reading, io, signal))) return false;
  if (last === undefined) throw wrongUse('--until: nothing was known at the start of the log');
  const { notInLog, ...answer } = question.answer({ last, at: stop.place.time ?? last.at });
  await print(io, flags, answer);
  const beside = notInLog === undefined ? '' : ` Not in the log: ${notInLog}.`;
  if (!forPrograms(flags)) io.err(`As of ${last.position}, ${timeOf(last)}.${beside}\n`);
  return true;
}

/** Prints what is not the same at two places. False if it was interrupted. */
export async function diff(
  what: string | undefined,
  flags: ReplayFlags,
  io: Io,
  signal: AbortSignal,
): Promise<boolean> {
  const [from, to, ...more] = flags.diff ?? [];
  if (from === undefined || to === undefined || more.length > 0)
    throw wrongUse(`--diff: expected two places, got ${flags.diff?.length}`);
  const strange = what ?? (['until', ...queueFlags] as const).find((flag) => flag !== 'limit' && flags[flag]);
  if (strange !== undefined) throw wrongUse(`expected either --diff or ${what ?? `--${strange}`}, got both`);
  const farm = createFarm(0, false);
  let changes: ChangeCollector | undefined;
  const edges: Edge[] = [];
  const reading: Reading = {
    event(event) {
      const fold = () => void foldEvent(farm, event);
      if (changes) changes.event(event, fold);
      else fold();
    },
    reached(index, last) {
      changes ??= collectChanges(farm);
      edges[index] = last === undefined ? null : { position: last.position, time: timeOf(last) };
    },
  };
  const stops = [from, to].map((place) => ({ flag: '--diff', place }));
  if (!(await read(flags, stops, reading, io, signal))) return false;
  const [first = null, last = null] = edges;
  const found = { from: first, to: last, ...(changes as ChangeCollector).result(flags.limit ?? fewRows) };
  await print(io, flags, { value: found, text: (view) => formatChanges(found, view) });
  return true;
}

async function read(
  flags: ReplayFlags,
  stops: readonly Stop[],
  reading: Reading,
  io: Io,
  signal: AbortSignal,
): Promise<boolean> {
  await using log = await openLog(flags, io, signal);
  let unknown = 0;
  const counting: Reading = {
    ...reading,
    event(event) {
      if (event.version > (eventTypes.get(event.type)?.version ?? 0)) unknown++;
      reading.event(event);
    },
  };
  if (!(await readLog(log, stops, counting, io, signal))) return false;
  for (const note of log.notes) io.err(`${note}\n`);
  if (unknown > 0)
    io.err(
      `${plural(unknown, 'event')} of a newer Drover ${unknown === 1 ? 'is' : 'are'} not known here and left out: use that version.\n`,
    );
  return true;
}

const theEnd: Place = { position: 'end', toString: () => 'end', toJSON: () => 'end' };
const fewRows = 50;
/** Flags that say which builds of the queue are shown. */
const queueFlags = ['state', 'system', 'name', 'agent', 'submission', 'tag', 'limit', 'after'] as const;

function queueWish(flags: ReplayFlags): Parameters<typeof askQueue> {
  const { state, system, name, agent, submission, tag, limit = fewRows, after } = flags;
  if (limit > 1000) throw wrongUse(`--limit: expected at most 1000 for queue, got ${limit}`);
  const given = { system, name, agent, submission, tag };
  const filter = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return [state, filter, { limit, ...(after !== undefined && { after }) }];
}

function wrongUse(message: string): CliError {
  return new CliError('invalid-request', message, { exitCode: 2 });
}
