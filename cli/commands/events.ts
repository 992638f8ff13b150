import type { Command } from 'commander';
import { addCommand, addGroup, addJsonOption, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { type FeedEvent, followEvents } from '../http/event-feed.ts';
import { gather } from '../numbers.ts';
import { paint, printable } from '../output/text.ts';

interface TailFlags extends ConnectionFlags {
  readonly json?: true;
  readonly from: string;
  readonly type?: readonly string[];
  readonly stream?: readonly string[];
  readonly correlation?: string;
  readonly actor?: string;
}

export function addEventsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const events = addGroup(program, {
    usage: 'events',
    summary: 'Read the log of events',
    examples: [['drover events tail', 'what happens now']],
  });
  const tail = addCommand(events, {
    usage: 'tail',
    summary: 'Print events as they happen, until Ctrl-C',
    more: 'A lost connection is made again without a gap or a repeat. docs/events.md says what each event means.',
    examples: [
      ['drover events tail --from start --json', 'the whole log, then what comes, as lines of JSON'],
      ['drover events tail --type BuildFailed --type BuildSucceeded', 'only the ends of builds'],
      ['drover events tail --stream agent-', 'all that is about agents'],
      ['drover events tail --from start --actor agent-worker-1', 'all that one agent did'],
    ],
  })
    .option(
      '--from <position>',
      'start (the first event), end (only new ones), or the position of the last event that you have',
      'end',
    )
    .option('--type <type>', 'only events of this type; can be repeated', gather)
    .option('--stream <stream>', 'only this stream, or with - at its end all of that category; can be repeated', gather)
    .option('--correlation <id>', 'only what belongs to this submission or command')
    .option('--actor <actor>', 'only what this token (its id), agent (agent-NAME) or part of the coordinator did');
  addConnectionOptions(addJsonOption(tail));
  onAction(tail, context, async ({ from, type, stream, correlation, actor, json, ...flags }: TailFlags) => {
    const signal = io.interrupted();
    const feed = followEvents(connect(flags, io.environment), {
      from,
      ...(type === undefined ? {} : { types: type }),
      ...(stream === undefined ? {} : { streams: stream }),
      ...(correlation === undefined ? {} : { correlation }),
      ...(actor === undefined ? {} : { actor }),
      signal,
      onLost: (reason) => io.err(`connection lost (${printable(reason)}); trying again\n`),
    });
    for await (const event of feed) io.out(json ? `${JSON.stringify(event)}\n` : `${formatEvent(event, io.colour)}\n`);
    return signal.aborted ? 130 : 0;
  });
}

function formatEvent({ time, position, type, stream, data }: FeedEvent, colour: boolean): string {
  const place = paint(`${time} ${position}`, 'dim', colour);
  return `${place} ${paint(type, 'heading', colour)} ${printable(stream)} ${printable(JSON.stringify(data))}`;
}
