import type { Command } from 'commander';
import type { Filter, StoredEvent } from '../../coordinator/ports/event-store.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { gather } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';
import { interruptedCode } from '../output/io.ts';
import { type LogFlags, openLog } from '../replay/log-source.ts';

interface Flags extends LogFlags {
  readonly type?: readonly string[];
  readonly stream?: readonly string[];
}

/** Characters that are written at a time. */
const pieceLength = 64 * 1024;

export function addExportCommand(log: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(log, {
    usage: 'export',
    summary: 'Print the events of a log as they are stored, one line of JSON each, without a coordinator',
    more: [
      'Reads a data folder, in use or not, a backup of one, or an event store. drover events export is for those who may ask the coordinator:',
      'it gives events in their newest form. In a file of SQLite only the newest events are rows; this reads all of them.',
    ].join(' '),
    examples: [
      ['drover log export --data /var/lib/drover > log.ndjson', 'the whole log'],
      ['drover log export --data /backup/drover --type BuildFailed', 'all failures, from a backup'],
      ['drover log export --data /var/lib/drover --stream agent-', 'all that is about agents'],
    ],
  })
    .option('--data <dir>', 'the log of this data folder')
    .option('--store <store>', 'the log of sqlite:DIR, nats://… or esdb://…')
    .option('--type <type>', 'only events of this type, for example BuildFailed; can be repeated', gather)
    .option('--stream <stream>', 'only streams that begin like this, build- for example; can be repeated', gather);
  onAction(command, context, async ({ data, store, type, stream }: Flags) => {
    if (data === undefined && store === undefined)
      throw new CliError('invalid-request', 'expected one of --data and --store, got none', { exitCode: 2 });
    const signal = io.interrupted();
    const filter: Filter = { ...(type && { types: type }), ...(stream && { streams: stream }) };
    const place = { ...(data !== undefined && { data }), ...(store !== undefined && { store }) };
    await using source = await openLog(place, io, signal, { as: 'drover log export' });
    for (const note of source.notes) io.err(`${note}\n`);
    const events = type || stream ? source.only?.(filter, signal) : undefined;
    let text = '';
    for await (const event of events ?? source.events(signal)) {
      text += `${lineOf(event)}\n`;
      if (text.length < pieceLength) continue;
      await io.write(Buffer.from(text));
      text = '';
    }
    await io.write(Buffer.from(text));
    return signal.aborted ? interruptedCode(signal) : 0;
  });
}

/** In one order on every engine. */
function lineOf({
  position,
  stream,
  revision,
  type,
  version,
  at,
  commit,
  meta,
  previousHash,
  data,
}: StoredEvent): string {
  return JSON.stringify({ position, stream, revision, type, version, at, commit, meta, previousHash, data });
}
