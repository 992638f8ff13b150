import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CollectionReport, FailedReport, VerifyReport } from '../../coordinator/application.ts';
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
const lines = (...reports: (VerifyReport | FailedReport)[]) =>
  reports.map((report) => `${JSON.stringify(report)}\n`).join('');
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
  it('says why where the coordinator has said what kept it from its end', async () => {
    const failed: FailedReport = {
      type: 'failed',
      code: 'pool-unavailable',
      detail: 'the pool cannot be read: EMFILE',
    };
    await using fake = await verifying(() => ({ text: lines({ type: 'progress', ...state }, wrong, failed) }));
    const { code, err } = await run(['items', 'verify'], against(fake.url));
    assert.equal(code, 1);
    assert.match(
      err,
      /the verification has failed before its end: the pool cannot be read: EMFILE \(pool-unavailable\)/,
    );
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
    const planned = await run(['items', 'delete', '--dry-run', path], against(fake.url));
    assert.match(planned.out, /^with --force it would delete 1 item, 2\.0 KiB:\n/);
    const meant = await run(['items', 'delete', '--dry-run', '--force', path], against(fake.url));
    assert.match(meant.out, /^would delete 1 item, 2\.0 KiB:\n/);
    // Nobody can be asked here.
    const unsure = await run(['items', 'delete', '--force', path], against(fake.url));
    assert.equal(unsure.code, 1);
    assert.match(unsure.err, /1 derivation would be built again, as builds or roots need what it makes:\n {2}hello/);
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
  it('takes an agent that there is not for wrong use, as its lists do', async () => {
    const problem = { code: 'unknown-agent', title: 'There is no such agent', detail: 'agent: there is no agent a' };
    await using fake = await fakeCoordinator({ 'GET /v1/items': () => ({ status: 404, json: problem }) });
    const { code, err } = await run(['items', 'delete', '--dry-run', '--agent', 'a'], against(fake.url));
    assert.deepEqual([code, err], [2, 'drover: --agent: there is no agent a (unknown-agent)\n']);
  });
  it('wants items or a derivation, not both', async () => {
    for (const argv of [[], [path, '--deriver', 'x.drv'], [path, '--agent', 'a'], [path, '--since', '1d']])
      assert.equal((await run(['items', 'delete', ...argv], against('http://127.0.0.1:1'))).code, 2);
  });
});

describe('drover gc', () => {
  const amounts = { items: 0, bytes: 0 };
  const kept = { root: { items: 3, bytes: 4096 }, build: amounts, upload: amounts, recent: { items: 1, bytes: 2048 } };
  const progress = { type: 'progress', phase: 'deleting', items: 1, total: 2, bytes: 1024 } as const;
  const done = { type: 'end', items: 2, bytes: 2048, spared: 1, left: 4, kept, until: testNow + 3_600_000 } as const;
  const reports = (...all: (CollectionReport | FailedReport)[]) =>
    all.map((report) => `${JSON.stringify(report)}\n`).join('');
  const collecting = (route: Route) => fakeCoordinator({ 'POST /v1/items/collect': route });

  it('asks for what the flags say, and for nothing that they do not', async () => {
    await using fake = await collecting(() => ({ text: reports(done) }));
    for (const [words, wish] of [
      ['', {}],
      ['--dry-run', { preview: true }],
      ['--now --max-freed 10M', { now: true, maxFreed: 10 * 1024 ** 2 }],
      ['--keep-free 2G --older-than 30d', { keepFree: 2 * 1024 ** 3, olderThanSeconds: 30 * 86_400 }],
      ['--build-inputs --without-roots', { buildInputs: true, withoutRoots: true }],
    ] as const) {
      const { code } = await run(['gc', ...words.split(' ').filter((word) => word !== '')], against(fake.url));
      assert.equal(code, 0, words);
      assert.deepEqual(fake.seen.at(-1)?.json(), wish);
    }
  });
  it('says what went, when its bytes do, and why the rest stays; to programs as one value', async () => {
    await using fake = await collecting(() => ({ text: reports(progress, done) }));
    const { out } = await run(['gc'], against(fake.url));
    assert.deepEqual(out.split('\n'), [
      'collected 2 items; 2.0 KiB will be freed in 1h, when clients have forgotten what the cache said',
      '  3 items, 4.0 KiB: kept by roots',
      '  1 item, 2.0 KiB: new',
      '  1 item: came to be needed meanwhile, or went',
      '  4 items: nothing needs them, and enough has gone',
      '',
    ]);
    const dry = await run(['gc', '--dry-run'], against(fake.url));
    assert.match(dry.out, /^would collect 2 items, 2\.0 KiB\n/);
    const { type: _, ...value } = done;
    assert.deepEqual(JSON.parse((await run(['gc', '--json'], against(fake.url))).out), {
      ...value,
      until: new Date(done.until).toISOString(),
    });
  });
  it('names what went, or would, as it goes', async () => {
    const named = { ...progress, paths: ['a-1', 'b-2'] };
    await using fake = await collecting(() => ({ text: reports(progress, named, { ...named, paths: ['c-3'] }, done) }));
    const { code, out, err } = await run(['gc', '--dry-run', '-o', 'name'], against(fake.url));
    assert.deepEqual([code, out], [0, 'a-1\nb-2\nc-3\n']);
    assert.match(err, /^would collect 2 items/);
    assert.deepEqual(fake.seen.at(-1)?.json(), { preview: true, names: true });
  });
  it('is no success where it was refused or cut off, and ends at Ctrl-C, which the coordinator hears of', async () => {
    await using fake = await collecting(() => ({ text: reports(progress) }));
    const cut = await run(['gc'], against(fake.url));
    assert.deepEqual([cut.code, cut.out], [1, '']);
    assert.match(cut.err, /the collection was cut off before its end/);
    const failed: FailedReport = {
      type: 'failed',
      code: 'store-unavailable',
      detail: 'the event store cannot be written',
    };
    await using failing = await collecting(() => ({ text: reports(progress, failed) }));
    const said = await run(['gc'], against(failing.url));
    assert.match(said.err, /has failed before its end: the event store cannot be written \(store-unavailable\)/);
    const problem = { code: 'no-roots', title: 'No roots', status: 409, detail: 'no root keeps anything' };
    await using refusing = await collecting(() => ({ status: 409, json: problem }));
    const refused = await run(['gc'], against(refusing.url));
    assert.equal(refused.code, 1);
    assert.match(refused.err, /no root keeps anything/);
    const stop = new AbortController();
    const gone = Promise.withResolvers<void>();
    await using slow = await collecting((_, response) => {
      response.once('close', () => gone.resolve());
      response.write(reports(progress));
      setImmediate(() => stop.abort());
      return undefined;
    });
    const stopped = await run(['gc'], { ...against(slow.url), interrupted: stop.signal });
    assert.equal(stopped.code, 130);
    assert.match(stopped.err, /what is left is whole/);
    await gone.promise;
  });
});

describe('drover items why', () => {
  it('says the way from what keeps it, and takes a path in the store directory of the coordinator alone', async () => {
    const summary = `It is kept: ${other} refers to it, and the root r keeps ${other}.`;
    const answer = { item: path, state: 'present', reason: 'root', root: 'r', chain: [other, path], summary };
    await using fake = await fakeCoordinator({
      'GET /nix-cache-info': () => ({ text: 'StoreDir: /own/store\n' }),
      [`GET /v1/items/${path}/why`]: () => ({ json: answer }),
    });
    const { code, out } = await run(['items', 'why', `/own/store/${path}`], against(fake.url));
    assert.deepEqual([code, out], [0, `${summary}\n${other}\n  ${path}\n`]);
    assert.deepEqual(JSON.parse((await run(['items', 'why', path, '--json'], against(fake.url))).out), answer);
    const elsewhere = await run(['items', 'why', `/home/me/${path}`], against(fake.url));
    assert.equal(elsewhere.code, 2);
    assert.match(elsewhere.err, /expected a base name or a path in \/own\/store, got \/home\/me\//);
  });
});

describe('drover roots', () => {
  const day = 86_400_000;
  const status = {
    name: 'demo',
    targets: 2,
    unavailable: 1,
    until: testNow + day,
    source: 'api',
    addedAt: testNow - day,
    addedBy: 'admin',
  };
  const kept = [
    { item: path, state: 'available', until: testNow + day },
    { item: other, state: 'unpublished' },
  ];
  const rooted = () =>
    fakeCoordinator({
      'GET /nix-cache-info': () => ({ text: 'StoreDir: /nix/store\n' }),
      'GET /v1/roots': () => ({ json: { rows: [status, { ...status, name: 'for-good', until: undefined }] } }),
      'GET /v1/roots/expired': () => ({
        status: 404,
        json: { code: 'unknown-root', status: 404, detail: 'there is no root expired' },
      }),
      'GET /v1/roots/*': () => ({ json: { ...status, kept } }),
      'POST /v1/roots': ({ json }) =>
        (json() as { ttlSeconds?: number }).ttlSeconds === 1
          ? {
              status: 422,
              json: { code: 'invalid-request', status: 422, detail: 'ttlSeconds: expected at least 60, got 1' },
            }
          : { json: { ...status, kept } },
      'DELETE /v1/roots/*': () => ({ status: 204, json: undefined }),
    });

  it('takes targets by path, base name or build, and a time in every unit', async () => {
    await using fake = await rooted();
    for (const [ttl, ttlSeconds] of [
      ['90', 90],
      ['90s', 90],
      ['10m', 600],
      ['2h', 7200],
      ['30d', 2_592_000],
    ] as const) {
      const words = ['roots', 'add', 'demo', `/nix/store/${path}`, path, 's-1', '--ttl', ttl];
      const { code, out, err } = await run(words, against(fake.url));
      assert.equal(code, 0, err);
      assert.deepEqual(fake.seen.at(-1)?.json(), { name: 'demo', targets: [path, 's-1'], ttlSeconds });
      assert.match(out, /^root demo: 2 targets, the first of it expires in 24h$/m);
      assert.match(out, /1 of them is not available now\n1 of these is being deleted/);
    }
    assert.equal(
      (await run(['roots', 'add', 'demo', path, '--replace', '-o', 'name'], against(fake.url))).out,
      'demo\n',
    );
    assert.deepEqual(fake.seen.at(-1)?.json(), { name: 'demo', targets: [path], replace: true });
  });

  it('refuses what is no time and no target before it asks, and says by its flag what the coordinator refuses', async () => {
    await using fake = await rooted();
    for (const [words, message] of [
      [['--ttl', 'soon', path], /--ttl.*Expected a time of at most .* like 90s, 10m, 2h or 7d, got "soon"/],
      [['--ttl', '2w', path], /got "2w"/],
      [['--ttl', '200y', path], /got "200y"/],
      [['--ttl', '99999999d', path], /at most 3153600000 seconds/],
      [['/etc/passwd'], /expected a base name or a path in \/nix\/store, got \/etc\/passwd/],
      [[], /target/],
    ] as const) {
      const { code, err } = await run(['roots', 'add', 'demo', ...words], against(fake.url));
      assert.equal(code, 2, err);
      assert.match(err, message);
    }
    assert.ok(!fake.seen.some(({ method }) => method === 'POST'));
    const { code, err } = await run(['roots', 'add', 'demo', path, '--ttl', '1'], against(fake.url));
    assert.notEqual(code, 0);
    assert.match(err, /--ttl: expected at least 60, got 1/);
  });

  it('are listed and shown for people and for programs', async () => {
    await using fake = await rooted();
    const listed = await run(['roots', 'list'], against(fake.url));
    assert.match(listed.out, /^demo +2 +1 +in 24h/m);
    assert.match(listed.out, /^for-good +2 +1 +never/m);
    assert.equal((await run(['roots', 'list', '-o', 'name'], against(fake.url))).out, 'demo\nfor-good\n');
    assert.equal(JSON.parse((await run(['roots', 'list', '-o', 'json'], against(fake.url))).out).rows.length, 2);
    const shown = await run(['roots', 'show', 'demo'], against(fake.url));
    assert.match(shown.out, new RegExp(`^${path} +available +in 24h`, 'm'));
    assert.match(shown.out, new RegExp(`^${other} +unpublished +never`, 'm'));
    const { kept: told } = JSON.parse((await run(['roots', 'show', 'demo', '-o', 'json'], against(fake.url))).out);
    assert.deepEqual(told, [{ ...kept[0], until: '2026-01-03T03:04:05.000Z' }, kept[1]]);
    const gone = await run(['roots', 'show', 'expired'], against(fake.url));
    assert.deepEqual([gone.code, gone.out], [1, '']);
    assert.match(gone.err, /there is no root expired/);
  });

  it('are removed whole or by target, with a reason', async () => {
    await using fake = await rooted();
    assert.equal((await run(['roots', 'remove', 'demo'], against(fake.url))).out, 'removed demo\n');
    const words = ['roots', 'remove', 'demo', `/nix/store/${path}`, '--reason', 'it is over'];
    assert.equal((await run(words, against(fake.url))).out, 'removed 1 target of demo\n');
    const { method, path: asked, query } = fake.seen.at(-1) ?? assert.fail();
    assert.deepEqual([method, asked], ['DELETE', '/v1/roots/demo']);
    assert.deepEqual([query.get('target'), query.get('reason')], [path, 'it is over']);
  });
});
