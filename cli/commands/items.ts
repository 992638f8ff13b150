import type { Command } from 'commander';
import type { ItemWhy } from '../../coordinator/application.ts';
import type { ItemRow, Page } from '../../coordinator/ports/views.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { resolveId } from '../http/resolve-id.ts';
import { storeName } from '../http/store-name.ts';
import { wholeNumber } from '../numbers.ts';
import { formatItemWhy } from '../output/collection.ts';
import { formatItem, formatItems } from '../output/items.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { inFlags } from '../output/place.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { instantOption } from '../output/when.ts';
import { addItemsDelete } from './items-delete.ts';
import { addItemsVerify } from './items-verify.ts';

type Flags<More = object> = ConnectionFlags & OutputFlags & More;
interface ListFlags {
  readonly name?: string;
  readonly deriver?: string;
  readonly agent?: string;
  readonly since?: number;
  readonly limit: number;
  readonly after?: string;
}

export function addItemsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const items = addGroup(program, {
    usage: 'items',
    summary: 'List, look into, verify and delete the store items in the pool',
    examples: [
      ['drover items list --name hello', 'what there is of hello'],
      ['drover items verify --full', 'whether all of it is what it was'],
    ],
  });

  const list = addCommand(items, {
    usage: 'list',
    summary: 'List store items, the newest first',
    examples: [
      ['drover items list --name hello', 'by name'],
      ['drover items list --agent worker-1 --since 2d', 'what one agent has built in the last two days'],
      ['drover items list --deriver HASH-hello-2.12.drv --json', 'outputs of one derivation, for a program'],
    ],
  })
    .option('--name <part>', "part of the item's name")
    .option('--deriver <drv>', 'outputs of this derivation, by its base name or path')
    .option('--agent <name>', 'only what this agent has built')
    .option(
      '--since <time>',
      'only what was added then or later: 2026-11-25T20:00:00Z, or 2h ago',
      instantOption(io.now),
    )
    .option('--limit <n>', 'rows per page, 1 to 1000', wholeNumber(1, 1000), 50)
    .option('--after <cursor>', 'go on where the page before ended');
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(list, context, async (flags: Flags<ListFlags & ListingFlags>) => {
    const { name, deriver, agent, since, limit, after } = flags;
    const client = connect(flags, io);
    const drv = deriver === undefined ? undefined : await storeName(client, deriver);
    const query = { name, deriver: drv, agent, since, limit, after };
    return printListing<ItemRow>(io, flags, {
      client,
      streams: ['item-'],
      async load() {
        const page = await client.get<Page<ItemRow>>('/v1/items', query).catch((error: unknown) => {
          throw inFlags(error, { agent: '--agent', deriver: '--deriver' });
        });
        return { value: page, rows: page.rows, text: formatItems, name: ({ path }) => path, next: page.next };
      },
    });
  });

  const show = addCommand(items, {
    usage: 'show <item>',
    summary: 'Show one store item, by its base name or store path',
    examples: [['drover items show /nix/store/HASH-hello-2.12', 'hashes, sizes, references, signatures']],
  });
  addConnectionOptions(addOutputOptions(show));
  onAction(show, context, async (item: string, flags: Flags) => {
    const client = connect(flags, io);
    const row = await client.get<ItemRow>(`/v1/items/${encodeURIComponent(await resolveId(client, 'items', item))}`);
    await print(io, flags, { value: row, text: (view) => formatItem(row, view.now()), names: [row.path] });
  });

  const why = addCommand(items, {
    usage: 'why <item>',
    summary: 'Say what keeps a store item from being collected, or when it goes',
    examples: [['drover items why /nix/store/HASH-hello-2.12', 'the way to it from a root, a build, or what is new']],
  });
  addConnectionOptions(addOutputOptions(why));
  onAction(why, context, async (item: string, flags: Flags) => {
    const client = connect(flags, io);
    const path = await resolveId(client, 'items', item);
    const answer = await client.get<ItemWhy>(`/v1/items/${encodeURIComponent(path)}/why`);
    await print(io, flags, { value: answer, text: () => formatItemWhy(answer), names: answer.chain });
  });

  addItemsVerify(items, context);
  addItemsDelete(items, context);
}
