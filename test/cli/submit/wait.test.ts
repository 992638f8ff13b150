import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeCoordinator, type Route, sse } from '../support/fake-coordinator.ts';
import { run } from '../support/run-cli.ts';

const root = `${'0'.repeat(32)}-root.drv`;
const joinedDrv = `${'1'.repeat(32)}-joined.drv`;
const joinedBuild = { id: 'j', derivation: joinedDrv, state: 'running', attempt: 1, agent: 'w2', failure: null };

function routes(events: Route, result: object): Record<string, Route> {
  return {
    'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
    'GET /v1/status': () => ({ json: { position: '0005' } }),
    'POST /v1/derivations/missing': () => ({ json: { missing: [] } }),
    'POST /v1/sources/missing': () => ({ json: { missing: [] } }),
    'POST /v1/submissions': () => ({ status: 201, json: { submission: 's', derivations: 0, available: 0, ...result } }),
    'GET /v1/builds/j': () => ({ json: joinedBuild }),
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
    const { code, out, err } = await run(['submit', '--url', fake.url, root, '--wait']);
    assert.equal(code, 0, err);
    assert.deepEqual(froms, ['0005', '0008']);
    assert.match(err, /building {3}root/);
    assert.match(err, /connection lost/);
    assert.match(err, /succeeded {2}root on w1/);
    assert.match(err, /succeeded {2}joined on w2/);
    assert.equal(out, '2 builds ended, 2 succeeded, 0 did not\n');
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
    assert.match(out, /1 build ended, 0 succeeded, 1 did not\n {2}failed {2}root {2}drover builds log a\n/);
  });

  it('ends with 1 when all that is left is blocked, and says by what; a rebuild that is about to be asked for is waited for', async () => {
    const failing = `${'2'.repeat(32)}-failing`;
    const blocker = { item: failing, state: 'failed', derivation: `${failing}.drv`, build: 'f', waiting: 2 };
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
    const { code, out, err } = await run(['submit', '--url', fake.url, root, '--wait']);
    assert.equal(code, 1, err);
    assert.equal(asked, 4);
    assert.match(out, /^0 builds ended, 0 succeeded, 0 did not\n2 builds wait for what nothing under way makes/);
    assert.match(out, /\n {2}failing {2}its build failed, 2 wait for it {2}drover builds retry f\n$/);
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
        const half = request.query.has('after') ? ids.slice(15) : ids.slice(0, 15);
        const rows = [
          rowOf('stranger', 'queued'),
          ...half.filter((id) => !ended.includes(id)).map((id) => rowOf(id, 'running')),
        ];
        return { json: { rows, ...(request.query.has('after') ? {} : { next: 'x' }) } };
      },
      'GET /v1/builds/*': (request) => ({ json: rowOf(request.path.slice('/v1/builds/'.length), 'succeeded') }),
    });
    const { code, out, err } = await run(['submit', '--url', fake.url, root, '--wait']);
    assert.equal(code, 0, err);
    assert.equal(out, '30 builds ended, 30 succeeded, 0 did not\n');
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
          response.write(submitted, () => controller.abort());
          return undefined;
        },
        { builds: 1, joined: [] },
      ),
    );
    const { code, err } = await run(['submit', '--url', fake.url, root, '--wait'], { interrupted: controller.signal });
    assert.equal(code, 130);
    assert.match(
      err,
      /has the submission s and goes on with it\.\n {2}drover submissions show s .*\n {2}drover builds list --submission s /,
    );
  });
});
