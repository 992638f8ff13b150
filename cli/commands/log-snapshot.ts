import { join } from 'node:path';
import type { Command } from 'commander';
import type { StoreAddress } from '../../adapters/event-store/store-url.ts';
import { isDroverError } from '../../coordinator/errors.ts';
import { isEventStoreError } from '../../coordinator/ports/event-store.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { CliError } from '../output/cli-error.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { plural, size } from '../output/text.ts';
import { coordinatorFolder, openLogOf } from '../replay/coordinator-folder.ts';
import { logAddress } from '../replay/store-address.ts';
import { createProgress } from '../submit/progress.ts';

interface Flags extends OutputFlags {
  readonly data: string;
  readonly store?: string;
}

export function addSnapshotCommand(log: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(log, {
    usage: 'snapshot',
    summary:
      'Fold the log ahead of a start: after an upgrade a coordinator begins with what its own version has folded',
    more: [
      'A coordinator writes snapshots by itself, beside its work, and begins with the newest. One of another version folds otherwise, so the first start of',
      'that folds the whole log, minutes where it is long. This does it beforehand, with the version that it is itself: the coordinator may run meanwhile,',
      'and is not disturbed. It takes as much memory as a coordinator. Ctrl-C leaves nothing. A coordinator with --traces-endpoint folds the whole log at each',
      'start, whatever snapshots there are.',
    ].join(' '),
    examples: [
      [
        'drover log snapshot --data /var/lib/drover',
        'with the new version, before the coordinator of the old one is stopped',
      ],
    ],
  })
    .requiredOption('--data <dir>', "the coordinator's data folder")
    .option('--store <store>', 'where its log is not there: sqlite:DIR, nats://…, tls://… or esdb://…');
  onAction(addOutputOptions(command, { names: false }), context, async ({ data, store, ...flags }: Flags) => {
    const signal = io.interrupted();
    const dir = coordinatorFolder(data);
    const address = logAddress(store);
    try {
      const made = await make(address, dir, io, signal);
      if (made === undefined) throw new CliError('not-found', `expected a log with events, got an empty one of ${dir}`);
      await print(io, flags, {
        value: made,
        text: () =>
          `${made.file}: ${plural(made.events, 'event')}, ${made.replayed.toLocaleString('en')} of them folded now, ${size(made.bytes)}\n`,
      });
    } catch (error) {
      if (signal.aborted) return interruptedCode(signal);
      if (isEventStoreError(error) || isDroverError(error))
        throw new CliError(error.code, error.message, { cause: error });
      throw error;
    }
    return 0;
  });
}

async function make(address: StoreAddress, dir: string, io: Io, signal: AbortSignal) {
  await using log = await openLogOf(dir, address, 'drover log snapshot');
  using progress = createProgress(io);
  progress.begin('events folded');
  let count = 0;
  const at = (): void => {
    signal.throwIfAborted();
    progress.update(++count);
  };
  const { makeSnapshot } = await import('../../adapters/snapshots/make.ts');
  return await makeSnapshot(log, join(dir, 'snapshots'), { at });
}
