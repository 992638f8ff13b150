import type { Command } from 'commander';
import { Option } from 'commander';
import type { TokenInfo } from '../../coordinator/application.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect, connectAsAdmin } from '../http/connection.ts';
import { oneOf } from '../http/resolve-id.ts';
import { addHandOutOptions, type HandOutFlags, handOutToken } from '../output/hand-out-token.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { addOutputOptions, type OutputFlags, printOneOf } from '../output/print.ts';
import { table } from '../output/table.ts';
import { relativeTime } from '../output/text.ts';
import type { View } from '../output/view.ts';

type Flags<More = object> = ConnectionFlags & OutputFlags & More;

type TokenList = { readonly rows: readonly TokenInfo[] };

export function addTokensCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const tokens = addGroup(program, {
    usage: 'tokens',
    summary: 'Create, list and revoke tokens',
    more: 'Scopes: read may read; submit may also submit and steer builds; push may only put store items into the pool, which are believed to be what their paths stand for; admin may do everything; agent is for one agent.',
    examples: [['drover tokens create ci --scope submit --token-file ci.token', 'for a build server']],
  });

  const create = addCommand(tokens, {
    usage: 'create <name>',
    summary: 'Create a token and hand it out, once',
    more: 'With --scope agent this adds an agent of that name, as "drover agents add" does.',
    examples: [
      ['drover tokens create ci --scope submit --token-file ci.token', 'one that may submit builds'],
      ['drover tokens create laptop --scope push --token-file push.token', 'one for drover push and nix copy --to'],
    ],
  }).addOption(
    new Option('--scope <scope>', 'what it may do')
      .choices(['read', 'submit', 'push', 'agent', 'admin'])
      .makeOptionMandatory(),
  );
  addHandOutOptions(create);
  onAction(create, context, async (name: string, { scope, ...flags }: HandOutFlags & { scope: TokenInfo['scope'] }) => {
    const client = connectAsAdmin(flags, io);
    await handOutToken(io, flags, () =>
      scope === 'agent'
        ? client.send<{ secret: string }>('POST', '/v1/agents', { name })
        : client.send<{ secret: string }>('POST', '/v1/tokens', { name, scope }),
    );
  });

  const list = addCommand(tokens, {
    usage: 'list',
    summary: 'List all tokens, without their secrets',
    examples: [['drover tokens list', 'names, scopes, ages']],
  });
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(list, context, async (flags: Flags<ListingFlags>) => {
    const client = connect(flags, io);
    return printListing<TokenInfo>(io, flags, {
      client,
      streams: ['token-'],
      async load() {
        const answer = await client.get<TokenList>('/v1/tokens');
        return { value: answer, rows: answer.rows, text: formatTokens, name: ({ id }) => id };
      },
    });
  });

  const revoke = addCommand(tokens, {
    usage: 'revoke <token...>',
    summary: 'Revoke tokens, by their ids: they are refused from now on',
    more: 'What a token has open ends with it: feeds, logs, uploads, and the link of an agent, whose builds go to others where it has no other token. The last token of scope admin is kept, unless --force is given: without one, nobody can add agents or tokens. Whoever has the data folder gets a new one: stop the coordinator, remove DATA/admin.token, and start it.',
    examples: [['drover tokens revoke TOKEN', 'the id is in the first column of the list']],
  }).option('--force', 'also the last token of scope admin');
  addConnectionOptions(addOutputOptions(revoke));
  onAction(revoke, context, async (ids: readonly string[], flags: Flags<{ force?: true }>) => {
    const client = connect(flags, io);
    const isWhole = ids.every((id) => /^[0-9a-z]{16}$/.test(id));
    const rows = isWhole ? [] : (await client.get<TokenList>('/v1/tokens')).rows;
    for (const text of ids) {
      const id = oneOf(text, rows, 'tokens');
      await client.send('DELETE', `/v1/tokens/${encodeURIComponent(id)}${flags.force ? '?force=true' : ''}`);
      const value = { id, revoked: true };
      await printOneOf(ids.length, io, flags, { value, text: () => `revoked ${id}\n`, names: [id] });
    }
  });
}

function stateWords({ revoked, revocation, until }: TokenInfo, now: number): string {
  if (until !== undefined) return `revoked ${relativeTime(until, now)}`;
  if (!revoked || revocation === undefined) return revoked ? 'revoked' : 'valid';
  const { at, by, name = by } = revocation;
  return `revoked ${relativeTime(at, now)}${name === '' ? '' : ` by ${name}`}`;
}

function formatTokens(rows: readonly TokenInfo[], view: View): string {
  const now = view.now();
  return table(
    rows,
    [
      { title: 'TOKEN', value: (row) => row.id },
      { title: 'NAME', value: (row) => row.name },
      { title: 'SCOPE', value: (row) => row.scope },
      { title: 'AGENT', value: (row) => row.agent, minor: true },
      { title: 'ISSUED', value: (row) => relativeTime(row.issuedAt, now), whole: true, minor: true },
      {
        title: 'STATE',
        value: (row) => stateWords(row, now),
        state: (row) => (row.revoked ? 'dim' : row.until === undefined ? 'succeeded' : 'paused'),
      },
    ],
    { ...view, empty: 'No tokens.' },
  );
}
