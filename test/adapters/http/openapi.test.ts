import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dashboardPaths } from './dashboard/support.ts';
import { harness } from './harness.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly responses?: Readonly<Record<string, { readonly description: string }>>;
  readonly security?: readonly object[];
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

async function withDocument(
  check: (document: Document, routes: readonly { method: string; url: string; access: string }[]) => unknown,
): Promise<void> {
  await using server = await harness();
  const answer = await server.ask(undefined, { url: '/v1/openapi.json' });
  assert.equal(answer.statusCode, 200);
  await check(answer.json(), server.app.routeTable);
}

/** In the notation of OpenAPI. */
const templated = (url: string) => url.replace(/:(\w+)/g, '{$1}');

test('the document lists every route, and no other', () =>
  withDocument((document, routes) => {
    assert.match(document.openapi, /^3\.1\./);
    assert.equal(document.info.version, '0.0.0-test');
    const listed = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    // The document does not list itself, and a WebSocket is not described by OpenAPI.
    const hidden = ['/v1/openapi.json', '/v1/asyncapi.json', '/v1/agent-link'];
    // What is asked of a moment that is over is described where it is asked of now.
    hidden.push('/v1/moments/:position/v1/*');
    // Pages are for people.
    const isPage = (url: string) => dashboardPaths.includes(url) || url === '/assets/:file';
    const expected = routes
      .filter(({ url }) => !hidden.includes(url) && !isPage(url))
      .map(({ method, url }) => `${method} ${templated(url)}`);
    assert.deepEqual(listed.toSorted(), expected.toSorted());
  }));

test('every operation is described: summary, parameters of its path, an answer, problems, who may', () =>
  withDocument((document, routes) => {
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const what = `${method} ${path}`;
        assert.match(operation.summary ?? '', /^[A-Z].*\.$/, what);
        const inPath = (operation.parameters ?? [])
          .filter((parameter) => parameter.in === 'path')
          .map(({ name }) => name);
        assert.deepEqual(
          inPath.toSorted(),
          Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name).toSorted(),
          what,
        );
        const responses = operation.responses ?? {};
        assert.ok(
          Object.keys(responses).some((status) => status.startsWith('2')),
          what,
        );
        assert.ok('default' in responses, what);
        for (const { description } of Object.values(responses)) assert.ok(description.length > 0, what);
        const route = routes.find(({ method: verb, url }) => verb === method.toUpperCase() && templated(url) === path);
        assert.equal(operation.security?.length, route?.access === 'open' ? 0 : 1, what);
      }
    }
  }));

test('every schema is one of JSON Schema: known types, required fields that exist, references that lead somewhere', () =>
  withDocument((document) => {
    const types = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
    let schemas = 0;
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      const { type, properties, required, $ref } = value as Record<string, unknown>;
      if (
        typeof type === 'string' &&
        'in' in value === false &&
        !path.endsWith('.properties') &&
        !path.includes('securitySchemes')
      ) {
        assert.ok(types.has(type), `${path}: ${type}`);
        schemas++;
      }
      if (Array.isArray(required) && typeof properties === 'object') {
        for (const name of required)
          assert.ok(Object.hasOwn(properties as object, name as string), `${path}: ${String(name)}`);
      }
      if (typeof $ref === 'string') assert.fail(`${path}: no references are used, got ${$ref}`);
      for (const [key, child] of Object.entries(value)) visit(child, `${path}.${key}`);
    };
    visit(document.paths, 'paths');
    assert.ok(schemas > 100);
  }));

test('the document is made once, however often it is asked for', async ({ mock }) => {
  await using server = await harness();
  const ask = async () => (await server.ask(undefined, { url: '/v1/openapi.json' })).body;
  const made = mock.method(JSON, 'stringify');
  const timesMade = () => made.mock.calls.filter(({ arguments: [value] }) => value?.openapi !== undefined).length;
  const [first, second] = await Promise.all([ask(), ask()]);
  assert.equal(second, first);
  assert.equal(await ask(), first);
  assert.equal(timesMade(), 1);
});

test('redocly has nothing to say against the document', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'openapi.json');
  await withDocument((document) => writeFile(file, JSON.stringify(document)));
  const redocly = fileURLToPath(new URL('../../../node_modules/@redocly/cli/bin/cli.js', import.meta.url));
  const lint = promisify(execFile)(process.execPath, [redocly, 'lint', file, '--format=json'], {
    cwd: folder.path,
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
  });
  const { stdout } = await lint.catch((error: { stdout: string }) => error);
  const { totals, problems } = JSON.parse(stdout) as { totals: object; problems: readonly object[] };
  assert.deepEqual(problems, []);
  assert.deepEqual(totals, { errors: 0, warnings: 0, ignored: 0 });
});

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'drover-openapi-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
