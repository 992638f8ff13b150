import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { guixName, noGuix } from '../support/guix.ts';
import { noNix } from '../support/nix-store.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A temporary folder for everything that a demo writes; what is left in it, or runs with it, is what the demo has left. */
async function openTemporary() {
  const path = await mkdtemp(join(tmpdir(), 'drover-test-demo-'));
  return {
    path,
    // npx, which the printed commands start, may leave Node's cache of compiled code.
    files: async () => (await readdir(path)).filter((name) => name !== 'node-compile-cache'),
    /** Command lines of the processes that were started, directly or not, with this folder for temporary files. */
    async processes() {
      const found: string[] = [];
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
        if ((await read('environ')).includes(`TMPDIR=${path}`)) found.push(`${pid}: ${await read('cmdline')}`);
      }
      return found;
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface RunOptions {
  readonly temporary: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Called with all of the standard error so far. */
  readonly onError?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

function run(
  program: string,
  args: readonly string[],
  { temporary, environment, onError }: RunOptions,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, TMPDIR: temporary, NO_COLOR: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      onError?.(err, (signal) => child.kill(signal));
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

const demo = (args: readonly string[], options: RunOptions) =>
  run(process.execPath, ['demo/main.ts', ...args], options);

/** Numbers of a line of the table at the end, without the seconds. */
function numbersOf(name: string, out: string): number[] {
  const line = out.split('\n').find((each) => each.startsWith(`${name} `)) ?? '';
  return line.trim().split(/\s+/).slice(1, 4).map(Number);
}

/** What a demo says of a farm that has built, fetched and rebuilt all that it is to. */
function checkWhole({ out, err }: Ended): void {
  const [builds, attempts, bytes] = numbersOf('all', out);
  const agents = ['oak', 'elm'].map((name) => numbersOf(name, out));
  assert.equal(builds, 30);
  assert.equal(attempts, 31, 'the press takes two attempts, everything else one');
  assert.ok((bytes ?? 0) > 0);
  for (const [column, total] of [builds, attempts, bytes].entries()) {
    assert.equal((agents[0]?.[column] ?? 0) + (agents[1]?.[column] ?? 0), total);
  }
  assert.ok(
    agents.every(([own]) => (own ?? 0) >= 2),
    'each agent builds at least what needs its feature',
  );
  assert.match(
    out,
    /^received +BuildAttemptFailed of attempt 1: builder-failed +\(webhook-id build-\S+, signature valid\)$/m,
  );
  assert.match(out, /^received +BuildSucceeded of attempt 2 +\(.*signature valid\)$/m);
  assert.match(err, /index\n +.*needs it/);
  assert.match(out, /^index +built again by itself on elm: build \S+\nreprint +built of it on oak: build \S+$/m);
  assert.match(out, /^32 outputs fetched with valid signatures, each byte for byte/m);
  assert.match(err, /^attempt +press on \w+ did not succeed: builder-failed/m);
  assert.match(err, /^succeeded +press on \w+, attempt 2$/m);
  assert.match(err, /^building: 30\/30$/m);
}

describe('npm run demo', { skip: noNix, concurrency: 2 }, () => {
  it('stops everything and removes its files when it is interrupted while it builds', async () => {
    await using temporary = await openTemporary();
    let interrupted = false;
    const { code, out, err } = await demo([], {
      temporary: temporary.path,
      onError: (text, kill) => {
        if (!interrupted && /^building {3}/m.test(text)) {
          interrupted = true;
          kill('SIGINT');
        }
      },
    });
    assert.equal(code, 130, `${out}\n${err}`);
    assert.doesNotMatch(out, /fetched/);
    assert.deepEqual(await temporary.files(), []);
    assert.deepEqual(await temporary.processes(), []);
  });

  // Without --keep it is the same up to its end, which is that of an interrupted one.
  it('builds the whole graph on two agents and fetches it; with --keep it leaves the farm up, prints commands that work as they stand, and stops it with --stop', async () => {
    await using temporary = await openTemporary();
    const options = { temporary: temporary.path };
    const ended = await demo(['--keep'], options);
    const { code, out, err } = ended;
    assert.equal(code, 0, `${out}\n${err}`);
    checkWhole(ended);
    // Beside it is a folder of builds, of each agent that runs.
    const name = (await temporary.files()).find((file) => file.startsWith('drover-demo-')) ?? '';
    const folder = join(temporary.path, name);
    try {
      // Connections of the agents to Nix are processes too.
      const running = (await temporary.processes()).filter((line) => !line.includes('nix-daemon'));
      const services = running.filter((line) => line.includes('/life.ts') || /\b(?:coordinator|agent)\0/.test(line));
      assert.equal(services.length, 4, `a coordinator, two agents and what goes on, got\n${running.join('\n')}`);
      assert.match(out, /^ {2}http:\/\/127\.0\.0\.1:\d+\/$/m);
      assert.match(out, /^ {2}cat \S+\/admin\.token$/m);

      const commands = out.split('\n').filter((line) => /^ {2}(?:export|npx|curl|XDG_CACHE_HOME=\S+ nix) /.test(line));
      const ending = commands.filter((line) => !line.includes('events tail'));
      assert.ok(ending.length >= 12, out);
      // That npx finds the command is tried by the first: it costs as much as the command.
      const { DROVER_TEST_PROGRAM: program = 'cli/bin.js' } = process.env;
      const npx = `npx() { shift; ${process.execPath} ${program} "$@"; }`;
      const first = ending.findIndex((line) => line.startsWith('  npx drover ')) + 1;
      assert.ok(first > 0, out);
      const script = ['set -eux', ...ending.slice(0, first), npx, ...ending.slice(first)].join('\n');
      const tried = await run('/bin/bash', ['-c', script], options);
      assert.equal(tried.code, 0, `${tried.out}\n${tried.err}`);
      assert.match(tried.out, /^the press is cold/m);
      assert.match(tried.out, /elm is paused/);
      assert.match(tried.out, /^StoreDir: \/nix\/store$/m);
      assert.match(tried.out, /\b(?:leader|weather|gazette)-\d/, 'there goes on something');

      // The same client with another key takes nothing.
      const fetch = commands.find((line) => line.includes(' nix ')) ?? '';
      const strangeKey = `drover-1:${Buffer.alloc(32, 7).toString('base64')}`;
      const strange = fetch.replace(/drover-1:\S+/, strangeKey).replace('another-store', 'strange-store');
      assert.notEqual(strange, fetch);
      const refused = await run('/bin/bash', ['-c', strange], options);
      assert.notEqual(refused.code, 0);
      assert.match(refused.err, /not signed by any of the keys/);
    } finally {
      const stopped = await demo(['--stop', folder], options);
      assert.equal(stopped.code, 0, stopped.err);
    }
    assert.deepEqual(await temporary.files(), []);
    assert.deepEqual(await temporary.processes(), []);
  });

  it('ends a farm that it was to stay with, and removes its folder, when it is killed', async () => {
    await using temporary = await openTemporary();
    const folder = join(temporary.path, 'drover-demo-1');
    await mkdir(folder);
    await writeFile(join(folder, 'admin.token'), 'none');
    const service = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', folder], { stdio: 'ignore' });
    await writeFile(join(folder, 'running.json'), JSON.stringify([{ name: 'coordinator', pid: service.pid }]));
    const ended = once(service, 'exit');
    // No coordinator answers: whatever goes wrong, it is still there for that.
    const life = spawn(process.execPath, ['demo/life.ts', folder, '--attended'], {
      cwd: root,
      env: { ...process.env, DROVER_URL: 'http://127.0.0.1:1', DROVER_TOKEN_FILE: join(folder, 'admin.token') },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const over = once(life, 'exit');
    life.stdin.end();
    assert.deepEqual(await ended, [null, 'SIGTERM']);
    assert.deepEqual(await over, [0, null]);
    assert.deepEqual(await temporary.files(), []);
  });

  // Ten seconds of processor time, which the tests of agents and caches for Guix spend already.
  const notAsked = process.env.GUIX_DEMO === undefined && 'runs where GUIX_DEMO is set';
  it(`builds for Nix and for ${guixName} under one coordinator, and fetches with both`, {
    skip: noGuix || notAsked,
  }, async () => {
    await using temporary = await openTemporary();
    const { code, out, err } = await demo(['--guix'], { temporary: temporary.path });
    assert.equal(code, 0, `${out}\n${err}`);
    for (const store of ['/gnu/store', '/nix/store'])
      assert.match(out, new RegExp(`^\\S+${store.replace('/gnu', '')}/\\w+-greeting: greetings from ${store}$`, 'm'));
    assert.match(out, /succeeded +greeting .* oak .*\n.*succeeded +greeting .* alder /);
    assert.deepEqual(await temporary.files(), []);
    assert.deepEqual(await temporary.processes(), []);
  });

  it('says what to do where Guix is not set up', async () => {
    await using temporary = await openTemporary();
    const nowhere = { DROVER_TEST_CACHE: temporary.path };
    const { code, err } = await demo(['--guix'], { temporary: temporary.path, environment: nowhere });
    assert.equal(code, 1);
    assert.match(err, /^demo: Guix is not set up here: 'npm run setup -- --guix' brings/);
    assert.deepEqual(await temporary.files(), []);
  });

  it('refuses an option that it does not know', async () => {
    await using temporary = await openTemporary();
    const { code, err } = await demo(['--kepe'], { temporary: temporary.path });
    assert.equal(code, 2);
    assert.match(err, /--kepe/);
    assert.deepEqual(await temporary.files(), []);
  });
});
