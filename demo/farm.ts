import { mkdir, readFile } from 'node:fs/promises';
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

/** A coordinator on a new data folder, and two agents that each have a Nix store of their own. Resolves when all are up. */
export async function startFarm(options: FarmOptions): Promise<Farm> {
  const { workspace, commands } = options;
  const { signal } = commands;
  const data = workspace.file('coordinator');
  // A short back-off, as somebody is watching; and a hook that leads to this machine.
  const args = ['coordinator', '--data', data, '--listen', '127.0.0.1:0', '--retry-base-seconds', '1'];
  args.push('--hooks-trust-api', 'true');
  if (options.store !== undefined) args.push('--store', options.store);
  const coordinator = await start(options, 'coordinator', args);
  const [, url = '', adminTokenFile = ''] = await coordinator.says(/coordinator at (\S+), admin token in (.+)/, signal);
  const publicKey = (await readFile(workspace.file('coordinator', 'cache-key.pub'), 'utf8')).trim();

  options.say(`$ export DROVER_URL=${url} DROVER_TOKEN_FILE=${adminTokenFile}`);
  commands.environment.DROVER_URL = url;
  commands.environment.DROVER_TOKEN_FILE = adminTokenFile;

  await mkdir(workspace.file('press'));
  const agents: DemoAgent[] = [];
  for (const { name, features } of plans) {
    const tokenFile = workspace.file(`${name}.token`);
    const root = workspace.file(`${name}-store`);
    await commands.run('drover', ['agents', 'add', name, '--token-file', tokenFile]);
    const agent = await start(options, name, [
      'agent',
      ...['--coordinator', url],
      ...['--token-file', tokenFile],
      ...['--store', `local?root=${root}`],
      ...['--state', workspace.file(`${name}-state`)],
      ...['--features', features],
      ...['--slots', '2'],
      ...['--sandbox-paths', sandboxPaths(workspace).join(',')],
      ...['--on-shutdown', 'hand-back'],
    ]);
    agents.push({ name, root });
    await agent.says(/the agent runs/, signal);
  }
  return { url, adminTokenFile, publicKey, agents };
}

function start({ commands, services, say }: FarmOptions, name: string, args: readonly string[]): Promise<Service> {
  say(`$ ${commandLine('drover', args)} &`);
  return services.start(name, 'drover', args, commands.environment);
}

/** What the builders of graph.nix see of the machine: a shell, the common tools, their libraries, and the press. */
function sandboxPaths(workspace: Workspace): readonly string[] {
  return [...defaultSandboxPaths, '/usr/bin', `/press=${workspace.file('press')}`];
}
