import { join } from 'node:path';
import type { Command } from 'commander';
import { foldFingerprint } from '../../adapters/snapshots/fingerprint.ts';
import { createSnapshotFolder } from '../../adapters/snapshots/folder.ts';
import { viewsFile } from '../../adapters/views/sqlite/remembered.ts';
import { isDamage } from '../../adapters/views/sqlite/sqlite-damage.ts';
import { verifyViews } from '../../adapters/views/sqlite/verify.ts';
import { isDroverError } from '../../coordinator/errors.ts';
import { type Loaded, loaded } from '../../coordinator/log/recovery.ts';
import { verifySnapshot } from '../../coordinator/log/verify-snapshot.ts';
import { type EventStore, isEventStoreError } from '../../coordinator/ports/event-store.ts';
import type { Difference } from '../../coordinator/ports/views.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { CliError } from '../output/cli-error.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { details } from '../output/table.ts';
import { coordinatorFolder, openLogOf } from '../replay/coordinator-folder.ts';
import { logAddress } from '../replay/store-address.ts';
import { createProgress } from '../submit/progress.ts';

interface Flags extends OutputFlags {
  readonly data: string;
  readonly store?: string;
}

/** More are counted and not kept: whoever has so many makes the views anew. */
const mostKept = 1000;
const mostShown = 20;

interface Found {
  readonly events: number;
  readonly rows: number;
  /** Name of the snapshot that was looked at, `null` where there is none that this program could begin with. */
  readonly snapshot: string | null;
  /** How many events of the log it knows: as a rule fewer than there are by now. */
  readonly snapshotEvents: number | null;
  /** Newer ones of this program that cannot be read. */
  readonly unusable: readonly { readonly snapshot: string; readonly problem: string }[];
  readonly differing: number;
  /** The first {@link mostKept} of them. */
  readonly differences: readonly Difference[];
}

export function addViewsVerifyCommand(views: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(views, {
    usage: 'verify',
    summary: 'Check that what lists and searches read, and the newest snapshot, say what the log says',
    more: [
      'Replays the log of a data folder from its first event into tables of its own, which take room among temporary files, and names each row of',
      'the views that is other than it has to be; then folds the log to where the newest snapshot was made, and names what that knows otherwise.',
      'The coordinator may run or not; nothing is changed. Exit code 1 where something differs or a snapshot cannot be read: `drover views rebuild` makes',
      'the views anew, and a snapshot can be deleted. `drover events verify` is for the log itself.',
    ].join(' '),
    examples: [
      ['drover views verify --data /var/lib/drover', 'of a coordinator that runs on this machine, or is stopped'],
    ],
  })
    .requiredOption('--data <dir>', "the coordinator's data folder")
    .option('--store <store>', 'where its log is not there: sqlite:DIR, nats://…, tls://… or esdb://…');
  addOutputOptions(command, { names: false });
  onAction(command, context, async ({ data, store, ...flags }: Flags) => {
    const signal = io.interrupted();
    const dir = coordinatorFolder(data);
    const address = logAddress(store);
    let found: Found;
    try {
      await using log = await openLogOf(dir, address, 'drover views verify');
      found = await verify(dir, log, io, signal);
    } catch (error) {
      if (isEventStoreError(error) || isDroverError(error))
        throw new CliError(error.code, error.message, { cause: error });
      if (isDamage(error))
        throw new CliError('damaged', `${viewsFile(dir)}: ${(error as Error).message}`, {
          cause: error,
          hint: '`drover views rebuild` makes the views anew',
        });
      throw error;
    }
    if (signal.aborted) return interruptedCode(signal);
    await print(io, flags, { value: found, text: () => report(found) });
    return found.differing === 0 && found.unusable.length === 0 ? 0 : 1;
  });
}

async function verify(dir: string, log: EventStore, io: Io, signal: AbortSignal): Promise<Found> {
  let [events, rows, differing] = [0, 0, 0];
  const differences: Difference[] = [];
  const note = (difference: Difference): void => {
    if (++differing <= mostKept) differences.push(difference);
  };
  {
    using progress = createProgress(io);
    progress.begin('events read');
    for await (const step of verifyViews(dir, log, signal)) {
      if (step.kind === 'read') {
        events = step.events;
        progress.update(events);
      } else if (step.kind === 'compared') {
        if (rows === 0) progress.begin('rows compared');
        rows = step.rows;
        progress.update(rows);
      } else {
        const { kind: _, ...difference } = step;
        note(difference);
      }
    }
  }
  if (signal.aborted)
    return { events, rows, snapshot: null, snapshotEvents: null, unusable: [], differing, differences };
  const { snapshot, unusable } = await newestOf(dir, log);
  if (snapshot) {
    using progress = createProgress(io);
    progress.begin('events that the snapshot knows, folded', snapshot.foldedTo.events);
    let count = 0;
    for (const difference of await verifySnapshot(log, snapshot, { at: () => progress.update(++count) }))
      note(difference);
  }
  return {
    events,
    rows,
    snapshot: snapshot?.name ?? null,
    snapshotEvents: snapshot?.foldedTo.events ?? null,
    unusable,
    differing,
    differences,
  };
}

async function newestOf(dir: string, log: EventStore) {
  const passedOver: { snapshot: string; problem: string }[] = [];
  const unusable = (error: unknown, snapshot: string): void => {
    passedOver.push({ snapshot, problem: error instanceof Error ? error.message : String(error) });
  };
  const folder = createSnapshotFolder({
    dir: join(dir, 'snapshots'),
    fingerprint: foldFingerprint(),
    unusable,
  });
  let newest: Loaded | undefined;
  for await (newest of loaded(log, undefined, folder, { unusable })) break;
  return { snapshot: newest, unusable: passedOver };
}

function report({ events, rows, snapshot, snapshotEvents, unusable, differing, differences }: Found): string {
  const shown = differences
    .slice(0, mostShown)
    .map(
      ({ view, key, log, there }) =>
        `${view} ${key}\n  by the log: ${log ?? 'not there'}\n  there:      ${there ?? 'nothing'}\n`,
    );
  const rest = differing > mostShown ? [`and ${differing - mostShown} more; --json has the first ${mostKept}\n`] : [];
  const summary = details([
    ['events', events],
    ['rows compared', rows],
    ['snapshot', snapshot ?? 'none that this version could begin with'],
    ['it knows', snapshotEvents === null ? undefined : `the first ${snapshotEvents} events of the log`],
    ...unusable.map(
      ({ snapshot, problem }) => [`cannot be read`, `${snapshot}: ${problem}; a start passes over it`] as const,
    ),
    ['differences', differing],
  ]);
  const whatWasRead = unusable.length === 0 ? 'all' : 'all that could be read';
  const outcome = `${differing === 0 ? whatWasRead : 'not all'} is what the log says\n`;
  return [...shown, ...rest, summary, outcome].join('');
}
