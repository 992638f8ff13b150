import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { complete } from '../../cli/completion/complete.ts';
import { completionFor } from '../../cli/completion/main.ts';
import { completionScripts, type Shell } from '../../cli/completion/scripts.ts';
import { readTree } from '../../cli/completion/tree.ts';
import { type FakeCoordinator, fakeCoordinator, type Route } from './support/fake-coordinator.ts';

const build = '1m8aperfahjkz4xf';
const routes: Readonly<Record<string, Route>> = {
  'GET /v1/ids': ({ query }) => {
    const rows = [1, 2].map((n) => ({ id: `${build}-${n}`, name: `${'0'.repeat(32)}-hello-${n}.drv` }));
    return { json: { rows: query.get('kind') === 'builds' ? rows : [] } };
  },
  'GET /v1/roots/demo': () => ({
    json: { kept: [{ item: `${'1'.repeat(32)}-hello`, state: 'available' }] },
  }),
  'GET /v1/hooks/ci': () => ({
    json: { failing: [{ event: 'build-b@1' }], parked: [{ event: 'build-b@2' }] },
  }),
  'GET /v1/agents': () => ({
    json: {
      rows: [
        { name: 'worker-1', state: 'connected', abilities: { systems: ['x86_64-linux'] } },
        { name: 'worker-2', state: 'lost\n\u001b[31m', abilities: { systems: ['x86_64-linux'] } },
        { name: '$(touch owned)', state: 'new' },
        { name: '--force', state: 'new' },
        { name: 'worker-0', state: 'retired' },
      ],
    },
  }),
};

describe('complete', () => {
  const tree = readTree();
  const values = (...words: string[]) => complete(tree, words).candidates.map(({ value }) => value);
  const look = (...words: string[]) => {
    const { source, prefix, before } = complete(tree, words).look ?? {};
    return [source, prefix, before];
  };

  it('knows commands, flags and values that are chosen from', () => {
    assert.deepEqual(values('buil'), ['builds']);
    assert.deepEqual(values('builds', 'sh'), ['show']);
    assert.deepEqual(values('builds', 'list', '--sta'), ['--state']);
    assert.deepEqual(values('builds', 'list', '--state', 'fa'), ['failed']);
    // What one command takes is no value for the other.
    assert.deepEqual(values('builds', 'list', '--state', 'b'), ['blocked', 'backoff', 'building']);
    assert.deepEqual(values('builds', 'retry', '--state', ''), ['failed', 'canceled']);
    assert.deepEqual(values('builds', 'cancel', '--state', 'b'), ['blocked', 'backoff', 'building']);
    assert.deepEqual(values('builds', 'list', '--json', '--state=fa'), ['--state=failed']);
    assert.deepEqual(values('builds', 'list', '-o', 'n'), ['name']);
    assert.deepEqual(values('replay', 'w'), ['why']);
    assert.deepEqual(values('builds', 'list', '--no-c'), ['--no-color']);
    assert.ok(values('hooks', 'add', 'x', '--on', 'BuildF').includes('BuildFailed'));
    assert.deepEqual(values('coordinator', '--cache-public', 't'), ['true']);
  });

  it('knows where the rest comes from', () => {
    assert.deepEqual(look('builds', 'show', '1m'), ['builds', '1m', '']);
    assert.deepEqual(look('builds', 'cancel', 'a', 'b', '--reason', 'why not', ''), ['builds', '', '']);
    assert.deepEqual(look('builds', 'show', 'a', ''), [undefined, undefined, undefined]);
    assert.deepEqual(look('agents', 'drain', '--wait', 'w'), ['agents', 'w', '']);
    assert.deepEqual(look('agents', 'add', 'w'), [undefined, undefined, undefined]);
    assert.deepEqual(look('replay', 'item', ''), ['items', '', '']);
    assert.deepEqual(look('builds', 'list', '--agent=w'), ['agents', 'w', '--agent=']);
    assert.deepEqual(look('builds', 'list', '--joined-by', '1m'), ['submissions', '1m', '']);
    assert.deepEqual(look('roots', 'remove', 'demo', '1'), ['kept', '1', '']);
    assert.deepEqual(look('hooks', 'skip', 'ci', '--event='), ['held', '', '--event=']);
    assert.equal(complete(tree, ['roots', 'remove', '--reason', 'x', 'demo', 'a', '']).look?.of, 'demo');
    assert.deepEqual(look('help', ''), ['commands', '', '']);
    assert.deepEqual(look('submit', 'x'), ['files', 'x', '']);
    assert.deepEqual(look('submit', '--', '-x'), ['files', '-x', '']);
    assert.deepEqual(complete(tree, ['status', '--context', 'a', '--url=http://x', '--']).given, {
      context: 'a',
      url: 'http://x',
    });
  });
});

describe('drover __complete', () => {
  /** On a busy machine an answer may take longer than a person would wait. */
  const leisureMs = 600_000;
  let server: FakeCoordinator;
  before(async () => {
    server = await fakeCoordinator(routes);
  });
  after(() => server[Symbol.asyncDispose]());

  it('asks the coordinator that the line names, and keeps what a shell would run or a terminal obey', async () => {
    assert.equal(
      await completionFor(['agents', 'show', '--url', server.url, '--token', 'secret', ''], {}, leisureMs),
      'words\nworker-1\tconnected\nworker-2\tlost  [31m\n',
    );
    assert.equal(server.seen.at(-1)?.headers.authorization, 'Bearer secret');
    assert.equal(
      await completionFor(['builds', 'list', '--system='], { DROVER_URL: server.url }, leisureMs),
      'words\n--system=x86_64-linux\t\n',
    );
    const given = async (...words: string[]) => completionFor(words, { DROVER_URL: server.url }, leisureMs);
    assert.equal(await given('roots', 'remove', 'demo', ''), `words\n${'1'.repeat(32)}-hello\tavailable\n`);
    const [parked, failing] = ['build-b@2\tparked\n', 'build-b@1\tfailing\n'];
    assert.equal(await given('hooks', 'skip', 'ci', '--event', ''), `words\n${parked}${failing}`);
    assert.equal(await given('hooks', 'retry-parked', 'ci', '--event', ''), `words\n${parked}`);
    assert.equal(await given('hooks', 'skip', '--event', ''), 'words\n');
  });

  it('is a command that the shells run', () => {
    const bin = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
    const { stdout } = spawnSync(process.execPath, [bin, '__complete', 'builds', 'sh'], { encoding: 'utf8' });
    assert.equal(stdout, 'words\nshow\tShow one build with its attempts\n');
  });

  it('has nothing to say where nobody answers, a token is missing or unreadable, or no answer comes in time', async () => {
    await using refusing = await fakeCoordinator({
      'GET /v1/agents': () => ({ status: 401, json: { code: 'token-missing' } }),
      'GET /v1/hooks': () => undefined,
    });
    for (const [words, environment] of [
      [['agents', 'show', ''], { DROVER_URL: 'http://127.0.0.1:1' }],
      [['agents', 'show', ''], { DROVER_URL: refusing.url }],
      [['agents', 'show', ''], { DROVER_URL: refusing.url, DROVER_TOKEN_FILE: '/nowhere' }],
      [['agents', 'show', ''], { DROVER_URL: 'nonsense' }],
      [['agents', 'show', ''], { DROVER_URL: refusing.url, DROVER_CONTEXT: 'none' }],
      [['hooks', 'show', ''], { DROVER_URL: refusing.url }],
      [['nonsense', 'show', ''], {}],
    ] as const)
      assert.equal(
        await completionFor(words, environment),
        'words\n',
        `${words.join(' ')} ${Object.values(environment)}`,
      );
  });
});

describe('the script for', () => {
  let folder: string;
  let server: FakeCoordinator;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-completion-'));
    server = await fakeCoordinator(routes);
    const completes = fileURLToPath(new URL('support/complete-at-leisure.ts', import.meta.url));
    // It shows the words that it was run with.
    await writeFile(
      join(folder, 'drover'),
      `#!/bin/sh\n[ "$1" != __complete ] || { shift; exec '${process.execPath}' '${completes}' "$@"; }\nprintf 'ran'; printf ' <%s>' "$@"; echo .\n`,
    );
    await chmod(join(folder, 'drover'), 0o755);
    for (const shell of Object.keys(completionScripts) as Shell[])
      await writeFile(join(folder, `script.${shell}`), completionScripts[shell]);
    await writeFile(join(folder, 'some.drv'), '');
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const environment = () => ({
    PATH: `${folder}:${process.env.PATH}`,
    HOME: folder,
    TERM: 'dumb',
    DROVER_URL: server.url,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, 'compiled'),
  });
  const missing = (...programs: string[]) => {
    const not = programs.find((name) => spawnSync(name, ['--version']).error !== undefined);
    return not === undefined ? false : `${not} is not installed; on Debian: sudo apt-get install ${not}`;
  };

  /** What a shell on a terminal runs when these keys are pressed. */
  async function typed(command: string, setUp: string, keys: readonly string[]): Promise<string[]> {
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: folder,
      env: environment(),
      stdio: 'pipe',
    });
    let seen = '';
    let read = 0;
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    const ended = once(terminal, 'close').then(() => true);
    const until = async (text: string) => {
      let at = seen.indexOf(text, read);
      for (; at < 0; at = seen.indexOf(text, read)) {
        const heard = new AbortController();
        const isOver = await Promise.race([once(terminal.stdout, 'data', { signal: heard.signal }), ended]);
        heard.abort();
        assert.notEqual(isOver, true, seen);
      }
      read = at + text.length;
    };
    // The words are put together by the shell: what it echoes of the line is not taken for its answer.
    terminal.stdin.write(`${setUp}; echo "rea""dy"\n`);
    await until('ready');
    for (const line of keys) {
      terminal.stdin.write(`${line}\n`);
      await until('ran <');
      await until('>.');
    }
    terminal.stdin.write('exit\n');
    await ended;
    return Array.from(seen.matchAll(/ran (<.*>)\./g), ([, words]) => words as string);
  }
  const keys = [
    'drover bui\tshow 1m\t2',
    'drover builds list --agent=work\t1 --url http://127.0.0.1:1 --state=f\t',
    'drover submit som\t',
  ];
  const ran = [
    `<builds> <show> <${build}-2>`,
    '<builds> <list> <--agent=worker-1> <--url> <http://127.0.0.1:1> <--state=failed>',
    '<submit> <some.drv>',
  ];

  it('bash completes what is typed', { skip: missing('bash', 'script') }, async () => {
    assert.deepEqual(await typed('bash --norc --noprofile -i', 'source script.bash', keys), ran);
  });
  it('zsh completes what is typed', { skip: missing('zsh', 'script') }, async () => {
    const setUp = 'autoload -Uz compinit; compinit -u -D; source ./script.zsh';
    assert.deepEqual(await typed('zsh -f -i', setUp, keys), ran);
  });
  it('fish has the candidates, with what they are', { skip: missing('fish') }, async () => {
    const lines = [
      'drover builds sh',
      'drover builds show 1m',
      'drover builds list --agent=worker-1',
      'drover submit som',
    ];
    const ask = lines.map((line) => `complete -C '${line}'`).join('; ');
    const options = { cwd: folder, env: environment(), encoding: 'utf8' } as const;
    // Asked by the process that answers it: not while it waits for fish.
    const fish = spawn('fish', ['--no-config', '-c', `source script.fish; ${ask}`], options);
    let out = '';
    fish.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    await once(fish, 'close');
    assert.deepEqual(out.trim().split('\n'), [
      'show\tShow one build with its attempts',
      `${build}-1\thello-1`,
      `${build}-2\thello-2`,
      '--agent=worker-1\tconnected',
      'some.drv',
    ]);
  });
});
