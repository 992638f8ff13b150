import type { Command } from 'commander';
import type { Query } from '../../client/http.ts';
import type { AgentStatus } from '../../coordinator/application.ts';
import type { ItemRow, Page } from '../../coordinator/ports/views.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { resolveIds } from '../http/resolve-id.ts';
import { CliError } from '../output/cli-error.ts';
import { confirm } from '../output/confirm.ts';
import type { Io } from '../output/io.ts';
import { addOutputOptions, forPrograms, type OutputFlags, print } from '../output/print.ts';
import { plural, printable } from '../output/text.ts';
import { instantOption } from '../output/when.ts';
import { createProgress } from '../submit/progress.ts';

interface DeleteFlags extends ConnectionFlags, OutputFlags {
  readonly deriver?: string;
  readonly agent?: string;
  readonly since?: number;
  readonly reason?: string;
  readonly dryRun?: true;
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
      ['drover items delete --agent worker-1 --since 2d', 'all that an agent has built in the last two days'],
      ['drover items delete --agent worker-1 --dry-run', 'what that would be'],
    ],
  })
    .option('--deriver <drv>', 'the outputs of this derivation, by its base name or path')
    .option('--agent <name>', 'all that this agent has built; can be given again after it was interrupted')
    .option(
      '--since <time>',
      'with --agent: what was added then or later, 2026-11-25T20:00:00Z or 2h ago',
      instantOption(io.now),
    )
    .option('--reason <text>', 'for the record')
    .option('--dry-run', 'only say what would be deleted')
    .option('-y, --yes', 'do not ask');
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (named: readonly string[], flags: DeleteFlags) => {
    const client = connect(flags, io);
    const { deriver, agent, since } = flags;
    if (Number(named.length > 0) + Number(deriver !== undefined) + Number(agent !== undefined) !== 1)
      throw new CliError('wrong-use', 'expected items, --deriver or --agent, one of the three', { exitCode: 2 });
    if (since !== undefined && agent === undefined)
      throw new CliError('wrong-use', 'expected --since with --agent only', { exitCode: 2 });
    const paths =
      deriver !== undefined
        ? await outputsOf(client, baseOf(deriver))
        : agent !== undefined
          ? await itemsOf(client, { agent, since })
          : await known(client, named, flags.dryRun === true);
    if (agent !== undefined && paths.length === 0) {
      io.err(`There is nothing that ${printable(agent)} has built.\n`);
      return;
    }
    if (flags.dryRun) {
      await print(io, flags, { value: { wouldDelete: paths }, text: () => listOf(paths), names: paths });
      return;
    }
    if (flags.yes !== true && paths.length > 1) io.err(listOf(paths));
    if (flags.yes !== true) await confirm(io, `Delete ${paths.length === 1 ? paths[0] : `${paths.length} items`}?`);
    const query = flags.reason === undefined ? {} : { reason: flags.reason };
    using progress = createProgress(io);
    if (paths.length > 1) progress.begin('deleting', paths.length);
    for (const [index, path] of paths.entries()) {
      await client.request('DELETE', `/v1/items/${encodeURIComponent(path)}`, { query }).catch((error: unknown) => {
        // Gone between the list and now: that is what was wanted.
        if (agent === undefined || !(error instanceof CliError) || error.code !== 'unknown-item') throw error;
      });
      progress.update(index + 1);
      if (!forPrograms(flags) && agent === undefined) io.out(`deleted ${path}\n`);
    }
    // Those that were named have been told one by one.
    const text = () => (agent === undefined ? '' : `deleted ${plural(paths.length, 'item')}\n`);
    await print(io, flags, { value: { deleted: paths }, text, names: paths });
    if (agent !== undefined) await warnOfMore(client, agent, io);
  });
}

/** Most items that are named before a question. */
const mostNamed = 20;

function listOf(paths: readonly string[]): string {
  const named = paths.slice(0, mostNamed).map((path) => `\n  ${printable(path)}`);
  const more = paths.length > mostNamed ? `\n  … and ${paths.length - mostNamed} more` : '';
  return `would delete ${plural(paths.length, 'item')}:${named.join('')}${more}\n`;
}

/** An agent that still builds makes more of what was just withdrawn. */
async function warnOfMore(client: Client, agent: string, io: Io): Promise<void> {
  const status = await client.get<AgentStatus>(`/v1/agents/${encodeURIComponent(agent)}`).catch(() => undefined);
  if (status?.intake === 'accepting')
    io.err(`warning: ${printable(agent)} goes on building; drover agents pause, or drover tokens revoke, ends that\n`);
}

/** @param look whether to refuse what there is not; otherwise its deletion does. */
async function known(client: Client, named: readonly string[], look: boolean): Promise<readonly string[]> {
  const paths = await resolveIds(client, 'items', named);
  if (look) for (const path of paths) await client.get(`/v1/items/${encodeURIComponent(path)}`);
  return paths;
}

/** Base names of the items that have `deriver`. */
async function outputsOf(client: Client, deriver: string): Promise<string[]> {
  const paths = await itemsOf(client, { deriver });
  if (paths.length === 0) throw new CliError('unknown-item', `there is no store item with the deriver ${deriver}`);
  return paths;
}

async function itemsOf(client: Client, filter: Query): Promise<string[]> {
  const paths: string[] = [];
  let after: string | undefined;
  do {
    const page: Page<ItemRow> = await client.get('/v1/items', { ...filter, limit: 1000, after });
    paths.push(...page.rows.map(({ path }) => path));
    after = page.next;
  } while (after !== undefined);
  return paths;
}

export const baseOf = (path: string): string => path.replace(/^.*\//, '');
