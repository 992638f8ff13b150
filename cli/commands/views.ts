import type { Command } from 'commander';
import { lockForWriting } from '../../adapters/event-store/sqlite/lock.ts';
import { makeStoppedViews } from '../../adapters/views/sqlite/stopped.ts';
import { isEventStoreError } from '../../coordinator/ports/event-store.ts';
import type { ViewsProgress } from '../../coordinator/ports/views.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { jsonLines } from '../http/json-lines.ts';
import { CliError } from '../output/cli-error.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { coordinatorFolder, openLogOf } from '../replay/coordinator-folder.ts';
import { logAddress } from '../replay/store-address.ts';
import { createProgress } from '../submit/progress.ts';
import { addViewsVerifyCommand } from './views-verify.ts';

interface Flags extends ConnectionFlags, OutputFlags {
  readonly data?: string;
  readonly store?: string;
}
type Report = { readonly type: 'progress' | 'end' } & ViewsProgress;

export function addViewsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const views = addGroup(program, {
    usage: 'views',
    summary: 'Look after what lists and searches read',
    examples: [
      ['drover views rebuild', 'make it anew from the log'],
      ['drover views verify --data /var/lib/drover', 'hold it against the log'],
    ],
  });
  const rebuild = addCommand(views, {
    usage: 'rebuild',
    summary: 'Make what lists and searches read anew from the log',
    more: [
      'A running coordinator goes on reading the old until the new has caught up; then it takes its place in one step. Whatever cuts it off,',
      'Ctrl-C and a crash included, leaves the old. It needs a token of scope admin, and room on the disk for both. With --data the folder of a',
      'coordinator that is stopped is seen to, so that its next start finds the views ready.',
    ].join(' '),
    examples: [
      ['drover views rebuild', 'of the coordinator that runs'],
      ['drover views rebuild --data /var/lib/drover', 'of one that is stopped'],
    ],
  })
    .option('--data <dir>', 'data folder of a coordinator that is stopped')
    .option('--store <store>', 'with --data, where its log is not there: sqlite:DIR, nats://…, tls://… or esdb://…');
  addConnectionOptions(addOutputOptions(rebuild, { names: false }));
  onAction(rebuild, context, async (flags: Flags) => {
    const signal = io.interrupted();
    if (flags.store !== undefined && flags.data === undefined)
      throw new CliError('invalid-request', 'expected --data beside --store', { exitCode: 2 });
    const reports = flags.data === undefined ? running(flags, io, signal) : stopped(flags, flags.data, signal);
    let last: Report | undefined;
    try {
      using progress = createProgress(io);
      for await (const report of reports) {
        if (last === undefined) progress.begin('events', report.total);
        progress.update(report.events);
        last = report;
      }
    } catch (error) {
      if (signal.aborted) return interruptedCode(signal);
      if (isEventStoreError(error)) throw new CliError(error.code, error.message, { cause: error });
      if (last === undefined || flags.data !== undefined) throw error;
    }
    if (signal.aborted) return interruptedCode(signal);
    if (last?.type !== 'end')
      throw new CliError('connection-failed', 'the rebuild was cut off before its end', {
        hint: 'nothing was changed; the log of the coordinator may say why',
      });
    const { events } = last;
    await print(io, flags, { value: { events }, text: () => `the views were made anew from ${events} events\n` });
    return 0;
  });
  addViewsVerifyCommand(views, context);
}

async function* running(flags: Flags, io: Io, signal: AbortSignal): AsyncGenerator<Report> {
  const response = await connect(flags, io).request('POST', '/v1/views/rebuild', {
    headers: { accept: 'application/x-ndjson' },
    signal,
  });
  yield* jsonLines<Report>(response);
}

async function* stopped({ store }: Flags, data: string, signal: AbortSignal): AsyncGenerator<Report> {
  const dir = coordinatorFolder(data);
  const address = logAddress(store);
  using _lock = lockForWriting(dir);
  await using log = await openLogOf(dir, address, 'drover views rebuild');
  let events = 0;
  for await (const report of makeStoppedViews(dir, log, signal)) {
    events = report.events;
    yield { type: 'progress', ...report };
  }
  if (!signal.aborted) yield { type: 'end', events };
}
