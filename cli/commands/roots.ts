import type { Command } from 'commander';
import type { RootDetail, RootStatus } from '../../coordinator/application.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { storeNames } from '../http/store-name.ts';
import { durationSeconds, longestKeepSeconds } from '../numbers.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { inFlags } from '../output/place.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { formatRoot, formatRoots } from '../output/roots.ts';
import { plural, printable, relativeTime } from '../output/text.ts';

type Flags<More = object> = ConnectionFlags & OutputFlags & More;

export function addRootsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const roots = addGroup(program, {
    usage: 'roots',
    summary: 'Keep store items from being collected, by name',
    more: 'A root is a name that keeps store items, with all that they refer to, for good or for a while. "drover gc" takes nothing that a root keeps, and "drover items delete" refuses to. "drover submit --root" adds what it builds. Rules [[keep]] in the configuration of the coordinator make roots by themselves.',
    examples: [
      ['drover roots add release-1.0 /nix/store/HASH-hello-2.12', 'kept for good'],
      ['drover roots list', 'what is kept, and when it expires'],
    ],
  });

  const add = addCommand(roots, {
    usage: 'add <root> <target...>',
    summary: 'Keep store items under a name, beside what it keeps already',
    more: 'A target is a store path; or a derivation, or the id of a build, for all its outputs, whether they are built yet or not. With --ttl it expires; what the name keeps for longer already stays so.',
    examples: [
      ['drover roots add release-1.0 /nix/store/HASH-hello-2.12', 'for good'],
      ['drover roots add demo /nix/store/HASH-hello-2.12.drv --ttl 30d', 'all outputs of a derivation, for 30 days'],
      ['drover roots add production --replace /nix/store/HASH-hello-2.12', 'this instead of what it kept before'],
    ],
  })
    .option('--ttl <time>', 'keep it for so long from now on: 12h, 30d', durationSeconds(longestKeepSeconds))
    .option('--replace', 'keep nothing else under this name any more');
  addConnectionOptions(addOutputOptions(add));
  onAction(add, context, async (name: string, targets: readonly string[], flags: Flags<AddFlags>) => {
    const client = connect(flags, io);
    const named = await storeNames(client, targets);
    const body = {
      name,
      targets: named,
      ...(flags.ttl !== undefined && { ttlSeconds: flags.ttl }),
      ...(flags.replace && { replace: true }),
    };
    const root = await client.send<RootDetail>('POST', '/v1/roots', body).catch((error: unknown) => {
      throw inFlags(error, { ttlSeconds: '--ttl', targets: 'target' });
    });
    await print(io, flags, { value: root, text: (view) => describe(root, view.now()), names: [root.name] });
  });

  const list = addCommand(roots, {
    usage: 'list',
    summary: 'List all roots',
    examples: [
      ['drover roots list', 'what is kept'],
      ['drover roots list -o name', 'the names, for a program'],
    ],
  });
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(list, context, async (flags: Flags<ListingFlags>) => {
    const client = connect(flags, io);
    return printListing<RootStatus>(io, flags, {
      client,
      streams: ['root-', 'item-'],
      async load() {
        const answer = await client.get<{ rows: readonly RootStatus[] }>('/v1/roots');
        return { value: answer, rows: answer.rows, text: formatRoots, name: ({ name }) => name };
      },
    });
  });

  const show = addCommand(roots, {
    usage: 'show <root>',
    summary: 'Show one root, with all that it keeps',
    examples: [['drover roots show nightly', 'each target, whether it is there, and when it expires']],
  });
  addConnectionOptions(addOutputOptions(show));
  onAction(show, context, async (name: string, flags: Flags) => {
    const root = await connect(flags, io).get<RootDetail>(`/v1/roots/${encodeURIComponent(name)}`);
    await print(io, flags, {
      value: root,
      text: (view) => formatRoot(root, view),
      names: root.kept.map(({ item }) => item),
    });
  });

  const remove = addCommand(roots, {
    usage: 'remove <root> [target...]',
    summary: 'Keep no more what a root keeps, or some of it',
    more: 'Nothing is deleted by that: the next collection takes what nothing else needs.',
    examples: [
      ['drover roots remove demo --reason "the demo is over"', 'all of it'],
      ['drover roots remove nightly /nix/store/HASH-hello-2.12', 'one target'],
    ],
  }).option('--reason <text>', 'for the record');
  addConnectionOptions(addOutputOptions(remove));
  onAction(remove, context, async (name: string, targets: readonly string[], flags: Flags<{ reason?: string }>) => {
    const client = connect(flags, io);
    const named = await storeNames(client, targets);
    const chosen = named.map((target) => `target=${encodeURIComponent(target)}`);
    const query = [...chosen, ...(flags.reason === undefined ? [] : [`reason=${encodeURIComponent(flags.reason)}`])];
    const path = `/v1/roots/${encodeURIComponent(name)}`;
    await client.send('DELETE', query.length === 0 ? path : `${path}?${query.join('&')}`).catch((error: unknown) => {
      throw inFlags(error, { target: 'target' });
    });
    const value = { name, ...(named.length > 0 && { targets: named }), removed: true };
    const what = targets.length === 0 ? printable(name) : `${plural(targets.length, 'target')} of ${printable(name)}`;
    await print(io, flags, { value, text: () => `removed ${what}\n`, names: [name] });
  });
}

interface AddFlags {
  readonly ttl?: number;
  readonly replace?: true;
}

function describe(root: RootDetail, now: number): string {
  const { name, targets, unavailable, until } = root;
  const expiry = until === undefined ? 'for good' : `the first of it expires ${relativeTime(until, now)}`;
  const going = root.kept.filter(({ state }) => state === 'unpublished').length;
  const lines = [`root ${printable(name)}: ${plural(targets, 'target')}, ${expiry}`];
  if (unavailable > 0) lines.push(`${unavailable} of them ${unavailable === 1 ? 'is' : 'are'} not available now`);
  if (going > 0) lines.push(`${going} of these ${going === 1 ? 'is' : 'are'} being deleted, which a root does not end`);
  return `${lines.join('\n')}\n`;
}
