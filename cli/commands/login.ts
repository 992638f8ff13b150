import type { Command } from 'commander';
import type { TokenInfo } from '../../coordinator/application.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { askSecret } from '../contexts/ask-secret.ts';
import { readContexts, writeContexts } from '../contexts/store.ts';
import { connectPlainly, readToken } from '../http/connection.ts';
import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';

interface Flags {
  readonly name?: string;
  readonly tokenFile?: string;
}

export function addLoginCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'login <url>',
    summary: 'Keep the address of a coordinator and a token for it, as a context that commands use from then on',
    more: [
      'The token is asked for without being shown, or read from standard input where that is no terminal. The coordinator is asked whether it',
      'is good before it is kept, in $XDG_CONFIG_HOME/drover (~/.config/drover), which only this user may read. A token of scope submit is',
      'enough for everyday work.',
    ].join(' '),
    examples: [
      ['drover login https://builds.example.org', 'asks for the token'],
      ['drover login http://127.0.0.1:8745 --token-file /var/lib/drover/admin.token --name here', 'from a file'],
      ['pass builds-token | drover login https://builds.example.org --name work', 'from a keeper of passwords'],
    ],
  })
    .option('--name <name>', "how to call the context; the address's host if not given")
    .option('--token-file <file>', 'file with the token');
  onAction(command, context, async (url: string, { name, tokenFile }: Flags) => {
    // What is wrong with these is said before a token is asked for.
    const contexts = readContexts(io.environment);
    connectPlainly({ url, token: '' }, io);
    const called = contextName(name ?? new URL(url).host);
    const token = tokenFile === undefined ? await askSecret(io, `Token for ${printable(url)}: `) : readToken(tokenFile);
    if (token === undefined) return 130;
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new CliError(
        'wrong-use',
        `expected one token${tokenFile === undefined ? ' on standard input' : ''}, got ${token === '' ? 'nothing' : 'something else'}`,
        {
          exitCode: 2,
        },
      );
    const self = await connectPlainly({ url, token }, io).get<TokenInfo>('/v1/tokens/self');
    const file = writeContexts(io.environment, {
      current: called,
      contexts: { ...contexts.contexts, [called]: { url, token } },
    });
    io.out(`Logged in at ${printable(url)} as ${printable(self.name)}, scope ${self.scope}: context ${called}.\n`);
    io.err(`The token is in ${printable(file)}.\n`);
    return 0;
  });
}

function contextName(name: string): string {
  if (/^[\w][\w.:@[\]-]{0,127}$/.test(name) && name !== '__proto__') return name;
  throw new CliError('wrong-use', `expected a name of letters, digits and . : @ _ -, got ${JSON.stringify(name)}`, {
    exitCode: 2,
  });
}
