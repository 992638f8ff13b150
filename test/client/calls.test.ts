import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readText } from '../../client/http.ts';
import { createDrover, DroverProblem, DroverUnreachable } from '../../client/index.ts';
import { buildA, harness } from '../adapters/http/harness.ts';
import { secretOfScope } from '../support/fake-application.ts';

async function served(...overrides: Parameters<typeof harness>) {
  const server = await harness(...overrides);
  const url = await server.app.listen({ port: 0, host: '127.0.0.1' });
  return {
    drover: createDrover({ url, token: secretOfScope('admin') }),
    url,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe('the calls of a client', () => {
  it('put fields where they belong: path, query, headers, body', async () => {
    const told: unknown[] = [];
    const tell =
      (what: string) =>
      async (_: unknown, ...given: unknown[]) =>
        void told.push([what, ...given]);
    await using server = await served({
      application: {
        prioritizeBuild: tell('prioritize'),
        cancelBuild: async (_, ...given) => {
          told.push(['cancel', ...given]);
          return { canceled: 1, unwanted: 2, kept: 0, waiting: 0, builds: [] };
        },
        deleteItems: async (_, wish) => {
          told.push(['delete', wish]);
          return { items: [], needed: 0, needs: [], rebuilds: 0, derivations: [], sources: [], freed: 0 };
        },
        submit: async (_, wish) => {
          told.push(['submit', wish.idempotencyKey, wish.roots, wish.force]);
          return { submission: 's-1', derivations: 1, builds: 1, available: 0, joined: [] };
        },
      },
    });
    const { drover } = server;
    assert.equal((await drover.getBuild({ build: 'b-1' })).derivation, buildA.derivation);
    assert.deepEqual(
      (await drover.listBuilds({ state: 'queued,running', limit: 5 })).rows.map(({ id }) => id),
      ['b-1'],
    );
    assert.equal(await drover.prioritizeBuild({ build: 'b-1', priority: 7 }), undefined);
    assert.equal((await drover.cancelBuild({ build: 'b-1' })).unwanted, 2);
    await drover.cancelBuild({ build: 'b-1', reason: 'not wanted' });
    // All of its fields may be left out; a body may not.
    await drover.checkUpstream({ upstream: 'up' });
    const item = buildA.outputs.out as string;
    await drover.deleteItem({ item, reason: 'a/b&c' });
    await drover.submit({ roots: [buildA.derivation], force: true, 'idempotency-key': 'once' });
    assert.deepEqual(told, [
      ['prioritize', 'b-1', 7],
      ['cancel', 'b-1', {}],
      ['cancel', 'b-1', { reason: 'not wanted' }],
      ['delete', { items: [item], reason: 'a/b&c' }],
      ['submit', 'once', [buildA.derivation], true],
    ]);
    assert.equal((await drover.listAgents()).rows.length >= 0, true);
  });

  it('go below the path of the address, where it has one', async () => {
    const asked: unknown[] = [];
    const drover = createDrover({
      url: 'https://drover.example.org/v1/moments/0000000000004711/',
      fetch: async (url) => {
        asked.push(url);
        return Response.json({ rows: [] });
      },
    });
    await drover.listBuilds({ state: 'running' });
    for await (const _ of drover.events({ from: 'start', follow: false }));
    assert.deepEqual(asked, [
      'https://drover.example.org/v1/moments/0000000000004711/v1/builds?state=running',
      'https://drover.example.org/v1/moments/0000000000004711/v1/events?follow=false',
    ]);
  });

  it('reject with the problem, its code, and what else it says', async () => {
    await using server = await served();
    await assert.rejects(server.drover.getBuild({ build: 'b-9' }), (error) => {
      assert.ok(error instanceof DroverProblem);
      assert.deepEqual([error.code, error.status], ['unknown-build', 404]);
      assert.equal(error.problem.title, 'There is no such build');
      return true;
    });
    const stranger = createDrover({ url: server.url });
    await assert.rejects(stranger.getStatus(), { name: 'DroverProblem', code: 'token-missing', status: 401 });
  });

  it('reject with what is wrong where nothing is sent, or nobody answers', async () => {
    const drover = createDrover({ url: 'http://127.0.0.1:9' });
    await assert.rejects(drover.getStatus(), DroverUnreachable);
    for (const build of ['', '.', '..']) await assert.rejects(drover.getBuild({ build }), /getBuild: expected build/);
    await assert.rejects(drover.getBuild({ build: 'b', priority: 1 } as never), /getBuild: expected no field priority/);
    assert.throws(() => createDrover({ url: 'drover.example' }), /url: expected one that starts with http/);
    const token = 'hunter2\nhunter3';
    assert.throws(
      () => createDrover({ url: 'http://127.0.0.1:9', token }),
      (error: Error) => /expected a token of printable ASCII/.test(error.message) && !error.message.includes('hunter'),
    );
  });

  it('read no answer that has no end, and wait no longer than is bearable', async () => {
    let taken = 0;
    const endless = new ReadableStream({
      pull(controller) {
        taken++;
        controller.enqueue(Buffer.alloc(1000, 'x'));
      },
    });
    const reading = readText(new Response(endless), 'http://x', 10_000);
    await assert.rejects(reading, (error) => error instanceof DroverProblem && error.code === 'unexpected-answer');
    assert.ok(taken < 20, `${taken}`);

    const refuses = (after: string) =>
      createDrover({
        url: 'http://x',
        fetch: async () => new Response('{"code":"not-ready"}', { status: 503, headers: { 'retry-after': after } }),
      });
    for (const [after, expected] of [
      ['3', 3000],
      ['99999999', 300_000],
      ['1e300', 300_000],
    ] as const)
      await assert.rejects(refuses(after).getStatus(), { retryAfter: expected });
  });
});
