import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildFoldersOf } from '../../../adapters/builder/nix/build-folders.ts';
import { defaultSandboxPaths } from '../../../agent/sandbox-paths.ts';
import { type Command, type CommandEnd, startCommand } from './command.ts';
import { createEventFeed, type EventFeed } from './event-feed.ts';
import { createGates, type Gate } from './gates.ts';
import { type Network, startNetwork } from './network.ts';
import { type Process, type ProcessOptions, startDrover, startProcess } from './process.ts';

const graph = fileURLToPath(new URL('graph.nix', import.meta.url));
/** Builders of the graph that wait for the test. */
const gateNames = [
  ...new Set(
    [...readFileSync(graph, 'utf8').matchAll(/(?:gated "|\/gate\/)([a-z-]+)(?:"|\.)/g)].map(
      ([, name]) => name as string,
    ),
  ),
];

export interface FarmOptions {
  /** Further flags of the coordinator. */
  readonly flags?: readonly string[];
  /** Added to the environment of the coordinator. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gives the coordinator's data a disk of its own with so many MiB. Needs root. */
  readonly diskMiB?: number;
}

export interface AgentOptions {
  readonly slots?: number;
  /** The machine's own if absent. */
  readonly systems?: readonly string[];
  readonly features?: readonly string[];
  /** Of `features`: it gets only builds that require one of these. */
  readonly mandatoryFeatures?: readonly string[];
  readonly onShutdown?: 'finish' | 'hand-back';
  /** Beside those that all have. */
  readonly sandboxPaths?: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read as any client reads them, field by field.
  readonly body: any;
}

/** An agent that can be killed and started again on the same store and state. */
export interface Agent {
  readonly name: string;
  readonly process: Process;
  /** Folder of its chroot store. */
  readonly root: string;
  /** `kill -9` of the agent alone, as the kernel would do it when memory runs out; resolves once it is gone. */
  kill9(): Promise<void>;
  /** Starts it again after it has gone. */
  restart(flags?: readonly string[]): void;
  /** Starts a second process with the same token, and a state folder of its own. */
  another(): Process;
}

/** A coordinator and agents in processes of their own, on folders that go with them. */
export interface Farm extends AsyncDisposable {
  readonly folder: string;
  /** The coordinator's data. */
  readonly data: string;
  /** Address that agents and clients use: the network's, which stays through restarts. */
  readonly url: string;
  readonly network: Network;
  readonly feed: EventFeed;
  readonly next: EventFeed['next'];
  /** Of the coordinator that runs. */
  readonly coordinator: Process;
  readonly adminToken: string;
  readonly publicKey: string;
  /** `kill -9` of the coordinator; resolves once it is gone. */
  kill9(): Promise<void>;
  /** Starts a coordinator on the same data; resolves once it serves. */
  start(flags?: readonly string[], options?: Pick<FarmOptions, 'env'>): Promise<void>;
  /** Follows the events again where the coordinator has ended the answer, as it does when it starts again by itself. */
  follow(): void;
  agent(name: string, options?: AgentOptions): Promise<Agent>;
  gate(name: string): Gate;
  /** Bytes that builders find as /gate/`name`. */
  put(name: string, bytes: Uint8Array): void;
  /** Instantiates attributes of graph.nix in a store of the farm's; paths of the derivations in order. */
  instantiate(...attributes: string[]): Promise<string[]>;
  /** Folder of that store. */
  readonly evaluated: string;
  /**
   * Runs a command line of `drover` with the farm's address and admin token to its end: in a process of its own where options are given,
   * else in this one, as the start of one takes more than most commands do.
   */
  drover(args: readonly string[], options?: ProcessOptions): Promise<CommandEnd>;
  /** Instantiates and submits with the command line, in this process; what `--json` said of it. */
  // biome-ignore lint/suspicious/noExplicitAny: read field by field.
  submit(attributes: readonly string[], ...flags: string[]): Promise<any>;
  /** A request straight to the coordinator, as admin if no token is given. */
  request(
    method: string,
    path: string,
    options?: { token?: string | null; body?: unknown; raw?: Uint8Array | string; headers?: Record<string, string> },
  ): Promise<Answer>;
  /** The build of a derivation by its name (`slow`). */
  buildOf(name: string): Promise<string>;
  /** Position of the last event of the log. */
  position(): Promise<string | undefined>;
  /** A program of Nix, without substituters, in the farm's folder. Throws with what it said if it fails. */
  nix(command: string, args: readonly string[], env?: Record<string, string>): Promise<string>;
  /** Folds the log of a stopped coordinator; what it finds (I3). */
  replay(dir?: string): Promise<string[]>;
  /** How much has happened: events, starts and ends of processes. Stays the same where the farm stands still. */
  progress(): number;
  /** What went on, for people who look for the cause of a failure. */
  report(): string;
}

export async function startFarm(options: FarmOptions = {}): Promise<Farm> {
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'drover-e2e-'));
  resources.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const data = join(folder, 'data');
  if (options.diskMiB !== undefined) {
    await mkdir(data);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.diskMiB}m`, 'tmpfs', data]);
    resources.defer(() => void execFileSync('umount', [data]));
  }
  const processes: { readonly what: string; readonly process: Process }[] = [];
  const commands: { readonly what: string; readonly process: Command }[] = [];
  // One that a failure has left behind would keep this process.
  resources.defer(() => void commands.map(({ process }) => process.stop()));
  const stores: string[] = [];
  // What killed agents have left outside of the farm's folder.
  resources.defer(async () => {
    for (const store of stores) await rm(buildFoldersOf(store), { recursive: true, force: true, maxRetries: 3 });
  });
  // Builders go with their daemons, and these with their agents: a closed pipe ends them.
  resources.defer(() => Promise.all(processes.map(({ process }) => process.killGroup())).then(() => {}));
  const network = resources.use(await startNetwork());
  const feed = resources.use(createEventFeed());
  const gates = resources.use(createGates(join(folder, 'gate'), gateNames));
  const evaluated = join(folder, 'evaluated');
  await mkdir(evaluated);
  let coordinator: Process | undefined;
  let direct = '';
  let adminToken = '';
  const instantiated = new Map<string, string>();

  function add(what: string, process: Process): Process {
    processes.push({ what, process });
    return process;
  }

  async function start(
    flags: readonly string[] = [],
    { env = options.env ?? {} }: Pick<FarmOptions, 'env'> = {},
  ): Promise<void> {
    const all = [
      'coordinator',
      '--data',
      data,
      '--listen',
      '127.0.0.1:0',
      '--log-format',
      'json',
      ...(options.flags ?? []),
      ...flags,
    ];
    coordinator = add('coordinator', startDrover(all, { env }));
    const up = await coordinator.says(/drover: coordinator at (http:\S+:(\d+)),/);
    if (up === undefined) throw new Error(`the coordinator did not start:\n${coordinator.said()}`);
    direct = up[1] as string;
    adminToken = (await readFile(join(data, 'admin.token'), 'utf8')).trim();
    network.target = Number(up[2]);
    follow();
  }

  const follow = () => feed.follow(direct, adminToken);

  async function kill9(): Promise<void> {
    network.target = undefined;
    await coordinator?.killGroup();
    network.cut();
  }

  async function run(what: string, process: Process) {
    const { code } = await add(what, process).exited;
    return { code, stdout: process.stdout(), said: process.said() };
  }

  async function nix(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
    const NIX_CONFIG = 'substituters =\nexperimental-features = nix-command\nbuild-users-group =\nsandbox = true\n';
    const home = { HOME: folder, NIX_CONF_DIR: join(folder, 'no-configuration'), NIX_USER_CONF_FILES: '' };
    const { code, stdout, said } = await run(
      command,
      startProcess(command, args, { env: { ...home, NIX_CONFIG, ...env } }),
    );
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${said}`);
    return stdout;
  }

  const farm: Omit<Farm, typeof Symbol.asyncDispose> = {
    folder,
    data,
    url: network.url,
    network,
    feed,
    next: feed.next,
    get coordinator() {
      return coordinator as Process;
    },
    get adminToken() {
      return adminToken;
    },
    get publicKey() {
      return /"publicKey":"([^"]+)"/.exec((coordinator as Process).said())?.[1] ?? '';
    },
    kill9,
    start,
    follow,
    async agent(
      name,
      { slots = 1, systems = [], features = [], mandatoryFeatures = [], onShutdown = 'finish', sandboxPaths = [] } = {},
    ) {
      const { body } = await farm.request('POST', '/v1/agents', { body: { name } });
      const place = join(folder, `agent-${name}`);
      const root = join(place, 'root');
      await mkdir(root, { recursive: true });
      stores.push(root);
      const tokenFile = join(place, 'token');
      writeFileSync(tokenFile, body.token ?? body.secret, { mode: 0o600 });
      const programs = ['/bin/cat', '/bin/mkdir', '/bin/mkfifo'];
      const sandbox = [...defaultSandboxPaths, ...programs, ...sandboxPaths, `/gate=${gates.folder}`].join(',');
      const args = [
        ...['agent', '--coordinator', network.url, '--token-file', tokenFile, '--state', join(place, 'state')],
        ...[
          '--store',
          `local?root=${root}`,
          '--slots',
          `${slots}`,
          '--sandbox-paths',
          sandbox,
          '--on-shutdown',
          onShutdown,
        ],
        ...(systems.length > 0 ? ['--systems', systems.join(',')] : []),
        ...(features.length > 0 ? ['--features', features.join(',')] : []),
        ...(mandatoryFeatures.length > 0 ? ['--mandatory-features', mandatoryFeatures.join(',')] : []),
        ...['--log-format', 'json', '--log-level', 'debug'],
      ];
      let process = add(`agent ${name}`, startDrover(args));
      await feed.next('AgentConnected', ({ stream }) => stream === `agent-${name}`);
      return {
        name,
        root,
        get process() {
          return process;
        },
        async kill9() {
          process.kill('SIGKILL');
          await process.exited;
        },
        restart(flags = []) {
          process = add(`agent ${name}`, startDrover([...args, ...flags]));
        },
        another() {
          const state = ['--state', join(place, 'another')];
          return add(`another agent ${name}`, startDrover([...args, ...state]));
        },
      };
    },
    gate: gates.gate,
    put: (name, bytes) => writeFileSync(join(gates.folder, name), bytes),
    async instantiate(...attributes) {
      const lacking = attributes.filter((attribute) => !instantiated.has(attribute));
      if (lacking.length > 0) {
        const wanted = lacking.flatMap((attribute) => ['-A', attribute]);
        const paths = await nix('nix-instantiate', ['--store', `local?root=${evaluated}`, graph, ...wanted]);
        for (const [index, path] of paths.trim().split('\n').entries())
          instantiated.set(lacking[index] as string, path.replace(/!.*$/, ''));
      }
      return attributes.map((attribute) => instantiated.get(attribute) as string);
    },
    evaluated,
    async drover(args, more) {
      const what = `drover ${args.join(' ')}`;
      const env = { DROVER_URL: network.url, DROVER_TOKEN: adminToken };
      if (more) return run(what, startDrover(args, { ...more, env: { ...env, ...more.env } }));
      const command = startCommand(args, env);
      commands.push({ what, process: command });
      return command.ended;
    },
    async submit(attributes, ...flags) {
      const paths = await farm.instantiate(...attributes);
      const { code, stdout, said } = await farm.drover([
        'submit',
        '--store-root',
        evaluated,
        '--json',
        ...flags,
        ...paths,
      ]);
      if (code !== 0) throw new Error(`drover submit: exit ${code}\n${said}`);
      return JSON.parse(stdout);
    },
    async request(method, path, { token = adminToken, body, raw, headers = {} } = {}) {
      const answer = await fetch(`${direct}${path}`, {
        method,
        headers: {
          // A connection that is kept may be one to a coordinator that was killed since.
          connection: 'close',
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(raw !== undefined && { body: raw as string }),
      });
      const text = await answer.text();
      const json =
        /json/.test(answer.headers.get('content-type') ?? '') &&
        !/ndjson/.test(answer.headers.get('content-type') ?? '');
      return { status: answer.status, headers: answer.headers, body: json && text !== '' ? JSON.parse(text) : text };
    },
    async buildOf(name) {
      const { stream } = await feed.next(
        'BuildSubmitted',
        ({ data: { derivation } }) => derivation.slice(33) === `${name}.drv`,
      );
      return stream.slice('build-'.length);
    },
    position: async () => (await farm.request('GET', '/v1/status')).body.position,
    nix,
    // Loaded here, as few files need it.
    replay: async (dir = data) => (await import('./replay.ts')).replay(dir),
    progress: () =>
      feed.events.length + [...processes, ...commands].reduce((sum, { process }) => sum + (process.running ? 1 : 2), 0),
    report() {
      const events = feed.events.map(
        ({ stream, type, data: facts }) => `${stream} ${type} ${JSON.stringify(facts).slice(0, 160)}`,
      );
      const logs = [...processes, ...commands].map(
        ({ what, process }) => `--- ${what} (${process.running ? 'runs' : 'gone'})\n${process.said().slice(-6000)}`,
      );
      return ['--- waits for', ...feed.waiting(), '--- events', ...events.slice(-80), ...logs].join('\n');
    },
  };
  await start();
  const owned = resources.move();
  return Object.assign(Object.defineProperties({}, Object.getOwnPropertyDescriptors(farm)) as typeof farm, {
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  });
}

/** Bytes that do not compress. */
export function noise(bytes: number): Uint8Array {
  return randomBytes(bytes);
}

/** Whether a store item is in an agent's own store. */
export function holds(agent: Agent, base: string): boolean {
  return existsSync(join(agent.root, 'nix/store', base));
}
