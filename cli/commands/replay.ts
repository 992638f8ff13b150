import { Argument, type Command, Option } from 'commander';
import { buildFilterStates } from '../../coordinator/ports/views.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, connect } from '../http/connection.ts';
import { resolveId, resolveIdBy, type TypedKind } from '../http/resolve-id.ts';
import { gatherChoices, wholeNumber } from '../numbers.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { type Place, placeOption } from '../output/place.ts';
import { addOutputOptions } from '../output/print.ts';
import type { ReplayFlags } from '../replay/run.ts';
import { type What, whatNames } from '../replay/what.ts';
import { buildStateWords } from './build-filters.ts';

export function addReplayCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const place = placeOption(io.now);
  const command = addCommand(program, {
    usage: 'replay',
    summary: 'Show what was known at a moment, or what changed between two, from the log alone',
    more: [
      'Folds the log up to a position or a time and shows what the live command would have shown then: status; queue (builds list of',
      'what had not ended); build (builds show); item (items show); agent (agents show); why (builds why). With --diff, what is not the',
      'same at two places, and who made it so. The log is read from a running coordinator, from the file in a data folder (of a running or',
      'a stopped one, or a copy), or from an event store.',
    ].join(' '),
    examples: [
      ['drover replay status --until 2026-11-24T08:00:00Z', 'how the farm stood on Tuesday morning'],
      ['drover replay queue --until 2026-11-24T08:00:00Z --tag branch=main', 'what had not ended then'],
      ['drover replay queue --until 2h --state blocked', 'what nothing could have set going two hours ago'],
      ['drover replay build 1m8aperfahjkz4xf-2 --until 0000000000004711', 'a build and its attempts, as they were'],
      [
        'drover replay item /nix/store/HASH-hello-2.12 --until 1d',
        'what there was of it yesterday, and who brought it',
      ],
      ['drover replay why 1m8aperfahjkz4xf-2 --until 3h', 'why that build was not running three hours ago'],
      ['drover replay --diff 2026-11-24 2026-11-25', 'what changed on that Tuesday, and by whom'],
      ['drover replay status --data /backup/drover', 'the end of the log in a backup'],
    ],
  })
    .addArgument(new Argument('[what]', 'what to show').choices(whatNames))
    .argument('[id]', 'the build, the item or the agent')
    .option(
      '--until <place>',
      'position of the last event, or a time (2026-11-25T20:00:00Z, 2h); the end of the log if absent',
      place,
    )
    .addOption(
      new Option('--diff <places...>', 'two places, the earlier one first: positions or times, start or end').argParser(
        (text, before: readonly Place[] = []) => [...before, place(text)],
      ),
    )
    .option('--data <dir>', 'read the log of this data folder')
    .option('--store <store>', 'read the log of sqlite:DIR, nats://… or esdb://…')
    .addOption(
      new Option('--state <state>', `queue: ${buildStateWords}; can be repeated`).argParser(
        gatherChoices(buildFilterStates),
      ),
    )
    .option('--system <system>', 'queue: for example x86_64-linux')
    .option('--name <part>', "queue: part of the derivation's name")
    .option('--agent <agent>', 'queue: agent of the last attempt')
    .option('--submission <id>', 'queue: builds of one submission')
    .option('--tag <tag>', 'queue: key, or key=value')
    .option('--limit <n>', 'queue and --diff: rows of each list; 50 if not given', wholeNumber(1, 1_000_000))
    .option('--after <cursor>', 'queue: go on where the page before ended');
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (what: What | undefined, id: string | undefined, flags: ReplayFlags) => {
    // Everything that folds a log is a third of what the command line would load.
    const { diff, show } = await import('../replay/run.ts');
    const signal = io.interrupted();
    const wish = await withWholeIds(what, id, flags, io, signal);
    const done =
      flags.diff === undefined
        ? await show(what, wish.id, wish.flags, io, signal)
        : await diff(what, flags, io, signal);
    return done ? 0 : interruptedCode(signal);
  });
}

const kinds: Readonly<Partial<Record<What, TypedKind>>> = { build: 'builds', why: 'builds', item: 'items' };

/** Ids by their beginnings, as a running coordinator knows them, or a log in a file or an event store. */
async function withWholeIds(
  what: What | undefined,
  id: string | undefined,
  flags: ReplayFlags,
  io: Io,
  signal: AbortSignal,
) {
  const kind = what && kinds[what];
  const { submission, data, store } = flags;
  async function resolve(kind: TypedKind, text: string): Promise<string> {
    if (data === undefined && store === undefined) return resolveId(connect(flags, io), kind, text);
    const { idsInLog } = await import('../replay/ids-in-log.ts');
    return resolveIdBy(kind, text, (prefix) => idsInLog(flags, io, signal, kind, prefix));
  }
  return {
    id: kind !== undefined && id !== undefined ? await resolve(kind, id) : id,
    flags: submission === undefined ? flags : { ...flags, submission: await resolve('submissions', submission) },
  };
}
