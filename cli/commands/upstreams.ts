import type { Command } from 'commander';
import type { UpstreamProbe, UpstreamStatus } from '../../coordinator/application.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { storeNames } from '../http/store-name.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { inFlags } from '../output/place.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { formatProbe, formatUpstream, formatUpstreams } from '../output/upstreams.ts';

type Flags = ConnectionFlags & OutputFlags;

export function addUpstreamsCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const upstreams = addGroup(program, {
    usage: 'upstreams',
    summary: 'See other binary caches, whose substitutes count as available',
    more: 'An upstream is a table [[upstream]] in the configuration of the coordinator. What it has, signed by one of its keys, is not built: agents and clients fetch it through the coordinator. "drover submit --check-upstream" says for what upstreams are asked.',
    examples: [
      ['drover upstreams list', 'which there are, and whether they answer'],
      ['drover upstreams check nixos /nix/store/HASH-hello-2.12', 'whether one has something'],
    ],
  });

  const list = addCommand(upstreams, {
    usage: 'list',
    summary: 'List all upstreams, the one that is asked first at the head',
    examples: [
      ['drover upstreams list', 'whether they answer, and how much they had'],
      ['drover upstreams list -o wide', 'with all that they were asked'],
    ],
  });
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(list, context, async (flags: Flags & ListingFlags) => {
    const client = connect(flags, io);
    return printListing<UpstreamStatus>(io, flags, {
      client,
      streams: ['item-'],
      async load() {
        const answer = await client.get<{ rows: readonly UpstreamStatus[] }>('/v1/upstreams');
        return { value: answer, rows: answer.rows, text: formatUpstreams, name: ({ name }) => name };
      },
    });
  });

  const show = addCommand(upstreams, {
    usage: 'show <upstream>',
    summary: 'Show one upstream',
    examples: [['drover upstreams show nixos', 'its keys, how it answers, and what was not believed']],
  });
  addConnectionOptions(addOutputOptions(show, { names: false }));
  onAction(show, context, async (name: string, flags: Flags) => {
    const upstream = await connect(flags, io).get<UpstreamStatus>(`/v1/upstreams/${encodeURIComponent(name)}`);
    await print(io, flags, { value: upstream, text: () => formatUpstream(upstream) });
  });

  const check = addCommand(upstreams, {
    usage: 'check <upstream> [item...]',
    summary: 'Ask an upstream now whether it is there, and whether it has store items',
    more: 'It is asked from where the coordinator is, with its headers, also while it is left alone. Nothing changes by that. `doubted` is what it says that it has and did not give when it was wanted: no decision counts on that. Exit code 1 if it does not answer as a cache of the right store, or lacks one of the items.',
    examples: [
      ['drover upstreams check nixos', 'whether it answers'],
      ['drover upstreams check nixos /nix/store/HASH-hello-2.12', 'and has this, rightly signed'],
    ],
  });
  addConnectionOptions(addOutputOptions(check, { names: false }));
  onAction(check, context, async (name: string, items: readonly string[], flags: Flags) => {
    const path = `/v1/upstreams/${encodeURIComponent(name)}/check`;
    const client = connect(flags, io);
    const asked = client.send<UpstreamProbe>('POST', path, { items: await storeNames(client, items) });
    const probe = await asked.catch((error: unknown) => {
      throw inFlags(error, { items: 'item' });
    });
    await print(io, flags, { value: probe, text: () => formatProbe(probe) });
    return probe.ok && probe.items.every(({ answer }) => answer === 'found') ? 0 : 1;
  });
}
