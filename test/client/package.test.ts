import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openMemoryEventStore } from '../../adapters/event-store/memory/store.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import { harness } from '../adapters/http/harness.ts';
import { secretOfScope } from '../support/fake-application.ts';
import { chromium, followInBrowser } from './browser.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

const noMandoc =
  spawnSync('mandoc', ['-h']).error !== undefined && 'mandoc is not installed; on Debian: sudo apt-get install mandoc';

let commits = 0;
/** A build of the fixed views, step by step. */
async function append(store: EventStore, type: string, data: object): Promise<void> {
  const event = { type, version: 1, data };
  const commit = { stream: 'build-b-1', expected: 'any', events: [event], meta: { actor: 'a' }, at: 0 } as const;
  assert.ok((await store.append({ ...commit, id: `c-${++commits}` })).ok);
}

/** A server whose `subscribed` is called when somebody follows the log. */
async function served(subscribed: () => void) {
  const store = openMemoryEventStore();
  const server = await harness({
    eventStore: {
      head: () => store.head(),
      read: (stream, options) => store.read(stream, options),
      readAll: (options) => store.readAll(options),
      subscribe(options) {
        subscribed();
        return store.subscribe(options);
      },
    },
  });
  const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
  const folder = await mkdtemp(join(tmpdir(), 'drover-client-'));
  return {
    store,
    folder,
    env: { ...process.env, DROVER_URL: url, DROVER_TOKEN: secretOfScope('read') },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

describe('drover/client as others install it', () => {
  before(async () => {
    // `npm run check` has looked at the types; the program is the same that coordinators and agents of other tests run.
    const { DROVER_TEST_PROGRAM: made } = process.env;
    const program = made === undefined ? [] : [`--program=${dirname(dirname(made))}`];
    await run(process.execPath, ['scripts/build.ts', '--no-check', ...program], { cwd: root });
  });

  it('imports nothing but its own files', () => {
    const files = globSync('dist/client/*.js', { cwd: root });
    assert.ok(files.length >= 6);
    for (const file of files)
      for (const [, from] of readFileSync(join(root, file), 'utf8').matchAll(/from '([^']+)'/g))
        assert.match(from as string, /^\.\/[\w-]+\.js$/, file);
  });

  it('is in the package that npm makes, with its types and every manual page; the command runs from there', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'drover-package-'));
    t.after(() => rm(folder, { recursive: true }));
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
    const installed = join(folder, 'node_modules', 'drover');
    await mkdir(installed, { recursive: true });
    await run('tar', ['-xzf', ...globSync(join(folder, '*.tgz')), '--strip-components=1', '-C', installed]);
    // What npm would fetch.
    const { dependencies, man } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) {
      await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true });
      await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    }

    const pages = globSync('dist/man/*.1', { cwd: installed });
    assert.ok(pages.includes('dist/man/drover.1') && pages.includes('dist/man/drover-submit.1'));
    // npm links those that are named, and no others.
    assert.deepEqual(man, pages.map((page) => `./${page}`).sort());
    assert.ok(existsSync(join(installed, 'dist/client/index.d.ts')));

    const program = join(installed, 'cli/bin.js');
    const args = [program, 'coordinator', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0'];
    const coordinator = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => coordinator.kill('SIGKILL'));
    const exit = once(coordinator, 'exit');
    let url: string | undefined;
    for await (const line of createInterface(coordinator.stderr)) {
      url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
      if (url) break;
    }
    coordinator.stderr.resume();
    const env = { ...process.env, DROVER_URL: url, DROVER_TOKEN_FILE: join(folder, 'data', 'admin.token') };
    const { stdout } = await run(process.execPath, [program, 'agents', 'add', 'a1', '-o', 'json'], { env });
    assert.equal(JSON.parse(stdout).name, 'a1');
    coordinator.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
    // What goes wrong where nobody thought of it names the sources.
    const planted =
      'data:text/javascript,AbortSignal.any = AbortSignal.timeout = () => { throw new Error("planted"); };';
    const unexpected = spawnSync(process.execPath, ['--import', planted, program, 'status'], { env, encoding: 'utf8' });
    assert.match(
      unexpected.stderr,
      /unexpected error: Error: planted\n(?: +at .*\n)* +at .*\(cli\/http\/client\.ts:\d+:\d+\)\n/,
    );
    const licences = readFileSync(join(installed, 'dist/program/LICENSES'), 'utf8');
    assert.match(licences, /\nzod \S+ \(MIT\)\n/);
    const complete = await run(process.execPath, [program, 'completion', 'bash']);
    assert.match(complete.stdout, /drover/);
  });

  it('has manual pages without a fault', { skip: noMandoc }, async () => {
    const pages = globSync('dist/man/*.1', { cwd: root });
    // It fails where it warns of anything.
    const { stdout } = await run('mandoc', ['-Tlint', '-W', 'warning', ...pages], { cwd: root });
    assert.equal(stdout, '');
  });

  it(
    'runs in a browser, as a module of a page of another origin',
    { skip: chromium === undefined && 'no Chromium is installed; on Debian: sudo apt-get install chromium' },
    followInBrowser,
  );

  it('examples are short, and do what they say', async (t) => {
    for (const file of globSync('examples/*.ts', { cwd: root })) {
      // That one has to read the log's file by itself.
      const most = file.endsWith('verify-log.ts') ? 85 : 45;
      assert.ok(readFileSync(join(root, file), 'utf8').split('\n').length <= most, file);
    }
    for (const words of ['auditor.ts x', 'notifier.ts --help', 'mirror-to-sqlite.ts x y']) {
      const args = words.split(' ').with(0, `examples/${words.split(' ')[0]}`);
      const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^usage: npx node examples\/.*\n$/);
    }
    let subscribed = Promise.withResolvers<void>();
    await using farm = await served(() => subscribed.resolve());
    const { store, folder, env } = farm;
    await append(store, 'BuildSubmitted', { derivation: 'd', submission: 's', reason: 'requested', options: {} });

    await t.test('the notifier tells of a failure, and after a restart not again', async () => {
      async function notified(expected: string, before: () => Promise<void>): Promise<void> {
        const args = ['examples/notifier.ts', join(folder, 'place')];
        const notifier = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
        const line = once(notifier.stdout, 'data');
        await before();
        const { name, message } = JSON.parse(String((await line)[0]));
        assert.deepEqual([name, message], ['hello', expected]);
        notifier.kill('SIGTERM');
        await once(notifier, 'exit');
      }
      await notified('one', async () => {
        await subscribed.promise;
        await append(store, 'BuildFailed', { attempt: 1, class: 'builder-failed', message: 'one' });
      });
      await append(store, 'BuildFailed', { attempt: 2, class: 'timed-out', message: 'two' });
      subscribed = Promise.withResolvers();
      await notified('two', () => subscribed.promise);
    });

    await t.test('the mirror has what came of each build, and goes on where it was', async () => {
      const file = join(folder, 'results.sqlite');
      const mirrored = async () => {
        await run(process.execPath, ['examples/mirror-to-sqlite.ts', file, '--once'], { cwd: root, env });
        using database = new DatabaseSync(file, { readOnly: true });
        return { ...database.prepare('SELECT id, derivation, result FROM builds').get() };
      };
      assert.deepEqual(await mirrored(), { id: 'b-1', derivation: 'd', result: 'failed' });
      await append(store, 'BuildCanceled', {});
      assert.deepEqual(await mirrored(), { id: 'b-1', derivation: 'd', result: 'canceled' });
    });

    await t.test('the auditor finds the log whole', async () => {
      const { stdout } = await run(process.execPath, ['examples/auditor.ts'], { cwd: root, env });
      const { streams, actors, faults } = JSON.parse(stdout);
      assert.deepEqual([streams, actors, faults], [1, { a: 4 }, 0]);
    });
  });
});
