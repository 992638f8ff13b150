import { type Command, InvalidArgumentError } from 'commander';
import { eventName } from '../../client/events.ts';
import { type ExportOptions, exportEvents } from '../../client/export.ts';
import { bareType } from '../../domain/event-name.ts';
import { eventTypes } from '../../domain/events.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { didYouMean } from '../config/suggest.ts';
import { type Client, toCliError } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { type FeedEvent, type FollowOptions, followEvents, lossTeller } from '../http/event-feed.ts';
import { resolveId } from '../http/resolve-id.ts';
import { gather } from '../numbers.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { inFlags, type Place, placeOption } from '../output/place.ts';
import { addOutputOptions, lineFormatter, type OutputFlags, type Printed, print } from '../output/print.ts';
import { paint, printable } from '../output/text.ts';
import { createProgress } from '../submit/progress.ts';
import { addVerifyCommand } from './events-verify.ts';

interface Selection extends ConnectionFlags {
  readonly type?: readonly string[];
  readonly stream?: readonly string[];
  readonly correlation?: string;
  readonly actor?: string;
  readonly from: Place;
  readonly until?: Place;
}
/** For people: on standard output, where it would be taken for an event, it is no line. */
const nothingFound = 'drover: no event is what was asked for\n';

type TailFlags = Selection & OutputFlags;

export function addEventsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const events = addGroup(program, {
    usage: 'events',
    summary: 'Read the log of events',
    examples: [
      ['drover events tail', 'what happens now'],
      ['drover events export > log.ndjson', 'all that happened'],
    ],
  });

  const tail = addCommand(events, {
    usage: 'tail',
    summary: 'Print events as they happen, until Ctrl-C',
    more: 'A lost connection is made again without a gap or a repeat. docs/events.md says what each event means.',
    examples: [
      ['drover events tail --from start --json', 'the whole log, then what comes, as lines of JSON'],
      ['drover events tail --from 2h --type BuildFailed', 'the failures of the last two hours, and those that come'],
      ['drover events tail --stream agent-', 'all that is about agents'],
      ['drover events tail --from start --actor agent-worker-1', 'all that one agent did'],
    ],
  });
  addSelection(tail, io, 'end');
  addConnectionOptions(addOutputOptions(tail));
  onAction(tail, context, async (flags: TailFlags) => {
    const signal = io.interrupted();
    const format = await lineFormatter(io, flags);
    let isEmpty = true;
    for await (const event of feedOf(flags, io, signal, flags.until === undefined)) {
      isEmpty = false;
      io.out(format(printedEvent(event)));
    }
    if (isEmpty && !signal.aborted) io.err(nothingFound);
    return signal.aborted ? interruptedCode(signal) : 0;
  });

  const exporting = addCommand(events, {
    usage: 'export',
    summary: 'Print the events that are there, one line of JSON each',
    more: [
      'Ends with the last event that was there at the start. A lost connection is made again without a gap or a repeat; what Ctrl-C leaves',
      'out can be had with --from and the position of the last line.',
    ].join(' '),
    examples: [
      ['drover events export > log.ndjson', 'the whole log'],
      ['drover events export --from 2026-11-01 --until 2026-12-01 --type BuildFailed', 'the failures of a month'],
    ],
  });
  addSelection(exporting, io, 'start');
  addConnectionOptions(exporting);
  onAction(exporting, context, async (flags: Selection) => {
    const signal = io.interrupted();
    using progress = createProgress(io);
    progress.begin('events');
    let count = 0;
    for await (const lines of exportLines(flags, io, signal)) {
      await io.write(lines);
      for (let at = lines.indexOf(10); at >= 0; at = lines.indexOf(10, at + 1)) count++;
      progress.update(count);
    }
    if (count === 0 && !signal.aborted) io.err(nothingFound);
    return signal.aborted ? interruptedCode(signal) : 0;
  });

  addVerifyCommand(events, context);
  addCheckpointCommand(events, context);

  const show = addCommand(events, {
    usage: 'show <event>',
    summary: 'Show one event, by its id: <stream>@<revision>',
    examples: [['drover events show build-1m8aperfahjkz4xf-2@0', 'how that build was asked for']],
  });
  addConnectionOptions(addOutputOptions(show));
  onAction(show, context, async (id: string, flags: ConnectionFlags & OutputFlags) => {
    const event = await connect(flags, io).get<FeedEvent>(`/v1/events/${encodeURIComponent(id)}`);
    const { text, ...printed } = printedEvent(event);
    await print(io, flags, { ...printed, text: (view) => `${text(view)}${describeEnvelope(event)}` });
  });
}

function addCheckpointCommand(events: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(events, {
    usage: 'checkpoint',
    summary: 'Print the newest signed checkpoint of the log, to keep it elsewhere',
    more: 'Whoever holds one can tell later that nothing before it has changed: drover events verify --checkpoint FILE. docs/audit.md says what it is.',
    examples: [
      ['drover events checkpoint > checkpoint.txt', 'keep it where the coordinator cannot change it'],
      ['drover events checkpoint --key > audit-key.pub', 'the key that signs them'],
    ],
  }).option('--key', 'print the public key that checkpoints are signed with');
  addConnectionOptions(command);
  onAction(command, context, async ({ key, ...flags }: ConnectionFlags & { key?: true }) => {
    const answer = await connect(flags, io).request('GET', key ? '/v1/checkpoint/key' : '/v1/checkpoint');
    await io.write(Buffer.from(await answer.arrayBuffer()));
  });
}

function addSelection(command: Command, io: Io, from: string): void {
  const place = placeOption(io.now);
  command
    .option(
      '--from <place>',
      'start (the first event), end (only new ones), the position of the last event that you have, or a time (2026-11-25T20:00:00Z, 2h)',
      place,
      place(from),
    )
    .option('--until <place>', 'ends with the event at this position, or with the last one before this time', place)
    .option(
      '--type <type>',
      'only events of this type, BuildFailed or drover.BuildFailed; can be repeated',
      (text: string, before?: readonly string[]) => gather(eventTypeOf(text), before),
    )
    .option('--stream <stream>', 'only this stream, or with - at its end all of that category; can be repeated', gather)
    .option('--correlation <id>', 'only what belongs to this submission or command')
    .option('--actor <actor>', 'only what this token (its id), agent (agent-NAME) or part of the coordinator did');
}

async function* feedOf(flags: Selection, io: Io, signal: AbortSignal, follow: boolean): AsyncGenerator<FeedEvent> {
  const client = connect(flags, io);
  const selection = await withWholeIds(client, flags);
  try {
    yield* followEvents(client, { ...wishOf(selection, io, signal), follow });
  } catch (error) {
    throw inFlags(error, eventFlags);
  }
}

async function* exportLines(flags: Selection, io: Io, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const client = connect(flags, io);
  const selection = await withWholeIds(client, flags);
  try {
    yield* exportEvents(client.http, wishOf(selection, io, signal) as ExportOptions);
  } catch (error) {
    throw inFlags(toCliError(error, client.url), eventFlags);
  }
}

/** The same with the whole id of a submission that begins so; commands have ids of their own, which stay as they are. */
async function withWholeIds(client: Client, flags: Selection): Promise<Selection> {
  const { correlation } = flags;
  return correlation === undefined
    ? flags
    : { ...flags, correlation: await resolveId(client, 'submissions', correlation) };
}

function wishOf(
  { type, stream, correlation, actor, from, until }: Selection,
  io: Io,
  signal: AbortSignal,
): FollowOptions {
  return {
    from: from.position ?? 'start',
    ...(from.time !== undefined && { since: from.time }),
    ...(until?.position !== undefined && { to: until.position }),
    ...(until?.time !== undefined && { until: until.time }),
    ...(type !== undefined && { types: type }),
    ...(stream !== undefined && { streams: stream }),
    ...(correlation !== undefined && { correlation }),
    ...(actor !== undefined && { actor }),
    signal,
    onLost: lossTeller((line) => io.err(`${line}\n`)),
  };
}

const eventFlags = {
  from: '--from',
  since: '--from',
  to: '--until',
  until: '--until',
  stream: '--stream',
  actor: '--actor',
};

/** A type that there is: another one would be waited for in vain. */
function eventTypeOf(text: string): string {
  const known = [...eventTypes.keys()];
  if (known.includes(bareType(text))) return text;
  throw new InvalidArgumentError(
    `Expected the type of an event, as docs/events.md lists them, got ${JSON.stringify(text)}${didYouMean(bareType(text), known) || '.'}`,
  );
}

function printedEvent(event: FeedEvent): Printed {
  return { value: event, text: ({ colour }) => `${formatEvent(event, colour)}\n`, names: [event.id] };
}

function describeEnvelope({ actor, correlation, causation }: FeedEvent): string {
  const parts = { actor, correlation, causation };
  return Object.entries(parts)
    .flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(12)} ${printable(value)}\n`]))
    .join('');
}

function formatEvent({ time, position, type, stream, data }: FeedEvent, colour: boolean): string {
  const place = paint(`${time} ${position}`, 'dim', colour);
  return `${place} ${paint(printable(eventName(type)), 'heading', colour)} ${printable(stream)} ${printable(JSON.stringify(data))}`;
}
