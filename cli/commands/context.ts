import type { Command } from 'commander';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { contextNamed, readContexts, writeContexts } from '../contexts/store.ts';
import { CliError } from '../output/cli-error.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { details, table } from '../output/table.ts';

interface Row {
  readonly name: string;
  readonly url: string;
  readonly current: boolean;
}

export function addContextCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const group = addGroup(program, {
    usage: 'context',
    summary: 'List the coordinators that you have logged in at, and say which one commands use',
    more: 'Flags (--url, --token, --token-file, --context) go before DROVER_URL, DROVER_TOKEN, DROVER_TOKEN_FILE and DROVER_CONTEXT, those before the context in use. The token of a context is sent to its own address only.',
    examples: [
      ['drover context list', 'which there are'],
      ['drover context use work', 'have commands use that one'],
    ],
  });

  const list = addCommand(group, {
    usage: 'list',
    summary: 'List contexts, without their tokens',
    examples: [['drover context list', 'names, addresses, and which one is in use']],
  });
  onAction(addOutputOptions(list), context, async (flags: OutputFlags) => {
    const { current, contexts } = readContexts(io.environment);
    const rows = Object.entries(contexts).map(([name, { url }]): Row => ({ name, url, current: name === current }));
    await print(io, flags, {
      value: { rows },
      text: (view) =>
        table(
          rows,
          [
            { title: 'CONTEXT', value: (row) => row.name },
            { title: 'IN USE', value: (row) => (row.current ? 'yes' : undefined), state: () => 'succeeded' },
            { title: 'URL', value: (row) => row.url },
          ],
          { ...view, empty: 'No contexts yet; "drover login URL" makes one.' },
        ),
      names: rows.map(({ name }) => name),
    });
  });

  const show = addCommand(group, {
    usage: 'show [name]',
    summary: 'Show one context, the one in use if none is named',
    examples: [['drover context show', 'where commands go']],
  });
  onAction(addOutputOptions(show), context, async (name: string | undefined, flags: OutputFlags) => {
    const contexts = readContexts(io.environment);
    const shown = name ?? contexts.current;
    if (shown === undefined)
      throw new CliError('unknown-context', 'no context is in use', { hint: 'drover login URL makes one' });
    const { url } = contextNamed(contexts, shown, 1);
    const row: Row = { name: shown, url, current: shown === contexts.current };
    await print(io, flags, {
      value: row,
      text: () =>
        details([
          ['context', row.name],
          ['url', row.url],
          ['in use', row.current ? 'yes' : 'no'],
        ]),
      names: [shown],
    });
  });

  const use = addCommand(group, {
    usage: 'use <name>',
    summary: 'Have commands use a context from now on',
    examples: [['drover context use work', 'where neither a flag nor a variable says otherwise']],
  });
  onAction(addOutputOptions(use), context, async (name: string, flags: OutputFlags) => {
    const contexts = readContexts(io.environment);
    const { url } = contextNamed(contexts, name, 1);
    writeContexts(io.environment, { ...contexts, current: name });
    const value: Row = { name, url, current: true };
    await print(io, flags, { value, text: () => `commands use ${name}, ${url}\n`, names: [name] });
  });

  const remove = addCommand(group, {
    usage: 'remove <name>',
    summary: 'Forget a context and its token; the token itself stays good',
    examples: [['drover context remove work', 'drover tokens revoke ends the token too']],
  });
  onAction(addOutputOptions(remove), context, async (name: string, flags: OutputFlags) => {
    const { current, contexts } = readContexts(io.environment);
    contextNamed({ contexts }, name, 1);
    const { [name]: _, ...rest } = contexts;
    writeContexts(io.environment, { ...(current !== undefined && current !== name && { current }), contexts: rest });
    await print(io, flags, { value: { name, removed: true }, text: () => `removed ${name}\n`, names: [name] });
  });
}
