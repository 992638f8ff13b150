import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { suites, unpacked } from '../../scripts/debian/suites.ts';
import { endWithUs } from './end-with-us.ts';
import { freePort } from './free-port.ts';

/** Debian puts it into a folder that is not on everybody's path. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
const program = folders.map((folder) => join(folder, 'nats-server')).find((file) => existsSync(file));

/** Why tests cannot have a real nats-server, or `false` if they can. */
export const noNatsServer: string | false = program
  ? false
  : 'nats-server is not installed (apt-get install nats-server)';

/** One nats-server that tests can run; the machine's own and those that `npm run setup -- --all-nix` has unpacked. */
export interface NatsServerVersion {
  /** With its version where it is there: `nats-server 2.15.1 of Debian sid`. */
  readonly name: string;
  /** Why it cannot be tested with here, or `false` if it can. */
  readonly skip: string | false;
  readonly program: string;
  /** Whether all tests run against it: the newest that is there, and each with `DROVER_TEST_NATS=all`. The others get what a version can change. */
  readonly whole: boolean;
}

const versions = [
  { whose: 'of this machine', file: program, absent: noNatsServer || '' },
  ...suites.map((suite) => {
    const bin = unpacked(suite)?.bin;
    const file = bin === undefined ? undefined : join(bin, 'nats-server');
    return { whose: `of Debian ${suite}`, file, absent: "is not set up here ('npm run setup -- --all-nix')" };
  }),
].map(({ whose, file, absent }) => ({
  name: file === undefined ? `the nats-server ${whose}` : `nats-server ${versionOf(file)} ${whose}`,
  skip: file === undefined && absent,
  program: file ?? 'nats-server',
  there: file !== undefined,
}));
const newest = versions.findLastIndex(({ there }) => there);
/** From the oldest to the newest, as distributions are. */
export const natsServerVersions: readonly NatsServerVersion[] = versions.map(({ there: _, ...version }, n) => ({
  ...version,
  whole: n === newest || process.env.DROVER_TEST_NATS === 'all',
}));

/** `2.9.10`. */
function versionOf(file: string): string {
  return /: v(\S+)/.exec(execFileSync(file, ['--version'], { encoding: 'utf8' }))?.[1] ?? '?';
}

/** A real nats-server with JetStream, on its own port and in its own folder. */
export interface NatsServer extends AsyncDisposable {
  readonly port: number;
  /** `nats://127.0.0.1:PORT`. */
  readonly url: string;
  readonly pid: number;
  /** `kill -9`; resolves once it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder, after {@link kill}. */
  restart(): Promise<void>;
  /** Resolves once it has logged a line like this, since its last start. */
  logged(pattern: RegExp): Promise<void>;
  /** Sends a signal, for example SIGSTOP. */
  signal(name: NodeJS.Signals): void;
}

/** `config` is added to the server's configuration file. */
export async function startNatsServer(config = '', run = program ?? 'nats-server'): Promise<NatsServer> {
  const dir = await mkdtemp(join(tmpdir(), 'drover-nats-'));
  let port = await freePort();
  let server: ChildProcess | undefined;
  let lines: string[] = [];
  const onLine = new Set<() => void>();

  /** It is there, and can be killed, as soon as this returns. */
  async function start(): Promise<void> {
    const file = join(dir, 'server.conf');
    writeFileSync(
      file,
      `listen: 127.0.0.1:${port}\njetstream { store_dir: ${JSON.stringify(dir)}, max_file: 20GB, max_mem: 1GB }\n${config}\n`,
    );
    const child = spawn(run, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    server = child;
    lines = [];
    const ready = Promise.withResolvers<void>();
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line);
      if (line.includes('Server is ready')) ready.resolve();
      for (const look of onLine) look();
    });
    child.on('exit', () => ready.reject(new Error(`nats-server has ended:\n${lines.join('\n')}`)));
    await ready.promise;
  }
  async function kill(): Promise<void> {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
  }

  const gone = endWithUs(() => {
    server?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  try {
    // Another test may have been given the same one in the moment before.
    await start().catch(async (error: Error) => {
      if (!error.message.includes('address already in use')) throw error;
      port = await freePort();
      await start();
    });
  } catch (error) {
    gone();
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
    get pid() {
      return server?.pid ?? 0;
    },
    kill,
    restart: start,
    logged(pattern) {
      return new Promise((resolve) => {
        const look = () => {
          if (!lines.some((line) => pattern.test(line))) return;
          onLine.delete(look);
          resolve();
        };
        onLine.add(look);
        look();
      });
    },
    signal: (name) => void server?.kill(name),
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(dir, { recursive: true, force: true });
      gone();
    },
  };
}
