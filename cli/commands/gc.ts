import type { Command } from 'commander';
import type { CollectionReport, FailedReport } from '../../coordinator/application.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { cutOff } from '../http/cut-off.ts';
import { jsonLines } from '../http/json-lines.ts';
import { byteCount, durationSeconds, longestKeepSeconds } from '../numbers.ts';
import { type CollectionEnd, formatCollection } from '../output/collection.ts';
import { interruptedCode } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { printable } from '../output/text.ts';
import { createProgress } from '../submit/progress.ts';

interface GcFlags extends ConnectionFlags, OutputFlags {
  readonly dryRun?: true;
  readonly now?: true;
  readonly olderThan?: number;
  readonly maxFreed?: number;
  readonly keepFree?: number;
  readonly buildInputs?: true;
  readonly withoutRoots?: true;
}

export function addGcCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'gc',
    summary: 'Collect the store items that nobody needs',
    more: [
      'What stays is what roots keep, what unfinished builds and uploads under way need, and what was published less long ago than clients may',
      'keep what the cache said of it (cache-ttl-seconds), or than --older-than: all of that with everything that it refers to. The rest is',
      'unpublished at once, and its bytes go when no client can know of them any more. It can be interrupted at any time: what is left is whole.',
      'The schedule in the configuration (gc.daily-at) does the same each day. "drover items why" says what keeps an item.',
    ].join(' '),
    examples: [
      ['drover gc --dry-run', 'how much would go, and what stays for which reason'],
      ['drover gc --dry-run -o name', 'what would go, by name'],
      ['drover gc --older-than 30d', 'only what was published more than 30 days ago'],
      ['drover gc --keep-free 100G', 'until so much is free; nothing if it is already'],
      ['drover gc --now --max-freed 10G', 'some of it, with its bytes at once'],
    ],
  })
    .option('--dry-run', 'only say what would go')
    .option('--now', 'let the bytes go at once: clients that know of them find nothing')
    .option(
      '--older-than <time>',
      'keep what was published less long ago, with all that it refers to: 12h, 30d',
      durationSeconds(longestKeepSeconds),
    )
    .option('--max-freed <bytes>', 'end once so many bytes go: 500M, 10G', byteCount)
    .option('--keep-free <bytes>', "end once so many bytes are free on the pool's disk", byteCount)
    .option('--build-inputs', 'also keep what kept items were built with')
    .option('--without-roots', 'collect even if no root keeps anything');
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (flags: GcFlags) => {
    const signal = io.interrupted();
    const client = connect(flags, io);
    let last: CollectionReport | undefined;
    let failed: FailedReport | undefined;
    try {
      using progress = createProgress(io);
      const response = await client.request('POST', '/v1/items/collect', {
        headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
        body: JSON.stringify({ ...wishOf(flags), ...(flags.output === 'name' && { names: true }) }),
        signal,
      });
      let phase: string | undefined;
      for await (const report of jsonLines<CollectionReport | FailedReport>(response)) {
        if (report.type === 'failed') {
          failed = report;
          break;
        }
        last = report;
        if (report.type === 'end') continue;
        if (report.phase !== phase) progress.begin(report.phase, report.total);
        phase = report.phase;
        progress.update(report.items);
        // As they come: there may be millions.
        for (const path of report.paths ?? []) io.out(`${printable(path)}\n`);
      }
    } catch (error) {
      if (signal.aborted) {
        io.err('Interrupted. What was collected until then is; what is left is whole.\n');
        return interruptedCode(signal);
      }
      // Once it has begun, whatever ends it early is one and the same to whoever waits.
      if (last === undefined) throw error;
    }
    if (last?.type !== 'end')
      throw cutOff(
        'the collection',
        failed,
        'what was collected until then is, and what is left is whole; start it again for the rest',
      );
    const end: CollectionEnd = last;
    const { type: _, ...value } = end;
    const text = (now: number): string => formatCollection(end, flags.dryRun === true, now);
    if (flags.output === 'name') io.err(text(io.now()));
    else await print(io, flags, { value, text: (view) => text(view.now()) });
    return 0;
  });
}

function wishOf({ dryRun, now, olderThan, maxFreed, keepFree, buildInputs, withoutRoots }: GcFlags): object {
  return {
    ...(dryRun && { preview: true }),
    ...(now && { now: true }),
    ...(olderThan !== undefined && { olderThanSeconds: olderThan }),
    ...(maxFreed !== undefined && { maxFreed }),
    ...(keepFree !== undefined && { keepFree }),
    ...(buildInputs && { buildInputs: true }),
    ...(withoutRoots && { withoutRoots: true }),
  };
}
