import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { FarmStatus } from '../../coordinator/application.ts';
import type { Client } from '../http/client.ts';
import { followEvents, lossTeller } from '../http/event-feed.ts';
import { type Io, interruptedCode } from './io.ts';
import { lineFormatter, type OutputFlags, type Printed, print, viewOf } from './print.ts';
import { safeText } from './safe-text.ts';
import { plural } from './text.ts';
import type { View } from './view.ts';

/** A list as it is now. */
export interface Listing<Row> {
  /** The whole answer, for programs. */
  readonly value: unknown;
  readonly rows: readonly Row[];
  readonly text: (rows: readonly Row[], view: View) => string;
  /** Id or name of a row. */
  readonly name: (row: Row) => string;
  /** Of a list in pages, whose newest rows come first: there on each page, undefined on the last. */
  readonly next?: string | undefined;
}

/** Where lists come from, and the streams of the log whose events change them (all, if none are named). */
export interface ListSource<Row> {
  readonly client: Client;
  readonly streams?: readonly string[];
  load(): Promise<Listing<Row>>;
}

export interface ListingFlags extends OutputFlags {
  readonly watch?: true;
}

/** Gives a listing `--watch`. */
export function addWatchOption(command: Command): Command {
  return command.option(
    '-w, --watch',
    'stay, and show what changes: a terminal is drawn anew, anything else gets the rows that changed; until Ctrl-C',
  );
}

/** Prints a list, once or until Ctrl-C. Resolves with the exit code. */
export async function printListing<Row>(io: Io, flags: ListingFlags, source: ListSource<Row>): Promise<number> {
  if (flags.watch) return watchListing(io, flags, source);
  const listing = await source.load();
  await print(io, flags, { ...printedRows(listing, listing.rows), value: listing.value, next: listing.next });
  return 0;
}

function printedRows<Row>({ text, name }: Listing<Row>, rows: readonly Row[]): Printed {
  return { value: rows, text: (view) => text(rows, view), names: rows.map(name) };
}

/** Milliseconds between two looks at least: a busy farm changes all the time. */
const pauseMs = 1000;

async function watchListing<Row>(
  io: Io,
  flags: ListingFlags,
  { client, streams, load }: ListSource<Row>,
): Promise<number> {
  const signal = io.interrupted();
  const show = await shower<Row>(io, flags);
  let changed = true;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => {};
  const follow = async (from: string): Promise<void> => {
    const onLost = lossTeller((line) => io.err(`${line}\n`));
    for await (const _ of followEvents(client, { from, ...(streams && { streams }), signal, onLost })) {
      changed = true;
      wake();
    }
  };
  try {
    // What happens after this is told by the feed; what was before is in the first look.
    const { position } = await client.get<FarmStatus>('/v1/status');
    void follow(position ?? 'start').catch((error: unknown) => {
      failure = { error };
      wake();
    });
    while (!signal.aborted) {
      changed = false;
      await show(await load());
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (changed || failure !== undefined || signal.aborted) {
        if (failure !== undefined && !signal.aborted) throw failure.error;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return interruptedCode(signal);
}

/** What shows a list again and again. */
async function shower<Row>(io: Io, flags: ListingFlags): Promise<(listing: Listing<Row>) => Promise<void>> {
  const { output = 'table' } = flags;
  const forPeople = output === 'table' || output === 'wide';
  if (io.terminal && forPeople)
    return (listing) =>
      io.write(Buffer.from(clearScreen + safeText(screen(listing, io, output === 'wide'), io.colour)));
  const format = await lineFormatter(io, flags);
  const before = new Map<string, string>();
  let titled = false;
  return async (listing) => {
    // A list in pages has the newest first, and what is appended the newest last; others have an order of their own.
    const inOrder = 'next' in listing ? listing.rows.toReversed() : listing.rows;
    const rows = inOrder.filter((row) => {
      const [name, now] = [listing.name(row), stateOf(row)];
      const isNew = before.get(name) !== now;
      before.set(name, now);
      return isNew;
    });
    if (rows.length === 0) return;
    if (!forPeople) return rows.forEach((row) => void io.out(format({ ...printedRows(listing, [row]), value: row })));
    const text = format(printedRows(listing, rows));
    io.out(titled ? text.slice(text.indexOf('\n') + 1) : text);
    titled = true;
  };
}

/** Of ECMA-48: cursor home, erase all below. */
const clearScreen = '\u001b[H\u001b[J';

/** As much of a list as the screen has lines for. */
function screen<Row>(listing: Listing<Row>, io: Io, wide: boolean): string {
  const lines = listing.text(listing.rows, viewOf(io, wide)).split('\n');
  const room = Math.max(3, (io.lines() ?? Number.MAX_SAFE_INTEGER) - 1);
  if (lines.length <= room) return lines.join('\n');
  const shown = lines.slice(0, room - 1);
  return `${shown.join('\n')}\n… and ${plural(lines.length - 1 - shown.length, 'more row')}\n`;
}

/** What of a row is a change: a heartbeat is none. */
function stateOf(row: unknown): string {
  return JSON.stringify(row, (key, value) => (key === 'heartbeat' ? undefined : value));
}
