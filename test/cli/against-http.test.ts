import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { DroverError } from '../../coordinator/errors.ts';
import type { EventStore, Position } from '../../coordinator/ports/event-store.ts';
import type { UploadDeclaration } from '../../coordinator/ports/pool.ts';
import { buildA, fakeViews, harness, itemA, submissionA } from '../adapters/http/harness.ts';
import { secretOfScope } from '../support/fake-application.ts';
import { graphSize, loadGraphClosure, rootOf } from '../support/graph-closure.ts';
import { run } from './support/run-cli.ts';

/** The real HTTP server around a fake application: what the CLI asks for is what the routes understand, and the other way round. */
async function serve(overrides: Parameters<typeof harness>[0] = {}) {
  const server = await harness(overrides);
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...server,
    drover: (words: string, more: readonly string[] = []) =>
      run([...words.split(' '), ...more], { environment: { DROVER_URL: url, DROVER_TOKEN: secretOfScope('admin') } }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

let commits = 0;
async function append(store: EventStore, build: string, type: string, data: unknown): Promise<void> {
  const commit = {
    id: `c-${++commits}`,
    stream: `build-${build}`,
    expected: 'any',
    meta: { actor: 'test' },
    at: 1,
  } as const;
  assert.ok((await store.append({ ...commit, events: [{ type, version: 1, data }] })).ok);
}

describe('the CLI and the HTTP API', () => {
  it('say once of lists that they lack what happened lately, where the coordinator could not wait for that', async () => {
    const late = Promise.withResolvers<never>();
    const views = fakeViews({
      reached: () => {
        server.runtime.advance(1_000);
        return late.promise;
      },
    });
    await using server = await serve({ views, application: { position: () => '1' as Position } });
    const { code, out, err } = await server.drover('builds list');
    assert.deepEqual([code, out.includes(buildA.id.slice(0, 8))], [0, true]);
    assert.equal(
      err,
      'drover: what happened lately may be missing: lists of the coordinator are behind ("drover doctor" says why)\n',
    );
    assert.equal((await server.ask('read', { url: '/v1/builds' })).headers['drover-behind'], 'lists');
    await using fresh = await serve({ application: { position: () => '1' as Position } });
    assert.equal((await fresh.drover('builds list')).err, '');
    assert.equal((await fresh.ask('read', { url: '/v1/builds' })).headers['drover-behind'], undefined);
  });

  it('say once of answers that they tell of what the log does not have, while it is away', async () => {
    await using server = await serve({ application: { settled: async () => 3 } });
    const { code, err } = await server.drover('builds list');
    assert.equal(code, 0);
    assert.match(err, /^drover: what follows may tell of 3 commits that the log of the coordinator does not have yet/);
    assert.equal(err.split('\n').length, 2);
    const { headers } = await server.ask('read', { url: '/v1/builds' });
    assert.equal(headers['drover-ahead'], '3');
    await using stored = await serve();
    assert.equal((await stored.ask('read', { url: '/v1/builds' })).headers['drover-ahead'], undefined);
  });

  it('say of a submission how the builds of others ended that it joined, and list those', async () => {
    const none = { queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
    const asked: unknown[] = [];
    const views = fakeViews({
      submission: (id) => (id === submissionA.id ? { ...submissionA, counts: none } : undefined),
      joinedBuilds: () => ({ ...none, succeeded: 2, failed: 1 }),
      ids: (kind) => (kind === 'submissions' ? [{ id: submissionA.id, name: '' }] : []),
      builds(filter) {
        asked.push(filter);
        return { rows: [buildA] };
      },
    });
    await using server = await serve({ views, application: { joinedBuilds: () => undefined } });
    const shown = await server.drover('submissions show', [submissionA.id]);
    assert.match(shown.out, /^state: +failed$/m);
    assert.match(shown.out, /^builds: +none$/m);
    assert.match(
      shown.out,
      new RegExp(`^joined: +2 succeeded, 1 failed \\(drover builds list --joined-by ${submissionA.id}\\)$`, 'm'),
    );
    const under = { ...none, none: 0, succeeded: 1, running: 1 };
    await using before = await serve({ views, application: { joinedBuilds: () => under } });
    assert.match((await before.drover('submissions show', [submissionA.id])).out, /^joined: +not all ended \(/m);
    // What was joined may have been forgotten before who did that.
    const forgotten = { ...none, none: 1, succeeded: 2 };
    await using after = await serve({ views, application: { joinedBuilds: () => forgotten } });
    assert.match((await after.drover('submissions show', [submissionA.id])).out, /^state: +failed$/m);
    const listed = await server.drover('builds list --state failed --joined-by', [submissionA.id]);
    assert.equal(listed.code, 0, listed.err);
    assert.deepEqual(asked, [{ joinedBy: submissionA.id, state: ['failed'] }]);
  });

  it('say which flag names a submission that there is not', async () => {
    const checkNames = (names: object) => {
      for (const [field, name] of Object.entries(names))
        if (name !== undefined) throw new DroverError('unknown-submission', `${field}: there is no submission ${name}`);
    };
    await using server = await serve({ application: { checkNames } });
    for (const flag of ['--submission', '--joined-by']) {
      const { code, err } = await server.drover('builds list', [flag, 'nope']);
      assert.deepEqual([code, err], [2, `drover: ${flag}: there is no submission nope (unknown-submission)\n`]);
    }
    for (const [command, flag, wrong, expected] of [
      ['builds list', '--tag', '=main', 'key or key=value'],
      ['builds cancel', '--system', '', 'at least 1 character, '],
      ['events export', '--stream', 'build', 'a stream like build-ID, or build- '],
      ['events tail', '--actor', 'a b', 'a name, '],
    ] as const) {
      const { code, err } = await server.drover(command, [flag, wrong]);
      assert.equal(code, 2);
      assert.ok(err.startsWith(`drover: ${flag}: expected ${expected}`), err);
    }
  });

  it('say in flags, with exit code 2, what is wrong with a hook', async () => {
    const unusable = new DroverError('hook-not-usable', 'allow-private: a hook that is added over the API may not');
    await using server = await serve({ application: { addHook: () => Promise.reject(unusable) } });
    for (const [words, said] of [
      ['--run x', 'expected --on, the types of events that it gets, got none'],
      [
        '--on BuildFaild --run x',
        '--on: expected the type of an event, as docs/events.md lists them, got "BuildFaild"',
      ],
      ['--on BuildFailed --webhook ftp://x', '--webhook: expected an http or https URL, got "ftp://x"'],
      [
        '--on BuildFailed --run x --secret-file /x',
        'expected --secret-file with a webhook (--webhook) alone, got it with --run',
      ],
      [
        '--on BuildFailed --publish /x --allow-private',
        'expected --allow-private with a webhook (--webhook) alone, got it with --publish',
      ],
      ['--notify-mail a@b.example', '--mail-server: expected a text, got nothing'],
      ['--guix-data-service https://x.example', '--build-server: expected a number, got nothing'],
      [
        '--on BuildFailed --run x --from yesterday',
        '--from: expected now, start, a position of the log or the id of an event, got "yesterday"',
      ],
      ['--publish /x --compression gzip', '--compression: expected none without layout guix-publish, got a list of 1'],
      [
        '--mirror /x --layout guix-publish --compression xz',
        '--compression: expected none, gzip, lzip or zstd, where it is to have a level with that, as in gzip:9: 1 to 9, for zstd 1 to 19, got "xz"',
      ],
      ['--on BuildFailed --webhook https://x.example', '--allow-private: a hook that is added over the API may not'],
    ] as const) {
      const { code, err } = await server.drover(`hooks add x ${words}`);
      assert.equal(code, 2, words);
      assert.ok(err.startsWith(`drover: ${said} (`), err);
    }
    const two = await server.drover('hooks add x --mirror /x --run y --on BuildFailed');
    assert.match(two.err, /expected one of --run, --webhook, .*, --mirror, got --run and --mirror \(/);
    const never = await server.drover('hooks add x --on AgentPaused --run x --drv hello');
    assert.match(
      never.err,
      /^drover: expected conditions that its events have something to say of, got --drv: no AgentPaused/,
    );
  });

  it('say by flag or name, with exit code 2, which value is wrong', async () => {
    await using server = await serve();
    for (const [words, said] of [
      ['builds list --derivation x', '--derivation: expected <hash>-<name>, got "x"'],
      ['builds cancel --derivation x --dry-run', '--derivation: expected <hash>-<name>, got "x"'],
      ['items list --deriver x', '--deriver: expected <hash>-<name>, got "x"'],
      ['submissions list --state done', "option '--state <state>' argument 'done' is invalid"],
      ['roots add r c3yh3hnrjnfp3a7kb9h5q8x1ylmcr2kh-plain --ttl 0', '--ttl: expected at least 1'],
      ['roots remove r x', 'target: expected a base name, or the id of a build, got "x"'],
      ['items verify x', 'item: expected <hash>-<name>, got "x"'],
      ['items delete x', 'item: expected <hash>-<name>, got "x"'],
      ['upstreams check nixos x', 'item: expected <hash>-<name>, got "x"'],
      ['roots add r x', 'target: expected a base name, or the id of a build, got "x"'],
      [
        'items show /anything/c3yh3hnrjnfp3a7kb9h5q8x1ylmcr2kh-plain',
        'expected a base name or a path in /nix/store, got /anything/',
      ],
      ['items list --deriver /tmp/x.drv', 'expected a base name or a path in /nix/store, got /tmp/x.drv'],
      [
        'roots add r ./c3yh3hnrjnfp3a7kb9h5q8x1ylmcr2kh-plain',
        'expected a base name or a path in /nix/store, got ./c3yh',
      ],
      ['gc --max-freed 10X', "option '--max-freed <bytes>' argument '10X' is invalid"],
      ['gc --keep-free 0', "option '--keep-free <bytes>' argument '0' is invalid"],
      ['gc --older-than yesterday', "option '--older-than <time>' argument 'yesterday' is invalid"],
      ['hooks skip notify -o name', "option '-o, --output <format>' argument 'name' is invalid"],
      ['submissions show @', 'submission: expected up to 64 of [0-9a-zA-Z._-], got "@"'],
      ['agents add a/b', 'name: expected up to 64 of [0-9a-zA-Z._-], got "a/b"'],
      ['builds prioritize b-1 5000', 'priority: expected a whole number from -1000 to 1000, got "5000"'],
      ['submit x --root a/b', '--root: expected up to 64 of [0-9a-zA-Z._-], got "a/b"'],
      ['items delete --deriver x', '--deriver: expected <hash>-<name>, got "x"'],
    ] as const) {
      const { code, err } = await server.drover(words);
      assert.equal(code, 2, words);
      assert.ok(err.replace(/^(drover|error): /, '').startsWith(said), err);
    }
  });

  it('agree on every command that asks or steers', async () => {
    await using server = await serve();
    for (const words of [
      'builds list --state running --state failed --limit 10 --tag a=b --name x',
      'builds list --since 2h --until 2026-11-25',
      'builds show b-1',
      'builds history b-1 --limit 5 --after 2',
      'submissions show s-1',
      'builds why b-1',
      'builds cancel b-1',
      'builds cancel b-1 --reason because',
      'builds prioritize b-1 -5',
      'builds defer b-1 --until 8h --reason later',
      'builds cancel b-1 --with-inputs --with-dependents',
      'builds cancel b-1 --dry-run --force -o name',
      'builds cancel --tag branch=main --state queued --since 2h --reason old --yes',
      'builds cancel --agent alpha --dry-run -o json',
      'builds retry --failed --submission s-1 --yes',
      'builds retry --name hello --dry-run',
      'submissions cancel s-1 s-2 --reason because',
      'submissions cancel s-1 --dry-run',
      'submissions retry s-1',
      'builds retry b-1',
      'builds retry b-1 --dry-run',
      'agents add beta',
      'agents rotate-token alpha --overlap 10m',
      'agents list',
      'agents show alpha',
      'agents pause alpha',
      'agents resume alpha --reason x',
      'agents drain alpha',
      'agents remove alpha --reason y',
      'hooks add beta --on BuildFailed --on BuildSucceeded --tag a=b --system x86_64-linux --drv hello-* --class timed-out --agent alpha --run true --concurrency 2 --timeout 10s --attempts 3 --retry-base 1s --retry-max 1m --order all --from start',
      'hooks add beta --on BuildFailed --webhook https://example.org/x --secret-file /x --allow-private --from 0000000000000001',
      'hooks add told --notify-webhook https://chat.example/x --secret-file /x',
      'hooks add mails --notify-mail a@example.org --notify-mail b@example.org --mail-server smtp://mail.example --mail-from d@example.org --mail-user d --mail-password-file /x --allow-private',
      'hooks add relay --on BuildFailed --notify-mail a@example.org --mail-server smtp://mail.example --mail-from d@example.org --mail-plain',
      'hooks add data --guix-data-service https://data.example --build-server 3 --build-server-token-file /x --allow-private',
      'hooks add notify --replace --on BuildFailed --webhook https://example.org/x',
      'hooks list',
      'hooks show notify',
      'hooks pause notify --reason x',
      'hooks resume notify',
      'hooks skip notify',
      'hooks skip notify --event build-s-1@4 --event build-s-2@0 --reason x',
      'hooks retry-parked notify',
      'hooks retry-parked notify --event build-s-1@4',
      'hooks replay notify --from start',
      'hooks test notify --event build-s-1@4',
      'hooks remove notify --reason y',
      'items list --name hello --deriver /nix/store/0c7kfrczv1idqh8bzqjgrdzjh3akz8ip-hello.drv',
      `items show ${itemA.path}`,
      'tokens create ci --scope submit',
      'tokens list',
      'tokens revoke t-1',
      'status',
    ]) {
      const { code, err } = await server.drover(words);
      assert.equal(code, 0, `${words}: ${err}`);
    }
    const methods = server.application.calls.map(({ method, args }) => [method, ...args.slice(1)]);
    assert.ok(
      methods.some(
        ([method, build, wish]) =>
          method === 'cancelBuild' && build === 'b-1' && (wish as { reason?: string }).reason === 'because',
      ),
    );
    assert.ok(
      methods.some(([method, build, priority]) => method === 'prioritizeBuild' && build === 'b-1' && priority === -5),
    );
    assert.ok(
      methods.some(([method, , wish, reason]) => method === 'steerAgent' && wish === 'remove' && reason === 'y'),
    );
    assert.deepEqual(methods.find(([method]) => method === 'addHook')?.slice(1), [
      'beta',
      {
        definition: {
          on: ['BuildFailed', 'BuildSucceeded'],
          where: {
            tags: { a: 'b' },
            systems: ['x86_64-linux'],
            name: 'hello-*',
            classes: ['timed-out'],
            agents: ['alpha'],
          },
          target: { kind: 'command', run: 'true' },
          concurrency: 2,
          timeoutSeconds: 10,
          retry: { maxAttempts: 3, baseSeconds: 1, maxSeconds: 60 },
          order: 'all',
        },
        from: 'start',
      },
    ]);
    assert.deepEqual(
      methods.filter(([method]) => method === 'skipHookEvents').map((call) => call.slice(1)),
      [
        ['notify', undefined, undefined],
        ['notify', ['build-s-1@4', 'build-s-2@0'], 'x'],
      ],
    );
    assert.ok(methods.some(([method, , from]) => method === 'replayHook' && from === 'start'));
  });

  it('agree on refusals', async () => {
    await using server = await serve();
    const unknown = await server.drover('builds show nope');
    assert.equal(unknown.code, 1);
    assert.match(unknown.err, /there is no build nope; 'drover builds list' names .* \(unknown-build\)/);
    const refused = await server.drover('builds list --state odd');
    assert.equal(refused.code, 2);
    assert.match(refused.err, /'--state <state>' argument 'odd' is invalid. Expected queued, .*blocked, /);
    // The API has another name for it than the flag.
    for (const words of ['events tail --until bad', 'events export --until bad', 'events tail --until 12'])
      assert.match(
        (await server.drover(words)).err,
        /^drover: --until: expected a position of this log(, like [0-9]+)?, or a time, got (bad|12) /,
      );
    for (const flag of ['--since', '--until'])
      assert.match(
        (await server.drover(`builds list ${flag} bad`)).err,
        new RegExp(`^drover: ${flag}: expected a position of this log(, like [0-9]+)?, or a time, got bad `),
      );
    for (const words of ['builds list --since 1h --until 2h', 'events export --from 1h --until 2h'])
      assert.match(
        (await server.drover(words)).err,
        /^drover: --until: expected a time that is not before \S+Z \((since|--since|--from)\), got \S+Z /,
      );
    // Nothing would ever come.
    for (const words of ['events tail --type BuildFaild', 'events export --type drover.BuildFaild']) {
      const { code, err } = await server.drover(words);
      assert.equal(code, 2);
      assert.match(err, /Expected the type of an event, .*BuildFaild"; did you mean BuildFailed\?/);
    }
    assert.match(
      (await server.drover('events tail --from 12')).err,
      /^drover: --from: expected a position of this log/,
    );
    const submission = await server.drover('builds show s-1');
    assert.match(submission.err, /s-1 is a submission, not a build; 'drover submissions show s-1' .*\(unknown-build\)/);
    assert.match((await server.drover('builds log s-1')).err, /s-1 is a submission/);
  });

  it('agree on a log', async () => {
    const read = async function* () {
      yield Buffer.from('from byte 3\n');
    };
    const asked: unknown[] = [];
    await using server = await serve({
      logs: {
        size: async () => 20,
        read: async (...wish: readonly unknown[]) => {
          asked.push(wish.slice(0, 2), (wish[2] as { offset: number }).offset);
          return read();
        },
      },
    });
    const { code, out, err } = await server.drover('builds log b-1 --attempt 1 --offset 3 --follow');
    assert.equal(code, 0, err);
    assert.equal(out, 'from byte 3\n');
    assert.deepEqual(asked, [['b-1', 1], 3]);
  });

  it('show the end of the log of a build that failed, where its message does not have it', async () => {
    let message = "hash mismatch in fixed-output derivation 'x':\n  specified: a\n     got:    b";
    const failure = () => ({ class: 'hash-mismatch', message }) as const;
    const row = () => {
      const attempt = { attempt: 2, agent: 'alpha', allocatedAt: 1, startedAt: 2, endedAt: 3, logBytes: 4 };
      const attempts = [{ ...attempt, outcome: 'failed', failure: failure() }];
      return { ...buildA, state: 'failed', failure: failure(), attempts } as const;
    };
    const read = new Set<string>();
    await using server = await serve({
      views: fakeViews({ build: row }),
      application: {
        why: async (build) => ({
          ...{ build, state: 'failed', summary: 'It has failed.', reason: 'ended' },
          failure: { attempt: 2, agent: 'alpha', ...failure() },
        }),
      },
      logs: {
        size: async () => 20,
        read: async (build, attempt) => {
          read.add(`${build} ${attempt}`);
          return Readable.from([Buffer.from('fetching\nfetched\u001b[2J\n')]);
        },
      },
    });
    for (const words of ['builds show b-1', 'builds why b-1']) {
      const { code, out, err } = await server.drover(words);
      assert.equal(code, 0, err);
      assert.ok(out.endsWith('\nattempt 2, last 2 log lines:\n> fetching\n> fetched\\x1b[2J\n'), out);
      assert.match(out, /specified: a/);
      assert.deepEqual([...read], ['b-1 2']);
      read.clear();
      JSON.parse((await server.drover(`${words} --json`)).out);
    }
    message = "builder for 'x' failed with exit code 1;\nlast 1 log lines:\n> no";
    assert.doesNotMatch((await server.drover('builds show b-1')).out, /attempt 2, last/);
    assert.deepEqual([...read], [], 'a message that has the end of the log, and programs, need no more of it');
  });

  it('agree on derivations, sources, submission and events', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drover-http-'));
    try {
      const closure = await loadGraphClosure();
      for (const { name, bytes } of closure) await writeFile(join(folder, name), bytes);
      const root = rootOf(closure);
      const source = `${'1'.repeat(32)}-source.sh`;
      await mkdir(join(folder, 'root/nix/store'), { recursive: true });
      await writeFile(join(folder, 'root/nix/store', source), 'echo hello\n');

      let declared: UploadDeclaration | undefined;
      let written = 0;
      const status = () => ({
        id: 'u-1',
        owner: 't-admin',
        path: 'x',
        offset: written,
        fileSize: declared?.fileSize ?? 0,
        finished: written === declared?.fileSize,
      });
      await using server = await serve({
        application: {
          storeDir: '/nix/store',
          status: () => ({
            builds: {
              blocked: 0,
              waiting: 0,
              ready: 0,
              backoff: 0,
              deferred: 0,
              allocated: 0,
              running: 0,
              succeeded: 0,
              failed: 0,
              canceled: 0,
            },
            blocked: {
              failed: 0,
              canceled: 0,
              'no-build': 0,
              'source-missing': 0,
              'source-lost': 0,
              'text-lost': 0,
              'no-agent': 0,
            },
            ready: {},
            unattended: {},
            derivations: 0,
            items: 0,
            agents: { connected: 0, registered: 0, slots: 0, busy: 0, excess: 0, away: 0 },
            position: undefined,
            pendingCommits: 0,
            uploads: { waiting: 0, refused: 0 },
          }),
          missingSources: async () => [source],
          beginUpload: async (_by, declaration) => {
            declared = declaration;
            return status();
          },
          writeUpload: async (_by, _id, offset, body) => {
            assert.equal(offset, written);
            for await (const chunk of body) written += chunk.length;
            return status();
          },
          submit: async (_by, wish) => {
            assert.deepEqual(wish.roots, [root]);
            assert.ok(wish.idempotencyKey);
            await append(server.eventStore, 'b-9', 'BuildSubmitted', {
              derivation: root,
              submission: 's-9',
              reason: 'requested',
              options: { priority: 0 },
            });
            await append(server.eventStore, 'b-1', 'BuildSucceeded', {
              attempt: 2,
              agent: 'alpha',
              outputs: {},
              durationMs: 1,
            });
            await append(server.eventStore, 'b-9', 'BuildSucceeded', {
              attempt: 1,
              agent: 'alpha',
              outputs: {},
              durationMs: 1,
            });
            return { submission: 's-9', derivations: graphSize, builds: 1, available: 0, joined: [buildA.id] };
          },
        },
      });
      const { code, out, err } = await server.drover('submit --wait --json --derivations', [
        folder,
        '--store-root',
        join(folder, 'root'),
        root,
      ]);
      assert.equal(code, 0, err);
      const result = JSON.parse(out) as Record<string, unknown>;
      assert.deepEqual([result.uploadedDerivations, result.uploadedSources, result.succeeded], [graphSize, 1, 2]);
      const added = server.application.calls
        .filter(({ method }) => method === 'addDerivations')
        .flatMap(({ args }) => args[0] as { path: string }[]);
      assert.equal(added.length, graphSize);
      assert.equal(declared?.path, source);
      assert.equal(written, declared?.fileSize);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
