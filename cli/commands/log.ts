import { join } from 'node:path';
import type { Command } from 'commander';
import { forgetLogMarks, hasMark, readLogMarks } from '../../adapters/data-dir/log-mark.ts';
import { openEventStore } from '../../adapters/event-store/open.ts';
import { removeViews } from '../../adapters/views/sqlite/database.ts';
import { rememberedByViews, viewsFile } from '../../adapters/views/sqlite/remembered.ts';
import { type CopyProgress, copyLog } from '../../coordinator/log/log-copy.ts';
import { type EventStore, isEventStoreError } from '../../coordinator/ports/event-store.ts';
import type { LogMark } from '../../coordinator/ports/log-mark.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { size } from '../output/text.ts';
import { coordinatorFolder, folderOfLog, openLogOf } from '../replay/coordinator-folder.ts';
import { logAddress, storeAddress } from '../replay/store-address.ts';
import { whileStopped } from '../replay/while-stopped.ts';
import { createProgress } from '../submit/progress.ts';
import { addExportCommand } from './log-export.ts';
import { addSnapshotCommand } from './log-snapshot.ts';

interface Flags extends OutputFlags {
  readonly from: string;
  readonly to: string;
}

interface FolderFlags extends OutputFlags {
  readonly data: string;
}

/** Events between two lines of progress. */
const eventsPerLine = 50_000;

export function addLogCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const log = addGroup(program, {
    usage: 'log',
    summary: 'Read the log of events without a coordinator, move it, or go on with one that has lost its end',
    examples: [
      ['drover log export --data /var/lib/drover > log.ndjson', 'the whole log'],
      ['drover log copy --from sqlite:/var/lib/drover --to nats://127.0.0.1:4222', 'to another engine'],
    ],
  });
  addAcceptCommand(log, context);
  addExportCommand(log, context);
  addReindexCommand(log, context);
  addPackCommand(log, context);
  addSnapshotCommand(log, context);
  const copy = addCommand(log, {
    usage: 'copy',
    summary: 'Copy a log to another event store, then compare both',
    more: 'Stop the coordinator first. A copy that was cut off goes on where it was when it is started again. docs/engines.md says how to move.',
    examples: [
      ['drover log copy --from sqlite:/var/lib/drover --to nats://127.0.0.1:4222', 'from the embedded engine to NATS'],
      ['drover log copy --from esdb://127.0.0.1:2113?tls=false --to sqlite:/var/lib/drover', 'and back from another'],
    ],
  })
    .requiredOption('--from <store>', 'sqlite:DIR, nats://… or esdb://…')
    .requiredOption('--to <store>', 'where to; empty, or what an earlier copy left there');
  onAction(addOutputOptions(copy, { names: false }), context, async (flags: Flags) => {
    const from = storeAddress('--from', flags.from);
    const to = storeAddress('--to', flags.to);
    if (from.kind === 'sqlite') folderOfLog(from.dir ?? '.');
    try {
      await using source = await openEventStore(from, { dir: '.', write: false, as: 'drover log copy' });
      const waiting = (what: string): void => io.err(`waiting for the event store: ${what}\n`);
      await using target = await openEventStore(to, { dir: '.', write: true, as: 'drover log copy', waiting });
      const result = await copyLog(source, target, { progress: teller(io), signal: io.interrupted() });
      await print(io, flags, {
        value: result,
        text: () => `${result.events} events are in both logs, SHA-256 ${result.hash}\n`,
      });
    } catch (error) {
      if (isEventStoreError(error)) throw new CliError(error.code, error.message, { cause: error });
      throw error;
    }
  });
}

function addAcceptCommand(log: Command, context: CommandContext): void {
  const { io } = context;
  const accept = addCommand(log, {
    usage: 'accept',
    summary: 'Go on with a log that has lost its end',
    more: 'A coordinator refuses (log-behind) a log that ends before what its data folder has seen of it. Restore the log if you can: what is missing was acknowledged. This makes the folder forget it: builds and items of that time are unknown, and NARs that only they had are removed from the pool at the next start. A folder whose log has all of it stays as it is. The coordinator has to be stopped.',
    examples: [
      ['drover log accept --data /var/lib/drover', 'after a backup was restored that lacks the newest events'],
    ],
  })
    .requiredOption('--data <dir>', "the coordinator's data folder")
    .option('--store <store>', 'where its log is not there: sqlite:DIR, nats://…, tls://… or esdb://…');
  onAction(accept, context, async ({ data, store }: { readonly data: string; readonly store?: string }) => {
    const dir = coordinatorFolder(data);
    const address = logAddress(store);
    await whileStopped(dir, async () => {
      const missing = await missingOf(await openLogOf(dir, address, 'drover log accept'), dir);
      if (missing.length === 0) {
        io.out(`the log has all that ${dir} remembers of it: there is nothing to accept, and nothing was changed\n`);
        return;
      }
      await forgetLogMarks(foldersWithMarks(dir));
      removeViews(viewsFile(dir));
      const last = missing
        .map(({ position }) => position)
        .sort()
        .at(-1);
      io.out(`${dir} has forgotten that its log went on to ${last}; its views are made anew at the next start\n`);
    });
  });
}

function addReindexCommand(log: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(log, {
    usage: 'reindex',
    summary: 'Make the index of streams of a SQLite log anew',
    more: [
      'For a log whose events are as they were written and whose index is not: drover events verify tells the two apart. Nothing of the events',
      'is touched, and whatever cuts it off leaves the old index. The coordinator has to be stopped.',
    ].join(' '),
    examples: [['drover log reindex --data /var/lib/drover', 'after somebody has changed its table stream_index']],
  }).requiredOption('--data <dir>', 'the folder that has events.db');
  onAction(addOutputOptions(command, { names: false }), context, async ({ data, ...flags }: FolderFlags) => {
    const dir = folderOfLog(data);
    const { reindex } = await import('../../adapters/event-store/sqlite/reindex.ts');
    const made = await whileStopped(dir, async () => reindex(dir));
    await print(io, flags, {
      value: made,
      text: () =>
        `the index was made anew from ${made.events} events: ${made.rows} rows, the commits after that are read at each start\n`,
    });
  });
}

function addPackCommand(log: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(log, {
    usage: 'pack',
    summary: 'Pack the older part of a SQLite log, and give back the room',
    more: [
      'A coordinator packs its log by itself, while nothing else is to be done. This is for a log that an older version has made, and which is large:',
      'the room that it needs no more would stay in the file, for what comes. While it works, the disk needs as much again as is left in the end.',
      'The coordinator has to be stopped.',
    ].join(' '),
    examples: [['drover log pack --data /var/lib/drover', 'after an upgrade from a version that did not pack']],
  }).requiredOption('--data <dir>', 'the folder that has events.db');
  onAction(addOutputOptions(command, { names: false }), context, async ({ data, ...flags }: FolderFlags) => {
    const dir = folderOfLog(data);
    const { packLog } = await import('../../adapters/event-store/sqlite/pack.ts');
    const made = await whileStopped(dir, async () => {
      using progress = createProgress(io);
      return packLog(dir, {
        begin: (events) => progress.begin('events packed', events),
        packed: (events) => progress.update(events),
        shrinks: () => progress.line('the file is written anew, without the room that it needs no more'),
      });
    });
    await print(io, flags, {
      value: made,
      text: () =>
        `${made.packed} of ${made.events} events are packed, the newest are not; events.db had ${size(made.before)} and has ${size(made.after)}\n`,
    });
  });
}

const foldersWithMarks = (dir: string): readonly string[] => [dir, join(dir, 'pool')];

/** What a data folder remembers of its log and the log does not have. Closes the log. */
async function missingOf(opened: EventStore, dir: string): Promise<readonly LogMark[]> {
  await using log = opened;
  const missing: LogMark[] = [];
  for (const mark of [...(await readLogMarks(foldersWithMarks(dir))), rememberedByViews(dir)])
    if (mark !== undefined && !(await hasMark(log, mark))) missing.push(mark);
  return missing;
}

function teller(io: Io): (progress: CopyProgress) => void {
  let next = 0;
  return ({ events, found }) => {
    if (events < next) return;
    if (next > 0) io.err(`${events} events copied\n`);
    else if (found > 0) io.err(`goes on after ${found} events that are there\n`);
    next = events + eventsPerLine;
  };
}
