import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { harness } from './harness.ts';

const names = [
  'roots',
  'paths',
  'options',
  'tags',
  'name',
  'scope',
  'path',
  'reason',
  'agent',
  'references',
  'narSize',
];
const oddKeys = fc.constantFrom(...names, '__proto__', 'constructor', 'toString', '', '\u0000', '\ud800', 'length');
const oddLeaves = fc.constantFrom('1e999', '-0', '9'.repeat(400), '"\\ud800"', '"\\u0000"', 'null', '"x"', '[]', '1.5');
/** JSON as text: what `JSON.stringify` would never write is in it, too. */
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    oddLeaves,
    fc.json({ maxDepth: 1 }),
    fc.array(tie('json'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(oddKeys, tie('json')), { maxLength: 4 })
      .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
  ),
}));
const body = fc.oneof(
  json.map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.nat(100_000).map((depth) => Buffer.from('['.repeat(depth))),
);
const query = fc.array(fc.tuple(oddKeys, fc.string({ unit: 'binary', maxLength: 20 })), { maxLength: 3 });

test('no body and no query makes any route answer with an error of its own', async () => {
  await using server = await harness();
  const routes = server.app.routeTable.filter(({ url, method }) => method !== 'HEAD' && url !== '/v1/agent-link');
  const secrets = ['admin', 'agent'] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...routes),
      fc.constantFrom(...secrets),
      body,
      query,
      async (route, scope, payload, search) => {
        const { method } = route;
        // An answer that follows the log would not end.
        if (route.url === '/v1/events') return;
        const url = `${route.url.replaceAll(/:\w+/g, 'x')}?${new URLSearchParams(search.map(([k, v]) => [k.toWellFormed(), v.toWellFormed()] as [string, string]))}`;
        const type = route.url === '/v1/derivations' ? 'application/x-ndjson' : 'application/json';
        const answer = await server.ask(scope, {
          method: method as 'POST',
          url,
          ...(method !== 'GET' && { payload, headers: { 'content-type': type, 'upload-offset': '0' } }),
        });
        assert.ok(answer.statusCode < 500, `${method} ${url}: ${answer.statusCode} ${answer.payload.slice(0, 300)}`);
      },
    ),
    { numRuns: 600 },
  );
});
