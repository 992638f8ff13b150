import type { Command } from 'commander';
import type { FailedReport, VerifyReport } from '../../coordinator/application.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { cutOff } from '../http/cut-off.ts';
import { jsonLines } from '../http/json-lines.ts';
import { resolveIds } from '../http/resolve-id.ts';
import { byteCount } from '../numbers.ts';
import { interruptedCode } from '../output/io.ts';
import { inFlags } from '../output/place.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { printable, size } from '../output/text.ts';
import { createProgress } from '../submit/progress.ts';

interface VerifyFlags extends ConnectionFlags, OutputFlags {
  readonly full?: true;
  readonly repair?: true;
  readonly rate?: number;
}
type Wrong = Extract<VerifyReport, { type: 'wrong' }>;
type State = Exclude<VerifyReport, { type: 'wrong' }>;

export function addItemsVerify(items: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(items, {
    usage: 'verify [item...]',
    summary: 'Compare the pool with the log: all items, or those that are named',
    more: [
      'Without --full it is looked whether the files are there, with their sizes; with --full every byte is read: hash of the file, hash and',
      'size of the NAR in it, references, content address. What is wrong is missing from then on: the cache does not serve it any more, and',
      'what needs it has it built again. Exit code 1 if something was wrong. It can be stopped at any time.',
    ].join(' '),
    examples: [
      ['drover items verify', 'whether all files are there'],
      ['drover items verify --full', 'whether they are what they were, however long that takes'],
      [
        'drover items verify --full --repair --rate 50M',
        'have what is wrong built again, and leave the disk to others',
      ],
      ['drover items verify --full --json /nix/store/HASH-hello-2.12', 'one, for a program'],
    ],
  })
    .option('--full', 'read every byte')
    .option('--repair', 'have what is wrong built again, also where nobody needs it')
    .option('--rate <bytes>', 'with --full: read so many bytes a second at most, like 50M', byteCount);
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (named: readonly string[], flags: VerifyFlags) => {
    const signal = io.interrupted();
    const client = connect(flags, io);
    const full = flags.full === true;
    const wrong: Wrong[] = [];
    let state: State | undefined;
    let failed: FailedReport | undefined;
    try {
      using progress = createProgress(io);
      const asked = client.request('POST', '/v1/items/verify', {
        headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
        body: JSON.stringify({
          full,
          ...(flags.rate !== undefined && { rate: flags.rate }),
          ...(flags.repair && { repair: true }),
          ...(named.length > 0 && { items: await resolveIds(client, 'items', named) }),
        }),
        signal,
      });
      const response = await asked.catch((error: unknown) => {
        throw inFlags(error, { items: 'item' });
      });
      for await (const report of jsonLines<VerifyReport | FailedReport>(response)) {
        if (report.type === 'failed') {
          failed = report;
          break;
        }
        if (report.type === 'wrong') {
          wrong.push(report);
          progress.line(`${report.item}: ${printable(report.message)} (${report.fault})${repairOf(report)}`);
          continue;
        }
        if (state === undefined) progress.begin('items', report.total);
        progress.update(report.checked);
        state = report;
      }
    } catch (error) {
      if (signal.aborted) return interruptedCode(signal);
      // Once it has begun, whatever ends it early is one and the same to whoever waits.
      if (state === undefined) throw error;
    }
    if (state?.type !== 'end')
      throw cutOff('the verification', failed, 'what it found until then counts; start it again for the rest');
    const { checked, bytes } = state;
    const read = full ? `, ${size(bytes)} read` : '';
    await print(io, flags, {
      value: { checked, bytes, wrong: wrong.map(({ type: _, ...rest }) => rest) },
      text: () =>
        `${checked} items verified${read}, ${wrong.length === 0 ? 'nothing wrong' : `${wrong.length} wrong`}\n`,
      names: wrong.map(({ item }) => item),
    });
    return wrong.length === 0 ? 0 : 1;
  });
}

/** What is done about it, where it was to be repaired. */
function repairOf({ rebuild, upstream }: Wrong): string {
  if (upstream !== undefined) return `; fetched again from the upstream ${printable(upstream)}`;
  if (rebuild === undefined) return '';
  return rebuild === null
    ? '; no known derivation makes it: whoever has it can send it again'
    : `; built again by submission ${printable(rebuild)}`;
}
