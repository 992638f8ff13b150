import type { Command } from 'commander';
import type { Query } from '../../client/http.ts';
import type { AgentStatus, DeletionReport } from '../../coordinator/application.ts';
import type { ItemRow } from '../../coordinator/ports/views.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { eachRow } from '../http/pages.ts';
import { resolveIds } from '../http/resolve-id.ts';
import { storeName } from '../http/store-name.ts';
import { CliError } from '../output/cli-error.ts';
import { confirm } from '../output/confirm.ts';
import { formatDeleted, formatNeeds, formatPlan, sumOf } from '../output/deletion.ts';
import type { Io } from '../output/io.ts';
import { inFlags } from '../output/place.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { printable } from '../output/text.ts';
import { instantOption } from '../output/when.ts';

interface DeleteFlags extends ConnectionFlags, OutputFlags {
  readonly deriver?: string;
  readonly agent?: string;
  readonly since?: number;
  readonly reason?: string;
  readonly now?: true;
  readonly force?: true;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** As many as the coordinator takes at once. */
const perRequest = 100_000;

export function addItemsDelete(items: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(items, {
    usage: 'delete [item...]',
    summary: 'Delete store items; none of them where somebody needs one',
    more: [
      'They are unpublished at once: no build and no reader of the cache gets them any more. Their bytes stay for as long as clients may keep',
      'what the cache said of them (the setting cache-ttl-seconds); then they are deleted. What an unfinished build needs, or another item or',
      'an upload refers to, is not deleted; --force says first what is built again then, and by itself.',
    ].join(' '),
    examples: [
      ['drover items delete /nix/store/HASH-hello-2.12 --reason "wrong patch"', 'one, and say why'],
      ['drover items delete --deriver HASH-hello-2.12.drv --yes', 'all outputs of a derivation, without a question'],
      ['drover items delete --agent worker-1 --since 2d', 'all that an agent has built in the last two days'],
      [
        'drover items delete --force --dry-run /nix/store/HASH-hello-2.12',
        'who needs it, and what would be built again',
      ],
      [
        'drover items delete --now /nix/store/HASH-hello-2.12',
        'with its bytes, for which a client may have come by then',
      ],
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
    .option(
      '--now',
      'delete the bytes at once, too, also of what is unpublished already: clients that know of them find nothing',
    )
    .option('--force', 'also what is needed: that is built again')
    .option('--dry-run', 'only say what would be deleted, and who needs it')
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
        ? await outputsOf(client, await storeName(client, deriver))
        : agent !== undefined
          ? await itemsOf(client, { agent, since })
          : await resolveIds(client, 'items', named);
    if (agent !== undefined && paths.length === 0) {
      io.err(`There is nothing that ${printable(agent)} has built.\n`);
      return;
    }
    // The newest first: what refers to others goes before them, however many there are.
    const wish = {
      ...(flags.reason !== undefined && { reason: flags.reason }),
      ...(flags.now && { now: true }),
      // Gone between the list and now: that is what was wanted.
      ...(agent !== undefined && { skipMissing: true }),
    };
    const ask = async (more: object): Promise<DeletionReport> => {
      const reports: DeletionReport[] = [];
      for (let next = 0; next < paths.length; next += perRequest) {
        const body = { items: paths.slice(next, next + perRequest), ...wish, ...more };
        const asked = client.send<DeletionReport>('POST', '/v1/items/delete', body);
        reports.push(
          await asked.catch((error: unknown) => {
            throw inFlags(error, { items: 'item' });
          }),
        );
      }
      return sumOf(reports);
    };
    const plan = await ask({ preview: true });
    const planned = () => formatPlan(plan, flags.force === true);
    if (flags.dryRun) return void (await print(io, flags, { value: plan, text: planned, names: paths }));
    if (plan.needed > 0 && !flags.force)
      throw new CliError('item-needed', `nothing was deleted: ${formatNeeds(plan).trimEnd()}`, {
        hint: '--force deletes it all the same; with --dry-run it says what is built again then',
      });
    if (plan.needed > 0 || paths.length > 1) io.err(planned());
    const what = paths.length === 1 ? paths[0] : `${paths.length} items`;
    if (flags.yes !== true) await confirm(io, `Delete ${what}${flags.now ? ' and the bytes at once' : ''}?`);
    const report = await ask(flags.force ? { force: true } : {});
    await print(io, flags, { value: report, text: (view) => formatDeleted(report, view.now()), names: paths });
    if (agent !== undefined) await warnOfMore(client, agent, io);
  });
}

/** An agent that still builds makes more of what was just withdrawn. */
async function warnOfMore(client: Client, agent: string, io: Io): Promise<void> {
  const status = await client.get<AgentStatus>(`/v1/agents/${encodeURIComponent(agent)}`).catch(() => undefined);
  if (status?.intake === 'accepting')
    io.err(`warning: ${printable(agent)} goes on building; drover agents pause, or drover tokens revoke, ends that\n`);
}

/** Base names of the items that have `deriver`. */
async function outputsOf(client: Client, deriver: string): Promise<string[]> {
  const paths = await itemsOf(client, { deriver });
  if (paths.length === 0) throw new CliError('unknown-item', `there is no store item with the deriver ${deriver}`);
  return paths;
}

async function itemsOf(client: Client, filter: Query): Promise<string[]> {
  const paths: string[] = [];
  try {
    for await (const { path } of eachRow<ItemRow>(client, '/v1/items', filter)) paths.push(path);
  } catch (error) {
    throw inFlags(error, { agent: '--agent', deriver: '--deriver' });
  }
  return paths;
}
