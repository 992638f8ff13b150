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
  const deleting = () =>
    fakeCoordinator({
      'GET /v1/items': ({ query }) => ({
        json:
          query.get('deriver') !== `${'3'.repeat(32)}-hello.drv`
            ? { rows: [] }
            : query.has('after')
              ? { rows: [{ path: other }] }
              : { rows: [{ path }], next: 'more' },
      }),
      'DELETE /v1/items/*': () => ({ json: undefined, status: 204 }),
    });
  const deleted = (fake: Awaited<ReturnType<typeof deleting>>) =>
    fake.seen.filter(({ method }) => method === 'DELETE').map(({ path: url, query }) => [url, query.get('reason')]);

  it('deletes what is named, with a reason', async () => {
    await using fake = await deleting();
    const argv = ['items', 'delete', '--yes', '--reason', 'bad patch', `/nix/store/${path}`, other];
    const { code, out } = await run(argv, against(fake.url));
    assert.deepEqual([code, out], [0, `deleted ${path}\ndeleted ${other}\n`]);
    assert.deepEqual(deleted(fake), [
      [`/v1/items/${path}`, 'bad patch'],
      [`/v1/items/${other}`, 'bad patch'],
    ]);
  });
  it('deletes all outputs of a derivation', async () => {
    await using fake = await deleting();
    const argv = ['items', 'delete', '--json', '-y', '--deriver', `/nix/store/${'3'.repeat(32)}-hello.drv`];
    const { code, out } = await run(argv, against(fake.url));
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), { deleted: [path, other] });
    assert.equal(deleted(fake).length, 2);
    const none = await run(['items', 'delete', '-y', '--deriver', 'x.drv'], against(fake.url));
    assert.equal(none.code, 1);
    assert.match(none.err, /no store item with the deriver x\.drv/);
  });
  it('deletes all that an agent has built, again after it was cut off, and says if the agent goes on', async () => {
    let left = [path, other];
    let intake = 'accepting';
    const asked: (string | null)[] = [];
    await using fake = await fakeCoordinator({
      'GET /v1/items': ({ query }) => {
        asked.push(query.get('agent'), query.get('since'));
        return { json: { rows: left.map((each) => ({ path: each })) } };
      },
      'GET /v1/agents/bad': () => ({ json: { intake } }),
      // The first is gone already, as somebody else has deleted it; the second breaks off once.
      'DELETE /v1/items/*': ({ path: url }) => {
        if (url.endsWith(path)) return { status: 404, json: { code: 'unknown-item', detail: 'there is none' } };
        if (left.length === 2) {
          left = [other];
          return { status: 500, json: { code: 'internal-error', detail: 'a fault' } };
        }
        left = [];
        return { json: undefined, status: 204 };
      },
    });
    const argv = ['items', 'delete', '--agent', 'bad', '--since', '1d', '-y', '--reason', 'bad'];
    assert.equal((await run(argv, against(fake.url))).code, 1);
    const again = await run(argv, against(fake.url));
    assert.deepEqual([again.code, again.out], [0, 'deleted 1 item\n']);
    assert.match(again.err, /warning: bad goes on building/);
    assert.deepEqual(asked, ['bad', `${testNow - 86_400_000}`, 'bad', `${testNow - 86_400_000}`]);
    intake = 'offline';
    const nothing = await run(argv, against(fake.url));
    assert.deepEqual([nothing.code, nothing.out], [0, '']);
    assert.match(nothing.err, /There is nothing that bad has built/);
  });
  it('says with --dry-run what it would delete, and deletes nothing', async () => {
    await using fake = await deleting();
    const argv = ['items', 'delete', '--dry-run', '--deriver', `${'3'.repeat(32)}-hello.drv`];
    const { code, out } = await run(argv, against(fake.url));
    assert.deepEqual([code, out], [0, `would delete 2 items:\n  ${path}\n  ${other}\n`]);
    assert.deepEqual(JSON.parse((await run([...argv, '--json'], against(fake.url))).out), {
      wouldDelete: [path, other],
    });
    assert.deepEqual(deleted(fake), []);
    // What there is not is refused as it would be.
    assert.equal((await run(['items', 'delete', '--dry-run', path], against(fake.url))).code, 1);
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
      assert.equal(deleted(fake).length, count, answer);
    }
  });
  it('wants items or a derivation, not both', async () => {
    for (const argv of [[], [path, '--deriver', 'x.drv'], [path, '--agent', 'a'], [path, '--since', '1d']])
      assert.equal((await run(['items', 'delete', ...argv], against('http://127.0.0.1:1'))).code, 2);
  });
});
