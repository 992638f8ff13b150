import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VerifyReport } from '../../coordinator/application.ts';
import { fakeCoordinator, type Route } from './support/fake-coordinator.ts';
import { run, testNow } from './support/run-cli.ts';

const path = `${'1'.repeat(32)}-hello`;
const other = `${'2'.repeat(32)}-hello-dev`;
const state = { checked: 0, total: 2, bytes: 0, totalBytes: 2048, wrong: 0 };
const wrong = {
  type: 'wrong',
  item: path,
  fault: 'damaged',
  message: 'expected a file with x, got y\u001b[2J',
} as const;
const lines = (...reports: VerifyReport[]) => reports.map((report) => `${JSON.stringify(report)}\n`).join('');
const end = { type: 'end', ...state, checked: 2, bytes: 2048 } as const;

const verifying = (route: Route) => fakeCoordinator({ 'POST /v1/items/verify': route });
const against = (url: string) => ({ environment: { DROVER_URL: url, DROVER_TOKEN: 't' } });

describe('drover items verify', () => {
  it('says that all is well', async () => {
    await using fake = await verifying(() => ({ text: lines({ type: 'progress', ...state }, end) }));
    const { code, out } = await run(['items', 'verify', '--full', `/nix/store/${path}`], against(fake.url));
    assert.deepEqual([code, out], [0, '2 items verified, 2.0 KiB read, nothing wrong\n']);
    assert.deepEqual(fake.seen[0]?.json(), { full: true, items: [path] });
    await run(['items', 'verify'], against(fake.url));
    assert.deepEqual(fake.seen[1]?.json(), { full: false });
  });
  it('names what is wrong, in words that a terminal can bear, and has an exit code for it', async () => {
    await using fake = await verifying(() => ({
      text: lines({ type: 'progress', ...state }, wrong, { ...end, wrong: 1 }),
    }));
    const { code, out, err } = await run(['items', 'verify'], against(fake.url));
    assert.equal(code, 1);
    assert.equal(out, '2 items verified, 1 wrong\n');
    assert.match(err, new RegExp(`${path}: expected a file with x, got y.*\\(damaged\\)`));
    assert.ok(!err.includes('\u001b'));
    const forPrograms = await run(['items', 'verify', '--json'], against(fake.url));
    assert.equal(forPrograms.code, 1);
    const { type: _, ...fault } = wrong;
    assert.deepEqual(JSON.parse(forPrograms.out), { checked: 2, bytes: 2048, wrong: [fault] });
  });
  it('is no success where the answer was cut off', async () => {
    await using fake = await verifying((_, response) => {
      response.write(lines({ type: 'progress', ...state }, wrong));
      response.write('{"type":"pro');
      setImmediate(() => response.destroy());
      return undefined;
    });
    const { code, out, err } = await run(['items', 'verify'], against(fake.url));
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /cut off before its end/);
  });
  it('is stopped by Ctrl-C, and the coordinator hears of it', async () => {
    const stop = new AbortController();
    const gone = Promise.withResolvers<void>();
    await using fake = await verifying((_, response) => {
      response.once('close', () => gone.resolve());
      response.write(lines({ type: 'progress', ...state }));
      setImmediate(() => stop.abort());
      return undefined;
    });
    assert.equal((await run(['items', 'verify'], { ...against(fake.url), interrupted: stop.signal })).code, 130);
    await gone.promise;
  });
});

describe('drover items delete', () => {
  const nothing = { needed: 0, needs: [], rebuilds: 0, derivations: [], sources: [], freed: 2048 };
  const until = testNow + 3_600_000;
  interface Asked {
    readonly items: readonly string[];
    readonly preview?: boolean;
    readonly now?: boolean;
    readonly force?: boolean;
  }
  /** A coordinator that says what it would do, and does it. */
  const deleting = (more: object = {}) =>
    fakeCoordinator({
      'GET /v1/items': ({ query }) => ({
        json:
          query.get('deriver') !== `${'3'.repeat(32)}-hello.drv`
            ? { rows: [] }
            : query.has('after')
              ? { rows: [{ path: other }] }
              : { rows: [{ path }], next: 'more' },
      }),
      'POST /v1/items/delete': ({ json }) => {
        const { items, preview, now } = json() as Asked;
        const state = preview ? 'present' : now ? 'deleted' : 'unpublished';
        const rows = items.map((item) => ({ item, state, ...(state === 'unpublished' && { until }) }));
        return { json: { ...nothing, items: rows, ...more } };
      },
    });
  const asked = (fake: Awaited<ReturnType<typeof deleting>>) =>
    fake.seen.filter(({ method }) => method === 'POST').map(({ json }) => json() as Asked);

  it('deletes what is named, with a reason, and says when the bytes go', async () => {
    await using fake = await deleting();
    const argv = ['items', 'delete', '--yes', '--reason', 'bad patch', `/nix/store/${path}`, other];
    const { code, out } = await run(argv, against(fake.url));
    assert.deepEqual(
      [code, out],
      [
        0,
        `unpublished ${path}\nunpublished ${other}\n2.0 KiB will be freed in 1h, when clients have forgotten what the cache said\n`,
      ],
    );
    assert.deepEqual(asked(fake), [
      { items: [path, other], reason: 'bad patch', preview: true },
      { items: [path, other], reason: 'bad patch' },
    ]);
    const now = await run(['items', 'delete', '--now', '-y', path], against(fake.url));
    assert.deepEqual([now.code, now.out], [0, `deleted ${path}\n2.0 KiB freed\n`]);
  });
  it('deletes all outputs of a derivation', async () => {
    await using fake = await deleting();
    const argv = ['items', 'delete', '--json', '-y', '--deriver', `/nix/store/${'3'.repeat(32)}-hello.drv`];
    const { code, out } = await run(argv, against(fake.url));
    assert.equal(code, 0);
    assert.deepEqual(
      JSON.parse(out).items.map(({ item }: { item: string }) => item),
      [path, other],
    );
    const none = await run(['items', 'delete', '-y', '--deriver', 'x.drv'], against(fake.url));
    assert.equal(none.code, 1);
    assert.match(none.err, /no store item with the deriver x\.drv/);
  });
  it('deletes all that an agent has built, passes over what went meanwhile, and says if the agent goes on', async () => {
    let left = [path, other];
    let intake = 'accepting';
    await using fake = await fakeCoordinator({
      'GET /v1/items': () => ({ json: { rows: left.map((each) => ({ path: each })) } }),
      'GET /v1/agents/bad': () => ({ json: { intake } }),
      'POST /v1/items/delete': () => ({ json: { ...nothing, items: [{ item: other, state: 'unpublished', until }] } }),
    });
    const argv = ['items', 'delete', '--agent', 'bad', '--since', '1d', '-y', '--reason', 'bad'];
    const first = await run(argv, against(fake.url));
    assert.equal(first.code, 0);
    assert.match(first.err, /warning: bad goes on building/);
    assert.deepEqual(
      [fake.seen[0]?.query.get('agent'), fake.seen[0]?.query.get('since')],
      ['bad', `${testNow - 86_400_000}`],
    );
    assert.deepEqual(asked(fake).at(-1), { items: [path, other], reason: 'bad', skipMissing: true });
    intake = 'offline';
    left = [];
    const none = await run(argv, against(fake.url));
    assert.deepEqual([none.code, none.out], [0, '']);
    assert.match(none.err, /There is nothing that bad has built/);
  });
  it('refuses what is needed, says by whom, and with --force first what is built again', async () => {
    const by = [
      { kind: 'build', build: 'b-1', derivation: 'd.drv', text: 'the unfinished build b-1 of d.drv needs it' },
    ];
    const follows = {
      needed: 1,
      needs: [{ item: path, by }],
      rebuilds: 1,
      derivations: [`${'3'.repeat(32)}-hello.drv`],
    };
    await using fake = await deleting(follows);
    const refused = await run(['items', 'delete', '--yes', path], against(fake.url));
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      new RegExp(`nothing was deleted: 1 item of these is needed:\n +${path}\n +the unfinished build b-1`),
    );
    assert.equal(asked(fake).length, 1);
    // Nobody can be asked here.
    const unsure = await run(['items', 'delete', '--force', path], against(fake.url));
    assert.equal(unsure.code, 1);
    assert.match(unsure.err, /1 derivation would be built again, as builds need what it makes:\n {2}hello/);
    assert.ok(asked(fake).every(({ preview }) => preview));
    const forced = await run(['items', 'delete', '--force', '-y', path], against(fake.url));
    assert.equal(forced.code, 0);
    assert.match(forced.err, /would be built again/);
    assert.match(forced.out, /1 derivation is built again/);
    assert.equal(asked(fake).at(-1)?.force, true);
  });
  it('says with --dry-run what it would delete, and deletes nothing', async () => {
    await using fake = await deleting();
    const argv = ['items', 'delete', '--dry-run', '--deriver', `${'3'.repeat(32)}-hello.drv`];
    const { code, out } = await run(argv, against(fake.url));
    assert.deepEqual([code, out], [0, `would delete 2 items, 2.0 KiB:\n  ${path}\n  ${other}\n`]);
    assert.equal((await run([...argv, '-o', 'name'], against(fake.url))).out, `${path}\n${other}\n`);
    assert.ok(asked(fake).every(({ preview }) => preview));
  });
  it('takes a time that is understood', async () => {
    for (const since of ['soon', '2026-13-01', '1', '2w', '12 May 2026']) {
      const { code, err } = await run(
        ['items', 'list', '--agent', 'a', '--since', since],
        against('http://127.0.0.1:1'),
      );
      assert.equal(code, 2, since);
      assert.match(err, /Expected a time like/);
    }
    await using fake = await deleting();
    await run(['items', 'list', '--agent', 'a', '--since', '2026-01-01'], against(fake.url));
    await run(['items', 'list', '--agent', 'a', '--since', '2026-01-01T01:00:00+01:00'], against(fake.url));
    for (const { query } of fake.seen) assert.equal(query.get('since'), `${Date.UTC(2026, 0, 1)}`);
  });
  it('asks first, and where nobody can be asked it wants --yes', async () => {
    await using fake = await deleting();
    const refused = await run(['items', 'delete', path], against(fake.url));
    assert.equal(refused.code, 1);
    assert.match(refused.err, new RegExp(`Delete ${path}\\?[^]*--yes`));
    for (const [answer, count] of [
      ['n\n', 0],
      ['', 0],
      ['yes please\n', 0],
      ['Y\n', 1],
    ] as const) {
      const { code, err } = await run(['items', 'delete', path], {
        ...against(fake.url),
        stdin: answer,
        interactive: true,
      });
      assert.equal(code, count === 1 ? 0 : 1);
      assert.match(err, /\[y\/N\]/);
      assert.equal(asked(fake).filter(({ preview }) => !preview).length, count, answer);
    }
  });
  it('wants items or a derivation, not both', async () => {
    for (const argv of [[], [path, '--deriver', 'x.drv'], [path, '--agent', 'a'], [path, '--since', '1d']])
      assert.equal((await run(['items', 'delete', ...argv], against('http://127.0.0.1:1'))).code, 2);
  });
});
