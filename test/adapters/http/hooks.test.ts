import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeHook, secretOfScope } from '../../support/fake-application.ts';
import { harness } from './harness.ts';

const as = (scope: 'read' | 'submit' | 'admin') => ({ authorization: `Bearer ${secretOfScope(scope)}` });

describe('hooks over HTTP', () => {
  it('are shown to every reader, where they lead to administrators only', async () => {
    await using server = await harness();
    const seen = async (scope: 'read' | 'submit' | 'admin') =>
      (await server.app.inject({ url: '/v1/hooks/notify', headers: as(scope) })).json();
    assert.deepEqual(await seen('admin'), fakeHook);
    for (const scope of ['read', 'submit'] as const) {
      const hook = await seen(scope);
      assert.deepEqual(hook.definition.target, { kind: 'webhook' });
      const { parked, lastFailure } = fakeHook;
      const shown = {
        parked: parked.map(({ error: _, ...rest }) => rest),
        lastFailure: { event: lastFailure?.event, at: lastFailure?.at },
      };
      assert.deepEqual({ ...hook, definition: 0 }, { ...fakeHook, ...shown, definition: 0 });
    }
    const list = await server.app.inject({ url: '/v1/hooks', headers: as('read') });
    assert.doesNotMatch(list.body, /example\.org|answered/);
    const missing = await server.app.inject({ url: '/v1/hooks/nope', headers: as('read') });
    assert.deepEqual([missing.statusCode, missing.json().code], [404, 'unknown-hook']);
    assert.equal(missing.json().detail, "there is no hook nope; 'drover hooks list' names them");
  });

  it('are changed by administrators only', async () => {
    await using server = await harness();
    for (const [method, url, payload] of [
      ['POST', '/v1/hooks', { name: 'x', on: ['BuildFailed'], url: 'https://example.org/' }],
      ['PUT', '/v1/hooks/x', { on: ['BuildFailed'], url: 'https://example.org/' }],
      ['POST', '/v1/hooks/x/pause', {}],
      ['POST', '/v1/hooks/x/resume', {}],
      ['POST', '/v1/hooks/x/skip', {}],
      ['POST', '/v1/hooks/x/retry-parked', {}],
      ['POST', '/v1/hooks/x/replay', { from: 'now' }],
      ['POST', '/v1/hooks/x/test', { event: 'build-1@0' }],
      ['DELETE', '/v1/hooks/x', undefined],
    ] as const) {
      const ask = (scope: 'submit' | 'admin') =>
        server.app.inject({ method, url, headers: as(scope), ...(payload !== undefined && { payload }) });
      assert.equal((await ask('submit')).json().code, 'scope-insufficient', url);
      assert.ok((await ask('admin')).statusCode < 300, url);
    }
  });

  it('are refused with what was expected', async () => {
    await using server = await harness();
    const on = ['BuildFailed'];
    for (const [payload, expected] of [
      [{ name: 'x', on }, /expected one of run, url, /],
      [{ name: 'x', run: 'true' }, /expected on/],
      [{ name: 'x', on, run: 'true', url: 'https://example.org/' }, /expected one of run, url, /],
      [{ name: 'x', on: ['BuildFaild'], run: 'true' }, /expected the type of an event.*BuildFaild/],
      [{ name: 'x', on: ['HookCheckpointed'], run: 'true' }, /expected the type of an event/],
      [
        { name: 'x', on, run: 'true', from: 'yesterday' },
        /expected now, start, a position of the log or the id of an event/,
      ],
      [{ name: 'x', on, run: 'true', secretFile: '/x' }, /with a webhook \(url\) alone/],
      [{ name: 'x y', on, run: 'true' }, /name/],
      [{ name: 'x', on, run: 'true', more: 1 }, /more/],
      [{ name: 'x', on, run: 'true', concurrency: 1000 }, /concurrency/],
    ] as const) {
      const answer = await server.app.inject({ method: 'POST', url: '/v1/hooks', headers: as('admin'), payload });
      assert.equal(answer.statusCode, 400, answer.body);
      assert.match(answer.body, expected);
    }
    assert.ok(!server.application.calls.some(({ method }) => method === 'addHook'));
  });

  it('are for types with their prefix or without, and keep the name alone', async () => {
    await using server = await harness();
    const payload = { name: 'x', on: ['drover.BuildFailed', 'BuildCanceled'], run: 'true' };
    await server.app.inject({ method: 'POST', url: '/v1/hooks', headers: as('admin'), payload });
    const [, , { definition }] = server.application.only('addHook') as [
      unknown,
      unknown,
      { definition: { on: string[] } },
    ];
    assert.deepEqual(definition.on, ['BuildFailed', 'BuildCanceled']);
  });

  it('have figures, each with the name of its hook', async () => {
    await using server = await harness();
    const { body } = await server.app.inject({ url: '/metrics', headers: as('read') });
    for (const line of [
      'drover_hook_lag_events{hook="notify"} 2',
      'drover_hook_lag_seconds{hook="notify"} 3',
      'drover_hook_in_flight{hook="notify"} 1',
      'drover_hook_parked{hook="notify"} 400',
      'drover_hook_delivered_total{hook="notify"} 4',
      'drover_hook_active{hook="notify"} 1',
    ])
      assert.ok(body.includes(`${line}\n`), line);
  });
});
