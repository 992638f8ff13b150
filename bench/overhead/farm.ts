import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderNixConfig } from '../../adapters/builder/nix/nix-config.ts';
import { resolveSandboxPaths } from '../../adapters/builder/nix/sandbox-paths.ts';
import { defaultSandboxPaths } from '../../agent/sandbox-paths.ts';
import { createEventFeed } from '../../test/support/e2e/event-feed.ts';
import { type Process, startDrover } from '../../test/support/e2e/process.ts';

const storeDir = '/nix/store';

/** What an agent's own daemons are told, for a program of Nix on a store below `root`. */
function environmentOf(root: string, home: string): NodeJS.ProcessEnv {
  const sandboxPaths = resolveSandboxPaths(defaultSandboxPaths, storeDir);
  const NIX_CONFIG = renderNixConfig({ root, sandbox: true, sandboxPaths, features: [], extraPlatforms: [] });
  return { ...process.env, HOME: home, NIX_CONFIG, NIX_CONF_DIR: join(home, 'none'), NIX_USER_CONF_FILES: '' };
}

/** Nix by itself, on a store of its own that is made with the settings of an agent's. */
export async function openPlainStore(root: string) {
  await mkdir(root, { recursive: true });
  const env = environmentOf(root, root);
  const run = (program: string, args: readonly string[]): string =>
    execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26 });
  return {
    root,
    /** Derivations that write a few bytes, numbered from `first` on; gives their full paths. */
    instantiate(first: number, count: number): string[] {
      const expression = `
        map (number: derivation {
          name = "trivial-\${toString number}";
          system = builtins.currentSystem;
          builder = "/bin/sh";
          args = [ "-c" "echo built \${toString number}; echo \${toString number} > $out" ];
        }) (builtins.genList (index: index + ${first}) ${count})`;
      return run('nix-instantiate', ['--expr', expression]).trim().split('\n');
    },
    realise: (paths: readonly string[]) => void run('nix-store', ['--realise', '-j2', ...paths]),
  };
}

/** A coordinator and agents with one slot each, on chroot stores of their own: processes as an operator starts them. */
export async function startRealFarm(dir: string, names: readonly string[]) {
  await using processes = new AsyncDisposableStack();
  const data = join(dir, 'data');
  await mkdir(data, { recursive: true });
  const start = (args: readonly string[]): Process => {
    const started = startDrover(args);
    processes.defer(() => started.killGroup());
    return started;
  };
  const coordinator = start(['coordinator', '--data', data, '--listen', '127.0.0.1:0', '--log-format', 'json']);
  const url = (await said(coordinator, /drover: coordinator at (http:\S+:\d+),/))[1] as string;
  const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim();

  async function ask(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  await using feed = createEventFeed();
  feed.follow(url, token);
  const agents = await Promise.all(
    names.map(async (name) => {
      const place = join(dir, name);
      const root = join(place, 'root');
      await mkdir(root, { recursive: true });
      const told = (await (await ask('POST', '/v1/agents', { name })).json()) as { token?: string; secret?: string };
      const tokenFile = join(place, 'token');
      writeFileSync(tokenFile, told.token ?? told.secret ?? '', { mode: 0o600 });
      const agent = start([
        ...['agent', '--coordinator', url, '--token-file', tokenFile, '--state', join(place, 'state')],
        ...['--store', `local?root=${root}`, '--slots', '1', '--log-format', 'json'],
      ]);
      return agent;
    }),
  );
  await Promise.all(names.map((name) => feed.next('AgentConnected', ({ stream }) => stream === `agent-${name}`)));
  const owned = processes.move();
  return {
    url,
    token,
    coordinator,
    agents,
    ask,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function said(process: Process, pattern: RegExp): Promise<RegExpExecArray> {
  const found = await process.says(pattern);
  if (found === null || found === undefined) throw new Error(`expected it to say ${pattern}, got:\n${process.said()}`);
  return found;
}

/** Processor time, in milliseconds: of a process itself, and of those below it that it has waited for. */
export interface Spent {
  readonly own: number;
  readonly ended: number;
}

/** Nothing for one that is gone. Source: proc(5), fields 14 to 17, in ticks of 10 ms. */
export function spentBy(pid: number): Spent {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return { own: 0, ended: 0 };
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0, userBelow = 0, systemBelow = 0] = fields.slice(14 - 3, 18 - 3).map(Number);
  return { own: (user + system) * 10, ended: (userBelow + systemBelow) * 10 };
}
