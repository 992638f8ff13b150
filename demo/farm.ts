import { mkdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { defaultSandboxPaths } from '../agent/sandbox-paths.ts';
import { type Commands, commandLine } from './commands.ts';
import type { Service } from './service.ts';
import type { Services } from './services.ts';
import type { Workspace } from './workspace.ts';

/** What one agent is like. Together they can build the graph, neither can alone. */
const plans = [
  { name: 'oak', features: 'big-parallel' },
  { name: 'elm', features: 'benchmark' },
] as const;

export interface DemoAgent {
  readonly name: string;
  /** The folder of its chroot store. */
  readonly root: string;
}

export interface Farm {
  readonly url: string;
  readonly adminTokenFile: string;
  /** As `trusted-public-keys` takes it. */
  readonly publicKey: string;
  readonly agents: readonly DemoAgent[];
}

export interface FarmOptions {
  readonly workspace: Workspace;
  readonly commands: Commands;
  readonly services: Services;
  readonly say: (line: string) => void;
  /** Where the log is; by default in the data folder. */
  readonly store: string | undefined;
}

/** A coordinator on a new data folder, which commands ask from now on. Resolves when it is up. */
export async function startCoordinator(
  options: FarmOptions,
  more: readonly string[] = [],
): Promise<Omit<Farm, 'agents'>> {
  const { workspace, commands } = options;
  const { signal } = commands;
  const data = workspace.file('coordinator');
  // A short back-off, as somebody is watching; and a hook that leads to this machine.
  const args = ['coordinator', '--data', data, '--listen', '127.0.0.1:0', '--retry-base-seconds', '1'];
  args.push('--hooks-trust-api', 'true', ...more);
  if (options.store !== undefined) args.push('--store', options.store);
  const coordinator = await start(options, 'coordinator', args);
  const [, url = '', adminTokenFile = ''] = await coordinator.says(/coordinator at (\S+), admin token in (.+)/, signal);
  const publicKey = (await readFile(workspace.file('coordinator', 'cache-key.pub'), 'utf8')).trim();

  options.say(`$ export DROVER_URL=${url} DROVER_TOKEN_FILE=${adminTokenFile}`);
  commands.environment.DROVER_URL = url;
  commands.environment.DROVER_TOKEN_FILE = adminTokenFile;
  return { url, adminTokenFile, publicKey };
}

/** An agent with a token of its own. Resolves when it is up. @param more where its store is, and what it is like */
export async function startAgent(
  options: FarmOptions,
  url: string,
  name: string,
  more: readonly string[],
): Promise<void> {
  const { workspace, commands } = options;
  const tokenFile = workspace.file(`${name}.token`);
  await commands.run('drover', ['agents', 'add', name, '--token-file', tokenFile]);
  const agent = await start(options, name, [
    'agent',
    ...['--coordinator', url],
    ...['--token-file', tokenFile],
    ...['--state', workspace.file(`${name}-state`)],
    ...more,
    ...['--on-shutdown', 'hand-back'],
  ]);
  await agent.says(/the agent runs/, commands.signal);
}

/** A coordinator, and two agents that each have a Nix store of their own. Resolves when all are up. */
export async function startFarm(options: FarmOptions): Promise<Farm> {
  const { workspace } = options;
  const coordinator = await startCoordinator(options);
  await mkdir(workspace.file('press'));
  const agents: DemoAgent[] = [];
  for (const { name, features } of plans) {
    const root = workspace.file(`${name}-store`);
    const press = `/press=${workspace.file('press')}`;
    await startAgent(options, coordinator.url, name, [
      ...['--store', `local?root=${root}`],
      ...['--features', features],
      ...['--slots', '2'],
      ...['--sandbox-paths', [...sandboxPaths, press].join(',')],
    ]);
    agents.push({ name, root });
  }
  return { ...coordinator, agents };
}

/**
 * Something that goes on in a farm. Resolves when it has begun.
 *
 * @param attended whether it ends the farm when the demo ends without having done so
 */
export async function startLife(
  { workspace, commands, services, say }: Omit<FarmOptions, 'store'>,
  attended: boolean,
): Promise<void> {
  const program = fileURLToPath(new URL('life.ts', import.meta.url));
  const args = ['demo/life.ts', workspace.path, ...(attended ? ['--attended'] : [])];
  say(`$ ${commandLine('node', args)} &`);
  const life = await services.start(
    'life',
    process.execPath,
    [program, ...args.slice(1)],
    commands.environment,
    attended,
  );
  await life.says(/number 1 is under way/, commands.signal);
}

function start({ commands, services, say }: FarmOptions, name: string, args: readonly string[]): Promise<Service> {
  say(`$ ${commandLine('drover', args)} &`);
  return services.start(name, 'drover', args, commands.environment);
}

/** What builders see of the machine: a shell, the common tools, and their libraries. */
export const sandboxPaths: readonly string[] = [...defaultSandboxPaths, '/usr/bin'];
