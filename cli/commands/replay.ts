import { Argument, type Command } from 'commander';
import { openEventStore } from '../../adapters/event-store/open.ts';
import { type DroverEvent, type EventsOptions, type EventType, eventName, readEvents } from '../../client/events.ts';
import { figuresOf } from '../../coordinator/figures.ts';
import { isEventStoreError, type StoredEvent } from '../../coordinator/ports/event-store.ts';
import { foldEvent } from '../../coordinator/recovery.ts';
import { createFarm, type Farm } from '../../projections/farm.ts';
import { explain } from '../../projections/why.ts';
import { addCommand, addJsonOption, type CommandContext, onAction } from '../command.ts';
import { toCliError } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { CliError } from '../output/cli-error.ts';
import { figureRows } from '../output/figures.ts';
import type { Io } from '../output/io.ts';
import { type Place, placeOption } from '../output/place.ts';
import { details, json } from '../output/table.ts';
import { formatWhy } from '../output/why.ts';
import { createProgress } from '../submit/progress.ts';
import { storeAddress } from './log.ts';

interface ReplayFlags extends ConnectionFlags {
  readonly until?: Place;
  readonly data?: string;
  readonly store?: string;
  readonly json?: true;
}

/** What was known at a moment: the farm, and the last event of it. */
interface Past {
  readonly farm: Farm;
  readonly last: StoredEvent;
}

export function addReplayCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'replay',
    summary: 'Show what was known at a moment, from the log alone',
    more: [
      'Folds the log up to a position or a time and shows what the live command would have shown then. The log is read from a running',
      'coordinator, from the file in a data folder (of a running or a stopped one, or a copy), or from an event store.',
    ].join('\n'),
    examples: [
      ['drover replay status --until 2026-11-24T08:00:00Z', 'how the farm stood on Tuesday morning'],
      ['drover replay why 1m8aperfahjkz4xf-2 --until 3h', 'why that build was not running three hours ago'],
      ['drover replay status --data /backup/drover', 'the end of the log in a backup'],
    ],
  })
    .addArgument(new Argument('<what>', 'what to show').choices(['status', 'why']))
    .argument('[id]', 'the build, for why')
    .option(
      '--until <place>',
      'position of the last event, or a time; the end of the log if absent',
      placeOption(io.now),
    )
    .option('--data <dir>', 'read the log of this data folder')
    .option('--store <store>', 'read the log of sqlite:DIR, nats://… or esdb://…');
  addConnectionOptions(addJsonOption(command));
  onAction(command, context, async (what: 'status' | 'why', id: string | undefined, flags: ReplayFlags) => {
    if ((what === 'why') !== (id !== undefined))
      throw new CliError('invalid-request', `expected ${what === 'why' ? 'a build' : 'nothing'} after ${what}`, {
        exitCode: 2,
      });
    const signal = io.interrupted();
    const past = await fold(flags, io, signal);
    if (signal.aborted) return 130;
    if (past === undefined) throw new CliError('not-found', 'the log has no event up to there');
    const { farm, last } = past;
    if (id === undefined) {
      const figures = { ...figuresOf(farm), position: last.position };
      const time = new Date(last.at).toISOString();
      io.out(flags.json ? json({ ...figures, time }) : details([['as of', time], ...figureRows(figures)]));
      return 0;
    }
    const build = farm.queue.build(id);
    if (!build) throw new CliError('unknown-build', `there was no build ${id} at ${last.position}`);
    // Nobody counts these waits any more: the instants in the log are all there is.
    const nothing = () => undefined;
    const why = explain(farm, build, { backOff: nothing, lease: nothing, coordinator: nothing });
    io.out(flags.json ? json(why) : formatWhy(why, { colour: io.colour, now: () => last.at }));
    return 0;
  });
}

async function fold(flags: ReplayFlags, io: Io, signal: AbortSignal): Promise<Past | undefined> {
  const { time, position } = flags.until ?? {};
  const farm = createFarm();
  let last: StoredEvent | undefined;
  let count = 0;
  using progress = createProgress(io);
  progress.begin('events folded');
  for await (const event of source(flags, io, signal)) {
    if (signal.aborted) return undefined;
    // Times go with the clock of their moment, positions with the log.
    if (time !== undefined && event.at >= time) break;
    if (position !== undefined && event.position > position) break;
    foldEvent(farm, event);
    last = event;
    progress.update(++count);
  }
  return last && { farm, last };
}

async function* source(flags: ReplayFlags, io: Io, signal: AbortSignal): AsyncGenerator<StoredEvent> {
  const { data, store } = flags;
  if (data === undefined && store === undefined) {
    const client = connect(flags, io.environment, signal);
    try {
      const wish: EventsOptions<EventType> = { follow: false, signal };
      for await (const event of readEvents(client.http, wish)) yield storedOf(event);
    } catch (error) {
      throw toCliError(error, client.url);
    }
    return;
  }
  if (data !== undefined && store !== undefined)
    throw new CliError('invalid-request', 'expected one of --data and --store, got both', { exitCode: 2 });
  const address = store === undefined ? ({ kind: 'sqlite', dir: undefined } as const) : storeAddress('--store', store);
  try {
    await using log = await openEventStore(address, { dir: data ?? '.', write: false, as: 'drover replay' });
    for await (const { events } of log.readAll({ signal })) yield* events;
  } catch (error) {
    if (isEventStoreError(error)) throw new CliError(error.code, error.message, { cause: error });
    throw error;
  }
}

function storedOf(event: DroverEvent): StoredEvent {
  const { stream, revision, position, type, version, data, time, actor, correlation, causation } = event;
  const meta = { actor, ...(correlation && { correlation }), ...(causation && { causation }) };
  const place = { stream: stream as StoredEvent['stream'], revision, position };
  return { ...place, type: eventName(type), version, data, at: Date.parse(time), commit: '', meta };
}
