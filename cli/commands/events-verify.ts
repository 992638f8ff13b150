import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { checkNote } from '../../coordinator/audit/check-note.ts';
import { createVerifier, type Fault, type Verification } from '../../coordinator/audit/verifier.ts';
import type { Checkpoint } from '../../domain/audit/checkpoint.ts';
import { type NoteKey, parseNoteKey } from '../../domain/audit/signed-note.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions } from '../http/connection.ts';
import { gather } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';
import { interruptedCode } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { details } from '../output/table.ts';
import { type LogFlags, openLog } from '../replay/log-source.ts';
import { createProgress } from '../submit/progress.ts';

interface Flags extends LogFlags, OutputFlags {
  readonly key?: readonly string[];
  readonly checkpoint?: readonly string[];
}

export function addVerifyCommand(events: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(events, {
    usage: 'verify',
    summary: 'Check that the log is what was written, and name the first place where it is not',
    more: [
      'Each commit carries the hash of the one before it, and the coordinator signs checkpoints of the whole log: an event that was changed,',
      'removed, inserted or moved is found, and with a checkpoint that you hold also a log that was cut off or written anew. Reads the log of a',
      'running coordinator (as an admin), of a data folder, in use or not, or of an event store. In a file of SQLite the index of streams is',
      'checked, too. Exit code 1 where something is wrong.',
      'docs/audit.md says what is vouched for by what.',
    ].join(' '),
    examples: [
      ['drover events verify --data /var/lib/drover', 'the log in a data folder, with its own key'],
      ['drover events verify --store nats://127.0.0.1:4222 --key audit-key.pub', 'a log on NATS'],
      [
        'drover events verify --key audit-key.pub --checkpoint last-month.txt',
        'nothing before that checkpoint has changed since',
      ],
    ],
  })
    .option('--data <dir>', 'the log of this data folder; its audit-key.pub is the key unless --key says otherwise')
    .option('--store <store>', 'the log of sqlite:DIR, nats://… or esdb://…')
    .option(
      '--key <key>',
      'the public audit key, or a file with it; can be repeated, as for a key that was replaced',
      gather,
    )
    .option('--checkpoint <file>', 'a checkpoint that you hold: the log has to contain it; can be repeated', gather);
  addConnectionOptions(addOutputOptions(command, { names: false }));
  onAction(command, context, async (flags: Flags) => {
    const signal = io.interrupted();
    const keys = keysOf(flags);
    const held = (flags.checkpoint ?? []).map((file) => heldCheckpoint(file, keys));
    let found: Verification;
    {
      using progress = createProgress(io);
      progress.begin('events verified');
      let count = 0;
      await using log = await openLog(flags, io, signal, { as: 'drover events verify', exact: true });
      for (const note of log.notes) io.err(`${note}\n`);
      const verifier = createVerifier({ keys, held }, log.index);
      for await (const event of log.events(signal)) {
        if (!verifier.add(event)) break;
        progress.update(++count);
      }
      if (signal.aborted) return interruptedCode(signal);
      // While the log is open: the end of its index is looked at, too.
      found = verifier.end();
    }
    await print(io, flags, {
      value: { ...found, keys: keys.map(({ name }) => name) },
      text: () => report(found, keys),
    });
    return found.fault === undefined ? 0 : 1;
  });
}

function keysOf({ key, data }: Flags): NoteKey[] {
  const own = data === undefined ? undefined : join(data, 'audit-key.pub');
  return (key ?? (own !== undefined && existsSync(own) ? [own] : [])).map((text) =>
    readable('--key', text, () => {
      if (existsSync(text)) return parseNoteKey(textOf(text));
      if (!text.includes('+')) throw new Error('there is no such file, and a key is <name>+<id>+<base64>');
      return parseNoteKey(text);
    }),
  );
}

function heldCheckpoint(file: string, keys: readonly NoteKey[]): Checkpoint {
  const checked = checkNote(
    readable('--checkpoint', file, () => textOf(file)),
    keys,
  );
  if ('fault' in checked)
    throw new CliError('invalid-request', `--checkpoint ${file}: ${checked.fault}`, { exitCode: 2 });
  return checked.checkpoint;
}

/** A pipe that nobody writes to would be waited for without a word, and without an end. */
function textOf(file: string): string {
  if (!statSync(file).isFile()) throw new Error('expected a regular file');
  return readFileSync(file, 'utf8');
}

function readable<Value>(flag: string, value: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new CliError('invalid-request', `${flag} ${value}: ${(error as Error).message}`, { exitCode: 2 });
  }
}

function report(
  { events, commits, linkedFrom, checkpoints, signed, fault }: Verification,
  keys: readonly NoteKey[],
): string {
  const unsigned = signed && commits - signed.commits;
  const signatures = keys.length === 0 ? 'not checked: --key says which key' : keys.map(({ name }) => name).join(', ');
  const rows = details([
    ['events', events],
    ['commits', commits],
    ['linked from', linkedFrom ?? 'nowhere: no commit carries a hash yet'],
    ['checkpoints that fit', checkpoints],
    ['signatures', checkpoints === 0 ? undefined : signatures],
    [
      'covered by them',
      signed && `${signed.commits} commits, up to ${signed.through}; ${unsigned} after that, linked only`,
    ],
    ['first bad position', fault && (fault.position ?? 'beyond the end')],
    ['event', fault?.event],
    ['what is wrong', fault && `${fault.kind}: ${fault.message}`],
  ]);
  return `${rows}${outcome(fault)}\n`;
}

function outcome(fault: Fault | undefined): string {
  if (fault?.kind === 'index')
    return 'the log is what was written, its index is not: stop the coordinator, then `drover log reindex --data DIR` makes it anew';
  return fault ? 'the log is not what was written' : 'nothing is wrong';
}
