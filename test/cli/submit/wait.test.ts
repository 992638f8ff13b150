import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { fakeCoordinator, type Route, sse } from '../support/fake-coordinator.ts';
import { run } from '../support/run-cli.ts';

const root = `${'0'.repeat(32)}-root.drv`;
const joinedDrv = `${'1'.repeat(32)}-joined.drv`;
const outputOf = (name: string): string => `${'4'.repeat(32)}-${name}`;
const joinedBuild = { id: 'j', derivation: joinedDrv, state: 'running', attempt: 1, agent: 'w2', failure: null };

function routes(events: Route, result: object): Record<string, Route> {
  return {
    'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
    'GET /v1/status': () => ({ json: { position: '0005' } }),
    'POST /v1/derivations/missing': () => ({ json: { missing: [] } }),
    'POST /v1/sources/missing': () => ({ json: { missing: [] } }),
    'POST /v1/submissions': () => ({ status: 201, json: { submission: 's', derivations: 0, available: 0, ...result } }),
    'GET /v1/builds/j': () => ({ json: { ...joinedBuild, outputs: { out: outputOf('joined') } } }),
    'GET /v1/builds/a': () => ({ json: { id: 'a', outputs: { out: outputOf('root'), dev: outputOf('root-dev') } } }),
    // One that is not in the coordinator's first store directory says so.
    [`GET /v1/items/${outputOf('joined')}`]: () => ({ json: { path: outputOf('joined'), storeDir: '/gnu/store' } }),
    'GET /v1/builds': () => ({ json: { rows: [{ id: 'a' }] } }),
    'GET /v1/builds/a/log': () => ({ text: 'printed\u001b[2J\nat the end\n' }),
    'GET /v1/events': events,
  };
}
const submitted = sse('0006', 'build-a', 'BuildSubmitted', {
  derivation: root,
  submission: 's',
  reason: 'requested',
  options: { priority: 0 },
});
const started = sse('0007', 'build-a', 'BuildStarted', { attempt: 1 });
const succeeded = sse('0009', 'build-a', 'BuildSucceeded', { attempt: 1, agent: 'w1' });
const failed = sse('0009', 'build-a', 'BuildFailed', {
  attempt: 1,
  class: 'builder-failed',
  message: 'exit code 1;\nlast 1 log lines:\n> no\u001b[2J',
});
const joinedEnd = sse('0010', 'build-j', 'BuildSucceeded', { attempt: 1, agent: 'w2' });

describe('drover submit --wait', () => {
  it('waits for its own builds and those it joined; goes on after a lost connection where it was', async () => {
    const froms: (string | null)[] = [];
    await using fake = await fakeCoordinator(
      routes(
        (request, response) => {
          froms.push(request.query.get('from'));
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          if (froms.length === 1) {
            // A checkpoint without an event, then a cut in the middle of one.
            response.write(`${submitted}${started}id: 0008\n\n${succeeded.slice(0, 20)}`, () => response.destroy());
          } else response.write(`${succeeded}${joinedEnd}`);
          return undefined;
        },
        { builds: 1, joined: ['j'] },
      ),
    );
    const { code, out, err } = await run(['submit', '--url', fake.url, root, `${joinedDrv}^out`, '--wait']);
    assert.equal(code, 0, err);
    assert.deepEqual(froms, ['0005', '0008']);
    assert.match(err, /building {3}root/);
    assert.match(err, /connection lost/);
    assert.match(err, /succeeded {2}root on w1/);
    assert.match(err, /succeeded {2}joined on w2/);
    assert.match(err, /2 builds ended, 2 succeeded, 0 did not\n$/);
    // What nix-build would print: once, though the connection was lost in between.
    const printed = ['/nix/store root', '/nix/store root-dev', '/gnu/store joined'].map((text) => text.split(' '));
    assert.equal(out, printed.map(([dir, name = '']) => `${dir}/${outputOf(name)}\n`).join(''));
  });

  it('prints one JSON object, which has each derivation as soon as it has ended', async () => {
    const there = `${'3'.repeat(32)}-there.drv`;
    await using fake = await fakeCoordinator(
      routes(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(`${submitted}${failed}${joinedEnd}`);
          return undefined;
        },
        { builds: 1, joined: ['j'], available: 1 },
      ),
    );
    const argv = ['submit', '--url', fake.url, root, joinedDrv, `${there}^dev`, '--wait', '--json'];
    const { code, out } = await run(argv);
    assert.equal(code, 1);
    const { submission, ended, succeeded: good, requested } = JSON.parse(out);
    assert.deepEqual([submission, ended, good], ['s', 2, 1]);
    // Each was printed when it was known, on a line of its own.
    assert.equal(out.split('\n').filter((line) => /^[ ,]\{"derivation".*\}$/.test(line)).length, 3);
    assert.deepEqual(requested, [
      { derivation: there, state: 'available', outputs: { dev: `/nix/store/${outputOf('root-dev')}` } },
      {
        derivation: root,
        state: 'failed',
        build: 'a',
        failure: { class: 'builder-failed', message: 'exit code 1;\nlast 1 log lines:\n> no\u001b[2J' },
      },
      {
        derivation: joinedDrv,
        state: 'succeeded',
        build: 'j',
        outputs: { out: `/gnu/store/${outputOf('joined')}` },
      },
    ]);
  });

  it('exits with 1 where a build did not succeed, and names it without what would steer the terminal', async () => {
    await using fake = await fakeCoordinator(
      routes(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(`${submitted}${failed}`);
          return undefined;
        },
        { builds: 1, joined: [] },
      ),
    );
    const { code, out, err } = await run(['submit', '--url', fake.url, root, '--wait']);
    assert.equal(code, 1);
    assert.ok(
      err.includes(
        'failed     root (build a): builder-failed: exit code 1;\n    last 1 log lines:\n    > no\\x1b[2J\n',
      ),
      err,
    );
    assert.match(err, /1 build ended, 0 succeeded, 1 did not\n {2}failed {2}root {2}drover builds log a\n/);
    assert.equal(out, '');
    // The message has the end of the log already.
    assert.ok(!fake.seen.some(({ path }) => path.endsWith('/log')));
  });

  it('shows the last lines of the log where the message does not have them', async () => {
    const mismatch = { attempt: 1, class: 'hash-mismatch', message: 'hash mismatch:\n  specified: a\n  got: b' };
    await using fake = await fakeCoordinator(
      routes(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(`${submitted}${sse('0008', 'build-a', 'BuildFailed', mismatch)}`);
          return undefined;
        },
        { builds: 1, joined: [] },
      ),
    );
    const { err } = await run(['submit', '--url', fake.url, root, '--wait']);
    const told = 'specified: a\n      got: b\n    last 2 log lines:\n    > printed\\x1b[2J\n    > at the end\n';
    assert.ok(err.includes(told), err);
  });

  it('ends with 1 when all that is left is blocked, and says by what; a rebuild that is about to be asked for is waited for', async () => {
    const failing = `${'2'.repeat(32)}-failing`;
    const blocker = {
      item: failing,
      state: 'failed',
      derivation: `${failing}.drv`,
      build: 'f',
      waiting: 2,
      remedy: 'drover builds retry f',
    };
    const answers = [
      { unfinished: 2, blocked: 2, blockers: [blocker] },
      { unfinished: 2, blocked: 1, blockers: [] },
      { unfinished: 2, blocked: 2, blockers: [blocker] },
      { unfinished: 2, blocked: 2, blockers: [blocker] },
    ];
    let asked = 0;
    const more = { 'GET /v1/submissions/s': () => ({ json: answers[asked++] }) };
    await using fake = await fakeCoordinator({
      ...routes(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(`${submitted}${started}`);
          response.write(sse('0008', 'build-a', 'BuildReleased', { attempt: 1, reason: 'agent-lost' }));
          // Of somebody else: after it, the coordinator is asked again.
          let position = 1000;
          const tell = setInterval(
            () => response.write(sse(`${++position}`, 'build-x', 'BuildFailed', { class: 'x' })),
            100,
          );
          response.on('close', () => clearInterval(tell));
          return undefined;
        },
        { builds: 2, joined: [] },
      ),
      ...more,
    });
    const { code, err } = await run(['submit', '--url', fake.url, root, '--wait']);
    assert.equal(code, 1, err);
    assert.equal(asked, 4);
    assert.match(err, /\n0 builds ended, 0 succeeded, 0 did not\n2 builds are blocked/);
    assert.match(err, /\n {2}failing {2}its build failed, 2 wait for it {2}drover builds retry f\n$/);
  });

  it('with --keep-waiting says what blocks, and goes on until what was blocked has ended', async () => {
    const blocker = {
      item: `${'2'.repeat(32)}-failing`,
      state: 'failed',
      build: 'f',
      waiting: 1,
      remedy: 'drover builds retry f',
    };
    let asked = 0;
    await using fake = await fakeCoordinator({
      ...routes(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(submitted);
          // Somebody has acted, once it was found out.
          const look = setInterval(() => {
            if (asked >= 2) response.write(succeeded);
          }, 50);
          response.on('close', () => clearInterval(look));
          return undefined;
        },
        { builds: 1, joined: [] },
      ),
      'GET /v1/submissions/s': () => {
        asked++;
        return { json: { unfinished: 1, blocked: 1, blockers: [blocker] } };
      },
    });
    const { code, err } = await run(['submit', '--url', fake.url, root, '--keep-waiting']);
    assert.equal(code, 0, err);
    assert.match(err, /1 build is blocked.*failing.*succeeded {2}root/s);
  });

  it('ends with 1 where the submission is cancelled, though builds go on for others, and says by whom and why', async () => {
    const canceled = { at: 1, by: 't-1', name: 'operator', reason: 'wrong branch' };
    await using fake = await fakeCoordinator({
      ...routes(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(`${submitted}${joinedEnd}${sse('0011', 'submission-x', 'SubmissionCanceled', {})}`);
          response.write(sse('0012', 'submission-s', 'SubmissionCanceled', { reason: 'wrong branch' }));
          return undefined;
        },
        { builds: 1, joined: ['j'] },
      ),
      'GET /v1/submissions/s': () => ({ json: { id: 's', state: 'canceled', canceled } }),
    });
    const argv = ['submit', '--url', fake.url, root, joinedDrv, '--wait'];
    const { code, err } = await run(argv);
    assert.equal(code, 1);
    assert.match(
      err,
      /the submission s was cancelled by operator: wrong branch\n1 of 2 builds had ended before, 1 suc/,
    );
    const forPrograms = await run([...argv, '--json']);
    const { requested, canceled: told } = JSON.parse(forPrograms.out);
    assert.equal(forPrograms.code, 1);
    assert.deepEqual(requested[1], { derivation: root, state: 'canceled' });
    assert.equal(told.name, 'operator');
  });

  it('asks for no events where nothing is to be built', async () => {
    await using fake = await fakeCoordinator(
      routes(() => assert.fail('no events wanted'), { builds: 0, available: 1, joined: [] }),
    );
    const { code } = await run(['submit', '--url', fake.url, root, '--wait', '--json']);
    assert.equal(code, 0);
  });

  it('reads many joined builds from the list, and those that have ended since one by one', async () => {
    const ids = Array.from({ length: 30 }, (_, index) => `j${index}`);
    const rowOf = (id: string, state: string) => ({ ...joinedBuild, id, state });
    const ended = ['j3', 'j17'];
    const fakeRoutes = routes(
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const running = ids.filter((id) => !ended.includes(id));
        response.write(
          running
            .map((id, index) => sse(`01${index + 10}`, `build-${id}`, 'BuildSucceeded', { attempt: 1, agent: 'w' }))
            .join(''),
        );
        return undefined;
      },
      { builds: 0, joined: ids },
    );
    await using fake = await fakeCoordinator({
      ...fakeRoutes,
      'GET /v1/builds': (request) => {
        if (request.query.has('derivation')) return { json: { rows: [] } };
        const half = request.query.has('after') ? ids.slice(15) : ids.slice(0, 15);
        const rows = [
          rowOf('stranger', 'queued'),
          ...half.filter((id) => !ended.includes(id)).map((id) => rowOf(id, 'running')),
        ];
        return { json: { rows, ...(request.query.has('after') ? {} : { next: 'x' }) } };
      },
      'GET /v1/builds/*': (request) => ({ json: rowOf(request.path.slice('/v1/builds/'.length), 'succeeded') }),
    });
    const { code, err } = await run(['submit', '--url', fake.url, root, '--wait']);
    assert.equal(code, 0, err);
    assert.match(err, /30 builds ended, 30 succeeded, 0 did not\n$/);
    const single = fake.seen.map(({ path }) => path).filter((path) => path.startsWith('/v1/builds/'));
    assert.deepEqual(
      single,
      ended.map((id) => `/v1/builds/${id}`),
    );
  });

  it('says how to go on when it is interrupted', async () => {
    const controller = new AbortController();
    await using fake = await fakeCoordinator(
      routes(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write(submitted, () => controller.abort('SIGTERM'));
          return undefined;
        },
        { builds: 1, joined: [] },
      ),
    );
    const argv = ['submit', '--url', fake.url, root, '--wait', '--json'];
    const { code, out, err } = await run(argv, { interrupted: controller.signal });
    assert.equal(code, 143);
    assert.deepEqual(JSON.parse(out).requested, []);
    assert.match(
      err,
      /has the submission s and goes on with it\.\n {2}drover submissions watch s .*\n {2}drover builds list --submission s /,
    );
  });
});

describe('drover submissions watch', () => {
  const rowOf = (id: string, derivation: string, state: string) => ({
    ...{ id, derivation, state, attempt: 1, agent: 'w1', failure: null, outputs: { out: outputOf(id) } },
  });
  const submission = { id: 's', state: 'queued', queuedAt: 1, setAside: null, canceled: null };
  /** The submission's own events: two roots in two parts, and one joined build. */
  const own = [
    sse('0003', 'submission-s', 'SubmissionRootsAdded', { roots: [joinedDrv] }),
    sse('0004', 'submission-s', 'SubmissionJoined', { builds: ['j'] }),
    sse('0005', 'submission-s', 'SubmissionQueued', { derivations: 2, builds: 1, available: 0, joined: 1 }),
  ].join('');
  function watchRoutes(
    { state = 'running', joined = 'running', said = submission as object, events = own }: WatchState,
    feed: (response: ServerResponse) => void = () => assert.fail('nothing to wait for'),
  ): Record<string, Route> {
    const builds = [rowOf('a', root, state)];
    return {
      'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
      'GET /v1/ids': () => ({ json: { rows: [{ id: 's', name: null }] } }),
      'GET /v1/status': () => ({ json: { position: '0008' } }),
      'GET /v1/submissions/s': () => ({ json: said }),
      'GET /v1/events/submission-s@0': () => ({
        json: { id: 'submission-s@0', stream: 'submission-s', position: '0002', data: { roots: [root] } },
      }),
      'GET /v1/builds': (request) => {
        assert.equal(request.query.get('submission'), 's');
        return { json: { rows: builds } };
      },
      'GET /v1/builds/a': () => ({ json: builds[0] }),
      'GET /v1/builds/j': () => ({ json: rowOf('j', joinedDrv, joined) }),
      'GET /v1/events': (request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        if (request.query.get('stream') === 'submission-s') {
          assert.equal(request.query.get('from'), '0002');
          response.write(events);
        } else {
          assert.equal(request.query.get('from'), '0008', 'what happened before is in what was read');
          feed(response);
        }
        return undefined;
      },
    };
  }
  interface WatchState {
    readonly state?: string;
    readonly joined?: string;
    readonly said?: object;
    readonly events?: string;
  }

  it('goes on with one that is under way: output paths as they come, what happens, 0 at the end', async () => {
    await using fake = await fakeCoordinator(
      watchRoutes({ joined: 'succeeded' }, (response) => response.write(`${started}${succeeded}`)),
    );
    const { code, out, err } = await run(['submissions', 'watch', 's', '--url', fake.url]);
    assert.equal(code, 0, err);
    assert.equal(out, `/nix/store/${outputOf('j')}\n/nix/store/${outputOf('a')}\n`);
    assert.match(err, /building {3}root on w1\nsucceeded {2}root on w1\n/);
    assert.match(err, /2 builds ended, 2 succeeded, 0 did not\n$/);
  });

  it('gives the result of one that has ended at once, and asks for no more events', async () => {
    await using fake = await fakeCoordinator(watchRoutes({ state: 'failed', joined: 'succeeded' }));
    const { code, out } = await run(['submissions', 'watch', 's', '--url', fake.url, '--json']);
    assert.equal(code, 1);
    const { submission: id, builds, joined, requested, ended, succeeded: good } = JSON.parse(out);
    assert.deepEqual([id, builds, joined, ended, good], ['s', 1, ['j'], 2, 1]);
    assert.deepEqual(
      requested.map((one: { derivation: string; state: string }) => [one.derivation, one.state]),
      [
        [root, 'failed'],
        [joinedDrv, 'succeeded'],
      ],
    );
  });

  it('takes no path from a coordinator that is not one of a store: for what is read, linked to, or printed for others', async () => {
    const seen = { state: 'succeeded', joined: 'succeeded' };
    const watched = async (routes: Record<string, Route>) => {
      await using fake = await fakeCoordinator({ ...watchRoutes(seen), ...routes });
      return await run(['submissions', 'watch', 's', '--url', fake.url]);
    };
    const buildWith = (outputs: object) => ({
      'GET /v1/builds/a': () => ({ json: { ...rowOf('a', root, 'succeeded'), outputs } }),
    });
    for (const [outputs, message] of [
      [
        { '/../../profile': outputOf('x') },
        /expected the name of an output, got "\/\.\.\/\.\.\/profile" \(unexpected-answer\)/,
      ],
      [
        { out: '../../etc/passwd' },
        /expected the base name of a store path.*, got "\.\.\/\.\.\/etc\/passwd" \(unexpected-answer\)/,
      ],
      [{ out: '--option' }, /got "--option"/],
    ] as const) {
      const { code, out, err } = await watched(buildWith(outputs));
      assert.equal(code, 1);
      assert.match(err, message);
      assert.equal(out, '');
    }
    const first = {
      id: 'submission-s@0',
      stream: 'submission-s',
      position: '0002',
      data: { roots: ['../../dev/zero'] },
    };
    const asked = await watched({ 'GET /v1/events/submission-s@0': () => ({ json: first }) });
    assert.equal(asked.code, 1);
    assert.match(
      asked.err,
      /what submission s asked for: expected the base name of a store path.*got "\.\.\/\.\.\/dev\/zero"/,
    );
  });

  it('ends where the pages of a list go round', async () => {
    const page = { rows: [rowOf('a', root, 'running')], next: 'b1' };
    await using fake = await fakeCoordinator({ ...watchRoutes({}), 'GET /v1/builds': () => ({ json: page }) });
    const { code, err } = await run(['submissions', 'watch', 's', '--url', fake.url]);
    assert.equal(code, 1);
    assert.match(err, /\/v1\/builds: expected a page that comes after "b1", got that one again \(unexpected-answer\)/);
  });

  it('ends with 1 where it was cancelled or is set aside, and says by whom, why, and what helps', async () => {
    const canceled = { at: 1, by: 't-1', name: 'operator', reason: 'wrong branch' };
    await using gone = await fakeCoordinator(watchRoutes({ said: { ...submission, state: 'canceled', canceled } }));
    const first = await run(['submissions', 'watch', 's', '--url', gone.url]);
    assert.equal(first.code, 1);
    assert.match(first.err, /the submission s was cancelled by operator: wrong branch\n/);
    const aside = { ...submission, state: 'set-aside', queuedAt: null, setAside: 'stood still' };
    await using still = await fakeCoordinator(watchRoutes({ said: aside }));
    const second = await run(['submissions', 'watch', 's', '--url', still.url]);
    assert.equal(second.code, 1);
    assert.match(second.err, /is set aside: stood still\n {2}drover submissions resume s /);
  });

  it('waits until its builds are made, and says how to go on when it is interrupted then', async () => {
    const controller = new AbortController();
    const routes = watchRoutes({ said: { ...submission, state: 'under-way', queuedAt: null }, events: '' });
    const events = routes['GET /v1/events'] as Route;
    await using fake = await fakeCoordinator({
      ...routes,
      'GET /v1/events': (request, response) => {
        const answer = events(request, response);
        response.write(': silence\n\n', () => controller.abort('SIGINT'));
        return answer;
      },
    });
    const argv = ['submissions', 'watch', 's', '--url', fake.url];
    const { code, err } = await run(argv, { interrupted: controller.signal });
    assert.equal(code, 130);
    assert.match(err, /the builds of submission s are being made\n.*drover submissions watch s /s);
  });
});
