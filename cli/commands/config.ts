import type { Command } from 'commander';
import type * as z from 'zod';
import { parseStoreAddress } from '../../adapters/event-store/store-url.ts';
import { targetProblem } from '../../adapters/hooks/target-problem.ts';
import { type CoordinatorConfig, coordinatorConfigSchema, storeDirsOf } from '../../coordinator/config.ts';
import { declaredHook } from '../../coordinator/hooks/settings.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { agentSettings } from '../config/agent-settings.ts';
import { type Field, fieldsOf } from '../config/fields.ts';
import { addConfigOptions, configFrom, showSetting } from '../config/options.ts';
import { CliError } from '../output/cli-error.ts';
import { describeHook } from '../output/hooks.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { details, table } from '../output/table.ts';
import { valueWithoutSecrets } from '../output/without-secrets.ts';

export function addConfigCommands(program: Command, context: CommandContext): void {
  const config = addGroup(program, {
    usage: 'config',
    summary: 'Check settings before they are used',
    examples: [['drover config check --config /etc/drover.toml', 'what a coordinator would run with']],
  });
  addCheck(config, context, {
    usage: 'check',
    summary:
      'Print the settings that a coordinator would run with and where each comes from, or what is wrong with them',
    examples: [
      ['drover config check --config /etc/drover.toml', 'exit code 2 if anything is wrong'],
      ['DROVER_DATA=/var/lib/drover drover config check --json', 'for a program'],
    ],
    schema: coordinatorConfigSchema,
    neighbour: agentSettings,
    problemsOf: (config) => machineProblems(config as CoordinatorConfig),
    elsewhere: "'drover config check-agent' checks the file of an agent",
  });
  addCheck(config, context, {
    usage: 'check-agent',
    summary: 'The same for an agent',
    examples: [['drover config check-agent --config /etc/drover-agent.toml', 'exit code 2 if anything is wrong']],
    schema: agentSettings,
    neighbour: coordinatorConfigSchema,
    elsewhere: "'drover config check' checks the file of a coordinator",
  });
}

interface CheckWords {
  readonly usage: string;
  readonly summary: string;
  readonly examples: readonly (readonly [string, string])[];
  readonly schema: z.ZodObject;
  readonly neighbour: z.ZodObject;
  /** What is wrong that the schema cannot tell. */
  readonly problemsOf?: (config: Record<string, unknown>) => Promise<readonly string[]>;
  /** What checks settings of the neighbour. */
  readonly elsewhere: string;
}

function addCheck(
  parent: Command,
  context: CommandContext,
  { schema, neighbour, elsewhere, problemsOf, ...words }: CheckWords,
): void {
  const { io } = context;
  const command = addOutputOptions(addCommand(parent, words), { names: false });
  addConfigOptions(command, schema);
  onAction(command, context, async () => {
    const { config, origins } = configFrom(command, schema, [neighbour], io.environment, elsewhere);
    const problems = (await problemsOf?.(config)) ?? [];
    if (problems.length > 0) throw new CliError('invalid-config', problems.join('\n'), { exitCode: 2 });
    const rows = fieldsOf(schema).map((field) => ({
      setting: field.key,
      value: field.secret ? '(hidden)' : shown(field, valueAt(config, field)),
      from: origins.get(field.key) ?? 'default',
    }));
    const columns = [
      { title: 'SETTING', value: (row: (typeof rows)[number]) => row.setting },
      { title: 'VALUE', value: (row: (typeof rows)[number]) => showSetting(row.value) },
      { title: 'FROM', value: (row: (typeof rows)[number]) => row.from },
    ];
    const hooks = ((config as Partial<CoordinatorConfig>).hook ?? []).map(
      (hook) => [`hook.${hook.name}`, describeHook(declaredHook(hook).definition)] as const,
    );
    await print(io, command.opts<OutputFlags>(), {
      value: {
        settings: Object.fromEntries(rows.map(({ setting, value, from }) => [setting, { value: value ?? null, from }])),
      },
      text: (view) => `${table(rows, columns, { ...view, empty: 'No settings.' })}${details(hooks)}`,
    });
  });
}

/** An address that the event store does not have, and hooks to which nothing could be delivered. */
async function machineProblems(config: CoordinatorConfig): Promise<readonly string[]> {
  const { data, store, hook } = config;
  const own = [data];
  try {
    const address = parseStoreAddress(store);
    if (address.kind === 'sqlite' && address.dir !== undefined) own.push(address.dir);
  } catch (error) {
    return [`store: ${(error as Error).message}`];
  }
  const places = { folders: own, storeDirs: storeDirsOf(config) };
  const problems = await Promise.all(hook.map((one) => targetProblem(declaredHook(one).definition.target, places)));
  return hook.flatMap(({ name }, at) => (problems[at] === undefined ? [] : [`hook "${name}": ${problems[at]}`]));
}

function valueAt(config: Record<string, unknown>, { path }: Field): unknown {
  return path.reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], config);
}

function shown({ type }: Field, value: unknown): unknown {
  return type === 'tables' ? valueWithoutSecrets(value) : withoutLogin(value);
}

/** Hides user and password of an address: what is printed here ends up in tickets. */
function withoutLogin(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^([a-z+]+:\/\/)[^/]*@/, '$1(hidden)@') : value;
}
