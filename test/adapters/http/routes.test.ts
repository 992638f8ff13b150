import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { visibleHook } from '../../../adapters/http/schemas/hooks.ts';
import { formatItem } from '../../../cli/output/items.ts';
import type { Application } from '../../../coordinator/application.ts';
import { DroverError } from '../../../coordinator/errors.ts';
import type { BuildFilter, Paging } from '../../../coordinator/ports/views.ts';
import { graphStates } from '../../../projections/submission-graph.ts';
import {
  fakeAgent,
  fakeCancel,
  fakeGraph,
  fakeHistory,
  fakeHook,
  fakeOutlook,
  fakeStatus,
  fakeSubmission,
  fakeTimes,
  fakeUpload,
} from '../../support/fake-application.ts';
import { buildA, drvA, fakeViews, harness, hashA, itemA, sharedHarness, submissionA } from './harness.ts';

const admin = { id: 't-admin', scope: 'admin' };
const json = (method: 'POST' | 'DELETE', url: string, payload?: object): InjectOptions => ({
  method,
  url,
  ...(payload === undefined ? {} : { payload }),
});
const declaration = {
  path: itemA.path,
  narHash: itemA.narHash,
  narSize: 9,
  references: [itemA.path],
  compression: 'zstd' as const,
  fileSize: 5,
};
const wish = { roots: [drvA], options: { priority: 0 }, inputs: true, force: false };

/** A build of another coordinator. */
const earlierTold = {
  id: 'u-1',
  derivation: drvA,
  outcome: 'succeeded',
  system: 'x86_64-linux',
  agent: 'hatysa',
  startedAt: 2,
  endedAt: 4,
} as const;

describe('a command goes to the application as it was asked for', () => {
  const cases: [
    request: InjectOptions,
    status: number,
    body: unknown,
    method: keyof Application,
    args: readonly unknown[],
  ][] = [
    [
      json('POST', '/v1/tokens', { name: 'ci', scope: 'submit' }),
      201,
      { id: 't-new', secret: 'shown-once' },
      'createToken',
      [admin, { name: 'ci', scope: 'submit' }],
    ],
    [json('DELETE', '/v1/tokens/t-1'), 204, undefined, 'revokeToken', [admin, 't-1', {}]],
    [json('DELETE', '/v1/tokens/t-1?force=true'), 204, undefined, 'revokeToken', [admin, 't-1', { force: true }]],
    [
      json('POST', '/v1/agents', { name: 'beta' }),
      201,
      { name: 'beta', secret: 'shown-once' },
      'addAgent',
      [admin, 'beta'],
    ],
    [
      json('POST', '/v1/agents/beta/pause', { reason: 'new disk' }),
      200,
      fakeAgent,
      'steerAgent',
      [admin, 'beta', 'pause', 'new disk'],
    ],
    [json('POST', '/v1/agents/beta/resume'), 200, fakeAgent, 'steerAgent', [admin, 'beta', 'resume', undefined]],
    [json('POST', '/v1/agents/beta/drain', {}), 200, fakeAgent, 'steerAgent', [admin, 'beta', 'drain', undefined]],
    [json('DELETE', '/v1/agents/beta?reason=sold'), 200, fakeAgent, 'steerAgent', [admin, 'beta', 'remove', 'sold']],
    [
      json('POST', '/v1/derivations/missing', { paths: [drvA] }),
      200,
      { missing: [drvA] },
      'missingDerivations',
      [[drvA]],
    ],
    [
      json('POST', '/v1/sources/missing', { roots: [drvA] }),
      200,
      { missing: [] },
      'missingSources',
      [[drvA], undefined],
    ],
    [json('POST', '/v1/submissions', { roots: [drvA] }), 201, fakeSubmission, 'submit', [admin, wish]],
    [
      { ...json('POST', '/v1/submissions', { roots: [drvA] }), headers: { 'idempotency-key': 'ci-42' } },
      201,
      fakeSubmission,
      'submit',
      [admin, { ...wish, idempotencyKey: 'ci-42' }],
    ],
    [
      json('POST', '/v1/submissions', {
        roots: [drvA],
        options: { priority: 5, tags: { job: 'x' }, maxAttempts: 2 },
        inputs: false,
        force: true,
      }),
      201,
      fakeSubmission,
      'submit',
      [
        admin,
        { roots: [drvA], options: { priority: 5, tags: { job: 'x' }, maxAttempts: 2 }, inputs: false, force: true },
      ],
    ],
    [json('POST', '/v1/builds/b-1/cancel'), 200, fakeCancel, 'cancelBuild', [admin, 'b-1', {}]],
    [
      json('POST', '/v1/builds/b-1/cancel', { reason: 'wrong' }),
      200,
      fakeCancel,
      'cancelBuild',
      [admin, 'b-1', { reason: 'wrong' }],
    ],
    [
      json('POST', '/v1/submissions/s-1/cancel', { preview: true }),
      200,
      fakeCancel,
      'cancelSubmission',
      [admin, 's-1', { preview: true }],
    ],
    [
      json('POST', '/v1/submissions/s-1/prioritize', { priority: 7 }),
      200,
      { builds: 2 },
      'prioritizeSubmission',
      [admin, 's-1', 7],
    ],
    [json('POST', '/v1/submissions/s-1/retry'), 201, fakeSubmission, 'retrySubmission', [admin, 's-1']],
    [
      json('POST', '/v1/builds/b-1/prioritize', { priority: -3 }),
      204,
      undefined,
      'prioritizeBuild',
      [admin, 'b-1', -3],
    ],
    [
      json('POST', '/v1/builds/b-1/defer', { until: null }),
      204,
      undefined,
      'deferBuild',
      [admin, 'b-1', { until: undefined, reason: undefined }],
    ],
    [json('POST', '/v1/builds/b-1/retry'), 201, fakeSubmission, 'retryBuild', [admin, 'b-1']],
    [
      json('POST', '/v1/builds/b-1/retry/preview'),
      200,
      {
        retried: 1,
        underWay: 0,
        available: 0,
        builds: [{ build: 'b-1', derivation: fakeHistory.derivation }],
        submissions: [],
      },
      'previewRetry',
      ['b-1'],
    ],
    [
      json('DELETE', `/v1/items/${itemA.path}?reason=broken`),
      204,
      undefined,
      'deleteItems',
      [admin, { items: [itemA.path], reason: 'broken' }],
    ],
    [json('POST', '/v1/uploads', declaration), 201, fakeUpload, 'beginUpload', [admin, declaration]],
    [
      json('POST', '/v1/uploads', { ...declaration, build: 'b-1', attempt: 2, deriver: drvA }),
      201,
      fakeUpload,
      'beginUpload',
      [admin, { ...declaration, build: 'b-1', attempt: 2, deriver: drvA }],
    ],
    [{ url: '/v1/uploads/u-1' }, 200, fakeUpload, 'uploadStatus', [admin, 'u-1']],
  ];
  const shared = sharedHarness();
  for (const [asked, status, body, method, args] of cases) {
    test(`${asked.method ?? 'GET'} ${String(asked.url)} ${JSON.stringify(asked.payload ?? '')}`.trim(), async () => {
      const { ask, application } = shared.server();
      const earlier = application.calls.length;
      const answer = await ask('admin', asked);
      assert.equal(answer.statusCode, status, answer.body);
      if (body === undefined) assert.equal(answer.body, '');
      else assert.deepEqual(answer.json(), body);
      const calls = application.calls.slice(earlier).filter((call) => call.method === method);
      assert.deepEqual(
        calls.map((call) => call.args),
        [args],
      );
    });
  }
});

describe('a question is answered', () => {
  const { attempts: _, options: __, outputs: ___, ...rowA } = buildA;
  const { nodes, parts, edges, ...sameGraph } = { ...fakeGraph, stateNames: graphStates };
  const cases: [url: string, body: unknown][] = [
    ['/v1/status', fakeStatus],
    [
      '/v1/overview',
      {
        status: fakeStatus,
        unready: [],
        warnings: [],
        agents: [fakeAgent],
        hooks: [visibleHook(fakeHook, 'read')],
        building: [rowA],
        submissions: [submissionA],
        rate: 0,
        ended: [{ at: 60_000, succeeded: 2, failed: 1 }],
        systems: [{ name: 'x86_64-linux', queued: 3, building: 1 }],
        loads: [{ at: 60_000, systems: { 'x86_64-linux': { queued: 2, building: 0 } } }],
        room: {
          poolBytes: 4096,
          logBytes: 8192,
          disks: [{ name: 'pool and log', bytes: 1_000_000, freeBytes: 400_000, keptBytes: 15_625 }],
        },
      },
    ],
    ['/v1/agents', { rows: [fakeAgent] }],
    ['/v1/agents/alpha', fakeAgent],
    ['/v1/submissions', { rows: [submissionA] }],
    ['/v1/builds/b-1/history', fakeHistory],
    ['/v1/submissions/s-1/times', { times: fakeTimes }],
    [
      '/v1/submissions/s-1',
      {
        ...{
          ...submissionA,
          unfinished: 0,
          blocked: 0,
          agentless: 0,
          blockers: [],
          total: 0,
          priority: { submitted: 0 },
        },
        joined: fakeViews().joinedBuilds('s-1'),
        notQueued: null,
      },
    ],
    ['/v1/submissions/s-1/outlook', fakeOutlook],
    ['/v1/submissions/s-1/graph?part=a&shape=bb', { ...fakeGraph, stateNames: graphStates }],
    ['/v1/submissions/s-1/graph?shape=aa', sameGraph],
    ['/v1/builds/b-1', buildA],
    ['/v1/builds/b-1/why', { build: 'b-1', state: 'succeeded', summary: 'It has ended.', reason: 'ended' }],
    ['/v1/items', { rows: [itemA] }],
    [`/v1/items/${hashA}-hello`, itemA],
    ['/healthz', { status: 'up' }],
    ['/readyz', { ready: true, warnings: [] }],
  ];
  const shared = sharedHarness();
  for (const [url, body] of cases) {
    test(url, async () => {
      const answer = await shared.server().ask('read', { url });
      assert.equal(answer.statusCode, 200, answer.body);
      assert.deepEqual(answer.json(), body);
    });
  }

  test('/v1/builds/:build of one that was cancelled: by whom', async () => {
    const canceled = { by: 't-1', name: 'ci', at: 5, reason: 'wrong branch' };
    const row = { ...buildA, state: 'canceled' as const };
    const ended = { build: 'b-1', state: 'canceled' as const, reason: 'ended' as const, summary: 'It was cancelled.' };
    for (const known of [{ canceled }, {}]) {
      await using server = await harness({
        views: fakeViews({ build: () => row }),
        application: { why: async () => ({ ...ended, ...known }) },
      });
      assert.deepEqual((await server.ask('read', { url: '/v1/builds/b-1' })).json(), { ...row, ...known });
    }
  });
  test('/v1/earlier-builds, which are also told of with their builds', async () => {
    const there = { ...earlierTold, source: 'gbc', submittedAt: null, message: null, recordedAt: 5 };
    const asked: unknown[] = [];
    const views = fakeViews({
      earlierBuilds(filter, paging) {
        asked.push([filter, paging]);
        return { rows: [there], next: 'e1' };
      },
      knownEarlier: (_source, ids) => new Set(ids.filter((id) => id !== earlierTold.id)),
    });
    await using server = await harness({ views });
    const page = await server.ask('read', { url: `/v1/earlier-builds?derivation=${drvA}&source=gbc&limit=2` });
    assert.deepEqual(page.json(), { rows: [there], next: 'e1' });
    const history = (await server.ask('read', { url: '/v1/builds/b-1/history' })).json();
    assert.deepEqual(history, { ...fakeHistory, earlier: [there] });
    assert.deepEqual(asked, [
      [{ derivation: drvA, source: 'gbc' }, { limit: 2 }],
      [{ derivation: fakeHistory.derivation }, { limit: 20 }],
    ]);
    const ids = { source: 'gbc', ids: ['u-0', 'u-1'] };
    assert.deepEqual((await server.ask('admin', json('POST', '/v1/earlier-builds/missing', ids))).json(), {
      missing: ['u-1'],
    });
    // What is there is left out, as is what comes twice.
    const builds = [{ ...earlierTold, id: 'u-0' }, earlierTold, earlierTold];
    const post = json('POST', '/v1/earlier-builds', { source: 'gbc', builds });
    assert.deepEqual((await server.ask('admin', post)).json(), { recorded: 1, known: 1 });
    assert.deepEqual(server.application.only('recordEarlierBuilds'), [admin, { source: 'gbc', builds: [earlierTold] }]);
    assert.equal((await server.ask('submit', post)).statusCode, 403);
    const wrong = json('POST', '/v1/earlier-builds', { source: 'gbc', builds: [{ ...earlierTold, outcome: 'odd' }] });
    assert.match((await server.ask('admin', wrong)).json().detail, /builds\.0\.outcome/);
  });

  test('/v1/items with the names of tokens', async () => {
    const unpublished = { at: 1, until: 2, by: 't-read', reason: 'wrong' };
    const row = { ...itemA, addedBy: 't-read', unpublished };
    const views = fakeViews({ items: () => ({ rows: [row] }), item: () => row });
    await using server = await harness({ views });
    const named = { ...row, addedByName: 'reader', unpublished: { ...unpublished, byName: 'reader' } };
    assert.deepEqual((await server.ask('read', { url: '/v1/items' })).json(), { rows: [named] });
    assert.deepEqual((await server.ask('read', { url: `/v1/items/${itemA.path}` })).json(), named);
    const shown = formatItem(named, 3);
    for (const line of [/added by: +reader \(t-read\)\n/, /unpublished by: +reader \(t-read\)\n/])
      assert.match(shown, line);
  });

  test('/v1/tokens', async () => {
    await using server = await harness();
    const { rows } = (await server.ask('admin', { url: '/v1/tokens' })).json();
    assert.deepEqual(rows, [{ id: 't-read', name: 'reader', scope: 'read', issuedAt: 1, revoked: false }]);
  });

  test('an answer shows only what its schema names', async () => {
    const withSecret = { id: 't-1', name: 'x', scope: 'read' as const, issuedAt: 1, revoked: false, hash: 'inside' };
    await using server = await harness({ application: { tokens: () => [withSecret] } });
    assert.doesNotMatch((await server.ask('admin', { url: '/v1/tokens' })).body, /inside/);
  });
});

describe('lists', () => {
  test('of builds that changed in a part of the log want positions of it', async () => {
    await using server = await harness({ views: fakeViews() });
    for (const field of ['from', 'to']) {
      const refused = await server.ask('read', { url: `/v1/builds?${field}=nowhere` });
      assert.equal(refused.statusCode, 400);
      assert.match(
        refused.json().detail,
        new RegExp(`${field}: expected a position of this log(?:, like [0-9]+)?, got nowhere`),
      );
    }
  });
  test('of builds and events want times in their order, as builds by conditions do', async () => {
    await using server = await harness();
    const detail =
      'until: expected a time that is not before 1970-01-01T00:00:00.009Z (since), got 1970-01-01T00:00:00.005Z';
    for (const url of ['/v1/builds', '/v1/events']) {
      const refused = await server.ask('read', { url: `${url}?since=9&until=5` });
      assert.equal(refused.statusCode, 400);
      assert.equal(refused.json().detail, `querystring.${detail}`);
    }
    const wish = { method: 'POST', payload: { since: 9, until: 5 } } as const;
    for (const url of ['/v1/builds/retry', '/v1/builds/cancel'])
      assert.equal((await server.ask('submit', { ...wish, url })).json().detail, `body.${detail}`);
    assert.equal((await server.ask('read', { url: '/v1/builds?since=9&until=9' })).statusCode, 200);
  });
  test('of builds take every filter, states repeated or with commas, and paging', async () => {
    const asked: [BuildFilter, Paging][] = [];
    const views = fakeViews({
      builds: (filter, paging) => {
        asked.push([filter, paging]);
        return { rows: [], next: 'more' };
      },
    });
    await using server = await harness({ views });
    const query = `state=queued,running&state=failed&system=x86_64-linux&name=hello&agent=alpha&submission=s-1&tag=job%3Dx&derivation=${drvA}&since=5&until=9`;
    const answer = await server.ask('read', { url: `/v1/builds?${query}&limit=7&after=cursor` });
    assert.deepEqual(answer.json(), { rows: [], next: 'more' });
    assert.deepEqual(asked, [
      [
        {
          since: 5,
          until: 9,
          state: ['queued', 'running', 'failed'],
          system: 'x86_64-linux',
          name: 'hello',
          agent: 'alpha',
          submission: 's-1',
          tag: 'job=x',
          derivation: drvA,
        },
        { limit: 7, after: 'cursor' },
      ],
    ]);
    await server.ask('read', { url: '/v1/builds' });
    assert.deepEqual(asked[1], [{}, { limit: 100 }]);
  });

  test('wait for the views to reach what is durable, but not for ever', async () => {
    const reached = Promise.withResolvers<void>();
    const waiting = Promise.withResolvers<string>();
    const views = fakeViews({
      reached: (position) => {
        waiting.resolve(position);
        return reached.promise;
      },
    });
    await using server = await harness({ views });
    const answer = server.ask('read', { url: '/v1/builds' });
    assert.equal(await waiting.promise, fakeStatus.position);
    server.runtime.advance(1_000);
    assert.equal((await answer).statusCode, 200);
    assert.equal(server.runtime.armed, 0);
  });
});

test('cancelling and retrying many go through every page', async () => {
  const pages: Record<string, { rows: { id: string }[]; next?: string }> = {
    start: { rows: [{ id: 'b-1' }, { id: 'b-2' }], next: 'second' },
    second: { rows: [{ id: 'b-3' }] },
  };
  const filters: BuildFilter[] = [];
  const views = fakeViews({
    builds: (filter, { after = 'start' }) => {
      filters.push(filter);
      const { rows, next } = pages[after] ?? { rows: [] };
      return { rows: rows.map((row) => ({ ...buildA, ...row })), ...(next === undefined ? {} : { next }) };
    },
  });
  await using server = await harness({ views });
  const wish = { submission: 's-1', reason: 'stop', force: true };
  const answer = await server.ask('submit', json('POST', '/v1/builds/cancel', wish));
  assert.deepEqual(answer.json(), fakeCancel);
  assert.deepEqual(filters[0], { submission: 's-1', state: ['queued', 'allocated', 'running'] });
  const builds = ['b-1', 'b-2', 'b-3'];
  assert.deepEqual(server.application.only('cancelBuilds')[1], {
    builds,
    reason: 'stop',
    force: true,
    dependents: undefined,
    preview: undefined,
  });
  await server.ask(
    'submit',
    json('POST', '/v1/builds/retry', { tag: 'branch=main', state: ['failed'], preview: true }),
  );
  assert.deepEqual(filters[2], { tag: 'branch=main', state: ['failed'] });
  assert.deepEqual(server.application.only('retryBuilds')[1], { builds, preview: true });
  await server.ask('submit', json('POST', '/v1/builds/cancel', { state: ['blocked', 'running'], preview: true }));
  assert.deepEqual(filters.at(-2)?.state, ['running']);
  assert.deepEqual(filters.at(-2)?.among?.('b-9'), []);
  assert.deepEqual(server.application.only('newestStanding'), [new Set(['blocked']), 1000, 'b-9']);
  const ended = await server.ask('submit', json('POST', '/v1/builds/cancel', { state: ['failed'] }));
  assert.equal(ended.statusCode, 400);
  for (const path of ['/v1/builds/cancel', '/v1/builds/retry'])
    assert.equal((await server.ask('submit', json('POST', path, { preview: true }))).statusCode, 400);
});

test('a filter by an agent or a submission that there is not is refused', async () => {
  const checkNames: Application['checkNames'] = (names) => {
    for (const [field, name] of Object.entries(names))
      if (name !== undefined) throw new DroverError('unknown-submission', `${field}: there is no ${name}`);
  };
  await using server = await harness({ application: { checkNames } });
  for (const [field, request] of [
    ['agent', { url: '/v1/builds?agent=nope' }],
    ['submission', { url: '/v1/builds?submission=nope' }],
    ['joinedBy', { url: '/v1/builds?joinedBy=nope' }],
    ['agent', { url: '/v1/items?agent=nope' }],
    ['agent', json('POST', '/v1/builds/cancel', { agent: 'nope' })],
    ['submission', json('POST', '/v1/builds/retry', { submission: 'nope' })],
  ] as const) {
    const answer = await server.ask('submit', request);
    assert.deepEqual([answer.statusCode, answer.json().detail], [404, `${field}: there is no nope`]);
  }
});

test('a filter by a tag that no build can have is refused', async () => {
  await using server = await harness();
  for (const [tag, status] of [
    ['branch', 200],
    ['a/b=x y=z\n', 200],
    ['=main', 400],
    ['branch =main', 400],
    [`k=${'v'.repeat(257)}`, 400],
  ] as const)
    assert.equal(
      (await server.ask('read', { url: `/v1/builds?tag=${encodeURIComponent(tag)}` })).statusCode,
      status,
      tag,
    );
});

describe('the log of a build', () => {
  test('is that of the last attempt from the offset on, as text', async () => {
    const asked: unknown[] = [];
    await using server = await harness({
      logs: {
        size: async () => 15,
        read: async (build, attempt, options) => {
          asked.push([build, attempt, options?.offset, options?.follow]);
          return Readable.from([Buffer.from('compiling\n'), Buffer.from('done\n')]);
        },
      },
    });
    const answer = await server.ask('read', { url: '/v1/builds/b-1/log?offset=4&follow=true' });
    assert.deepEqual(
      [answer.body, answer.headers['content-type'], answer.headers['x-attempt']],
      ['compiling\ndone\n', 'text/plain; charset=utf-8', '2'],
    );
    await server.ask('read', { url: '/v1/builds/b-1/log?attempt=1' });
    assert.deepEqual(asked, [
      ['b-1', 2, 4, true],
      ['b-1', 1, 0, false],
    ]);
  });

  test('is that of the last attempt that has one, and its last lines where these are wanted', async () => {
    const lines = 'one\ntwo\n\nfour\n';
    await using server = await harness({
      logs: {
        size: async (_build, attempt) => (attempt === 1 ? lines.length : 0),
        read: async (_build, attempt, { offset = 0 } = {}) =>
          attempt === 1 ? Readable.from([Buffer.from(lines.slice(offset))]) : undefined,
      },
    });
    const answer = await server.ask('read', { url: '/v1/builds/b-1/log' });
    assert.deepEqual(
      [answer.body, answer.headers['x-attempt'], answer.headers['x-attempts'], answer.headers['x-offset']],
      [lines, '1', '2', '0'],
    );
    for (const [tail, text] of [
      [1, 'four\n'],
      [2, '\nfour\n'],
      [4, lines],
      [9, lines],
    ] as const)
      assert.equal((await server.ask('read', { url: `/v1/builds/b-1/log?tail=${tail}` })).body, text);
    const ofAttempt = async (attempt: number) =>
      (await server.ask('read', { url: `/v1/builds/b-1/log?attempt=${attempt}` })).json();
    assert.deepEqual(
      [(await ofAttempt(2)).code, (await ofAttempt(2)).detail],
      ['not-found', 'expected a log of attempt 2, got none: it has printed nothing yet'],
    );
    assert.equal((await ofAttempt(3)).detail, 'expected one of 2 attempts, got attempt 3');
  });

  test('is said to be none where there was no attempt', async () => {
    for (const [state, why] of [
      ['queued', " yet; 'drover builds why b-1' says why"],
      ['canceled', ''],
    ] as const) {
      const views = fakeViews({ build: () => ({ ...buildA, state, attempt: 0 }) });
      await using server = await harness({ views, logs: { size: async () => 0, read: async () => undefined } });
      for (const query of ['', '?follow=true', '?attempt=1']) {
        const answer = await server.ask('read', { url: `/v1/builds/b-1/log${query}` });
        assert.deepEqual([answer.statusCode, answer.json().detail], [404, `b-1 has no log: it had no attempt${why}`]);
      }
    }
  });

  test('is said to be none yet of an attempt that is under way', async () => {
    const views = fakeViews({ build: () => ({ ...buildA, state: 'running', attempt: 2 }) });
    await using server = await harness({ views, logs: { size: async () => 0, read: async () => undefined } });
    const said = async (query: string) =>
      (await server.ask('read', { url: `/v1/builds/b-1/log${query}` })).json().detail;
    for (const query of ['', '?follow=true', '?attempt=2'])
      assert.equal(await said(query), 'expected a log of attempt 2, got none: it has printed nothing yet');
    assert.equal(await said('?attempt=1'), 'expected a log of attempt 1, got none');
  });

  test('that is followed ends when the server closes', async () => {
    async function* log(signal: AbortSignal) {
      yield Buffer.from('first\n');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }
    const server = await harness({
      logs: { size: async () => 6, read: async (_build, _attempt, options) => log(options?.signal as AbortSignal) },
    });
    const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(`${url}/v1/builds/b-1/log?follow=true`, {
      headers: { authorization: 'Bearer secret-of-read' },
    });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    assert.equal(Buffer.from((await reader.read()).value as Uint8Array).toString(), 'first\n');
    await server[Symbol.asyncDispose]();
    assert.equal((await reader.read()).done, true);
  });
});

describe('uploads', () => {
  test('take the bytes from the offset on and say how far they are', async () => {
    await using server = await harness();
    for (const type of ['application/octet-stream', 'application/offset+octet-stream']) {
      const answer = await server.ask('agent', {
        method: 'PATCH',
        url: '/v1/uploads/u-7',
        payload: Buffer.alloc(100_000),
        headers: { 'content-type': type, 'upload-offset': '11' },
      });
      assert.equal(answer.statusCode, 200, answer.body);
      assert.deepEqual([answer.json().offset, answer.headers['upload-offset']], [100_011, '100011']);
    }
    const [call] = server.application.calls.filter(({ method }) => method === 'writeUpload');
    assert.deepEqual(call?.args.slice(0, 3), [{ id: 't-agent', scope: 'agent', agent: 'alpha' }, 'u-7', 11]);
    assert.match((await server.ask(undefined, { url: '/metrics' })).body, /^drover_upload_bytes_total 200000$/m);
  });

  test('say in headers how far they are', async () => {
    await using server = await harness();
    const head = await server.ask('submit', { method: 'HEAD', url: '/v1/uploads/u-1' });
    assert.deepEqual(
      [head.statusCode, head.headers['upload-offset'], head.headers['upload-length'], head.body],
      [200, '0', '10', ''],
    );
  });

  test('under way when the server closes keep what has come', async () => {
    const first = Promise.withResolvers<void>();
    const kept = Promise.withResolvers<number>();
    const server = await harness({
      application: {
        writeUpload: async (_by, _id, offset, body) => {
          let size = 0;
          try {
            for await (const chunk of body) {
              size += chunk.length;
              first.resolve();
            }
          } catch {
            // A cut source.
          }
          kept.resolve(size);
          return { ...fakeUpload, offset: offset + size };
        },
      },
    });
    const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
    const headers = {
      authorization: 'Bearer secret-of-submit',
      'content-type': 'application/octet-stream',
      'upload-offset': '0',
    };
    const sent = request(`${url}/v1/uploads/u-1`, { method: 'PATCH', headers });
    const broken = once(sent, 'error');
    sent.write('first part');
    await first.promise;
    await server[Symbol.asyncDispose]();
    assert.equal(await kept.promise, 10);
    await broken;
    assert.deepEqual(
      server.lines.filter(({ level }) => Number(level) >= 50),
      [],
    );
  });

  test('larger than any body limit stream through', async () => {
    await using server = await harness({ limits: { body: 1000 } });
    const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(`${url}/v1/uploads/u-1`, {
      method: 'PATCH',
      headers: {
        authorization: 'Bearer secret-of-submit',
        'content-type': 'application/octet-stream',
        'upload-offset': '0',
      },
      body: Buffer.alloc(8_000_000),
    });
    assert.equal(((await answer.json()) as { offset: number }).offset, 8_000_000);
  });
});

describe('the state of the process', () => {
  test('readyz tells why it is not ready', async () => {
    await using server = await harness({
      application: { readiness: () => ({ ready: false, reasons: ['replaying events'] }) },
    });
    const answer = await server.ask(undefined, { url: '/readyz' });
    assert.equal(answer.statusCode, 503);
    assert.deepEqual([answer.json().code, answer.json().reasons], ['not-ready', ['replaying events']]);
    assert.equal((await server.ask(undefined, { url: '/healthz' })).statusCode, 200);
  });

  test('readyz and the overview warn of lists that lack what happened, which would be told as if there was nothing', async () => {
    const views = fakeViews({ trouble: () => 'views.db: database or disk is full' });
    await using server = await harness({ views });
    const warnings = ['lists and searches show nothing new until this is over: views.db: database or disk is full'];
    assert.deepEqual((await server.ask(undefined, { url: '/readyz' })).json(), { ready: true, warnings });
    assert.deepEqual((await server.ask('read', { url: '/v1/overview' })).json().warnings, warnings);
  });

  test('metrics tell the figures of the farm, the requests and the links', async () => {
    await using server = await harness();
    await server.ask('read', { url: '/v1/builds/b-1' });
    const answer = await server.ask(undefined, { url: '/metrics' });
    assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    for (const line of [
      'drover_info{version="0.0.0-test"} 1',
      'drover_builds{state="running"} 3',
      'drover_ready_builds{system="x86_64-linux"} 2',
      'drover_agents{state="connected"} 1',
      'drover_slots{state="busy"} 3',
      'drover_events_position 42',
      'drover_pending_commits 0',
      'drover_views_lag_events 7',
      'drover_views_lag_seconds 0.25',
      'drover_agent_links 0',
      'drover_http_request_duration_seconds_count{method="GET",route="/v1/builds/:build",status="2xx"} 1',
    ]) {
      assert.ok(answer.body.split('\n').includes(line), `${line}\nin\n${answer.body}`);
    }
  });

  test('a log line says which request, build and token', async () => {
    await using server = await harness();
    await server.ask('submit', { ...json('POST', '/v1/builds/b-1/retry'), headers: { 'x-request-id': 'mine' } });
    const line = server.lines.find(({ msg }) => msg === 'answered');
    assert.deepEqual(
      [line?.requestId, line?.build, line?.token, line?.route, line?.status],
      ['mine', 'b-1', 't-submit', '/v1/builds/:build/retry', 201],
    );
  });
});

test('views are rebuilt by whoever is admin, line by line, and a refusal is a problem', async () => {
  const views = fakeViews({
    async *rebuild() {
      yield { events: 5, total: 10 };
      yield { events: 10, total: 10 };
    },
  });
  await using server = await harness({ views });
  assert.equal((await server.ask('submit', json('POST', '/v1/views/rebuild'))).statusCode, 403);
  const answer = await server.ask('admin', json('POST', '/v1/views/rebuild'));
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(
    answer.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { type: 'progress', events: 5, total: 10 },
      { type: 'progress', events: 10, total: 10 },
      { type: 'end', events: 10, total: 10 },
    ],
  );
  const busy = fakeViews({
    // biome-ignore lint/correctness/useYield: it is refused before there is anything to yield
    async *rebuild() {
      throw new DroverError('views-rebuilding', 'the views are being rebuilt already');
    },
  });
  await using refusing = await harness({ views: busy });
  const refused = await refusing.ask('admin', json('POST', '/v1/views/rebuild'));
  assert.deepEqual([refused.statusCode, refused.json().code], [409, 'views-rebuilding']);
});
