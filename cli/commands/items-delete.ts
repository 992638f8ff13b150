import type { Command } from 'commander';
import type { ItemRow, Page } from '../../coordinator/ports/views.ts';
import { addCommand, addJsonOption, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { CliError } from '../output/cli-error.ts';
import { confirm } from '../output/confirm.ts';
import { json } from '../output/table.ts';

interface DeleteFlags extends ConnectionFlags {
  readonly json?: true;
  readonly deriver?: string;
  readonly reason?: string;
  readonly yes?: true;
}

export function addItemsDelete(items: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(items, {
    usage: 'delete [item...]',
    summary: 'Delete store items; what needs them waits until they are built again',
    more: 'The cache serves neither the items nor what refers to them from then on. An unfinished build that needs one has it built again by itself.',
    examples: [
      ['drover items delete /nix/store/HASH-hello-2.12 --reason "wrong patch"', 'one, and say why'],
      ['drover items delete --deriver HASH-hello-2.12.drv --yes', 'all outputs of a derivation, without a question'],
    ],
  })
    .option('--deriver <drv>', 'the outputs of this derivation, by its base name or path')
    .option('--reason <text>', 'for the record')
    .option('-y, --yes', 'do not ask');
  addConnectionOptions(addJsonOption(command));
  onAction(command, context, async (named: readonly string[], flags: DeleteFlags) => {
    const client = connect(flags, io.environment);
    if ((named.length === 0) === (flags.deriver === undefined))
      throw new CliError('wrong-use', 'expected items or --deriver, one of the two', { exitCode: 2 });
    const paths = flags.deriver === undefined ? named.map(baseOf) : await outputsOf(client, baseOf(flags.deriver));
    if (flags.yes !== true) await confirm(io, `Delete ${paths.length === 1 ? paths[0] : `${paths.length} items`}?`);
    const query = flags.reason === undefined ? {} : { reason: flags.reason };
    for (const path of paths) {
      await client.request('DELETE', `/v1/items/${encodeURIComponent(path)}`, { query });
      if (flags.json !== true) io.out(`deleted ${path}\n`);
    }
    if (flags.json === true) io.out(json({ deleted: paths }));
  });
}

/** Base names of the items that have `deriver`. */
async function outputsOf(client: Client, deriver: string): Promise<string[]> {
  const paths: string[] = [];
  let after: string | undefined;
  do {
    const page: Page<ItemRow> = await client.get('/v1/items', { deriver, limit: 1000, after });
    paths.push(...page.rows.map(({ path }) => path));
    after = page.next;
  } while (after !== undefined);
  if (paths.length === 0) throw new CliError('unknown-item', `there is no store item with the deriver ${deriver}`);
  return paths;
}

export const baseOf = (path: string): string => path.replace(/^.*\//, '');
