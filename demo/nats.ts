import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Commands, commandLine } from './commands.ts';
import type { Services } from './services.ts';
import type { Workspace } from './workspace.ts';

/** Starts a nats-server with JetStream on a free port, installing Debian's package where it is missing. Returns its address. */
export async function startNats(
  services: Services,
  commands: Commands,
  workspace: Workspace,
  say: (line: string) => void,
): Promise<string> {
  const program = findServer() ?? (await install(commands, say));
  const configuration = workspace.file('nats.conf');
  await writeFile(
    configuration,
    `listen: 127.0.0.1:-1\njetstream { store_dir: ${JSON.stringify(workspace.file('nats'))} }\n`,
  );
  const args = ['-c', configuration];
  say(`\nA nats-server with JetStream, for the log:\n\n$ ${commandLine(program, args)} &`);
  const server = await services.start('nats-server', program, args, commands.environment);
  const [, address = ''] = await server.says(/Listening for client connections on (\S+)/, commands.signal);
  await server.says(/Server is ready/, commands.signal);
  return `nats://${address}`;
}

/** Debian puts it into a folder that is not on everybody's path. */
function findServer(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'nats-server')).find((file) => existsSync(file));
}

async function install(commands: Commands, say: (line: string) => void): Promise<string> {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    throw new Error(
      'nats-server is needed. On Debian or Ubuntu: sudo apt-get update && sudo apt-get install -y nats-server',
    );
  say("\nnats-server is not here: installing Debian's package with apt-get.\n");
  await commands.run('apt-get', ['update', '-qq']);
  await commands.run('apt-get', ['install', '-y', '-qq', 'nats-server']);
  const program = findServer();
  if (program === undefined) throw new Error('nats-server was installed, but is not on PATH or in /usr/sbin');
  return program;
}
