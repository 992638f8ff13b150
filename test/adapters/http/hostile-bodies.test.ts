import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyCharacter } from '../../support/any-character.ts';
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
const query = fc.array(fc.tuple(oddKeys, fc.string({ unit: anyCharacter, maxLength: 20 })), { maxLength: 3 });

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

test('tags and fields without end are counted before each of them is looked at, and not all named', async () => {
  await using server = await harness();
  const root = (i: number) => `${`${i}`.padStart(32, '0')}-a.drv`;
  const ask = (payload: object) => server.ask('admin', { method: 'POST', url: '/v1/submissions', payload });
  const many = (n: number, name: (i: number) => string, value: unknown = 1) =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [name(i), value]));
  const bad = many(65, (i) => `no tag ${i}`);
  const roots = Array.from({ length: 3200 }, (_, i) => root(i));
  const tagged = many(
    3200,
    root,
    many(63, (i) => `k${i}`, 'v'),
  );
  for (const [body, said] of [
    [{ roots: [root(1)], rootTags: { [root(1)]: bad } }, `rootTags."${root(1)}": expected at most 64, got 65`],
    [{ roots: [root(1)], options: { tags: bad } }, 'options.tags: expected at most 64, got 65'],
    [{ roots: [root(1)], rootTags: bad }, 'rootTags, as there are roots: expected at most 1, got 65'],
    [{ roots, rootTags: tagged }, 'rootTags: expected at most 200000 tags in all, got 201600'],
  ] as const) {
    const answer = await ask(body);
    assert.deepEqual([answer.statusCode, answer.json().detail], [422, said]);
  }
  const unknown = await ask({ roots: [root(1)], ...many(50_000, (i) => `field-${i}`) });
  assert.match(unknown.json().detail, /^body: expected nothing named "field-0", .* and 49980 more, /);
  assert.ok(unknown.body.length < 5000);
});
