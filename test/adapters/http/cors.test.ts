import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coordinatorConfigSchema } from '../../../coordinator/config.ts';
import { harness } from './harness.ts';

const page = 'https://dashboard.example.org';
const asks = {
  origin: page,
  'access-control-request-method': 'GET',
  'access-control-request-headers': 'authorization',
};
const allowed = 'access-control-allow-origin';

describe('pages of other origins', () => {
  it('are told that they may ask, without a token, where they are allowed', async () => {
    await using server = await harness({ allowedOrigins: [page] });
    const preflight = await server.app.inject({ method: 'OPTIONS', url: '/v1/events', headers: asks });
    assert.equal(preflight.statusCode, 204);
    assert.equal(preflight.headers[allowed], page);
    assert.match(String(preflight.headers['access-control-allow-headers']), /authorization/);
    assert.equal(preflight.headers['access-control-allow-credentials'], undefined);
    const answer = await server.ask('read', { url: '/v1/agents', headers: { origin: page } });
    assert.deepEqual([answer.statusCode, answer.headers[allowed]], [200, page]);
    const refused = await server.app.inject({ url: '/v1/agents', headers: { origin: page } });
    assert.deepEqual([refused.statusCode, refused.headers[allowed]], [401, page], 'or a page could not read why');
    const other = await server.ask('read', { url: '/v1/agents', headers: { origin: 'https://example.net' } });
    assert.equal(other.headers[allowed], undefined);
    assert.match(String(other.headers.vary), /origin/i);
  });

  it('are all allowed with *, and none without the setting', async () => {
    await using open = await harness({ allowedOrigins: ['*'] });
    assert.equal(
      (await open.app.inject({ method: 'OPTIONS', url: '/v1/events', headers: asks })).headers[allowed],
      '*',
    );
    await using shut = await harness();
    const preflight = await shut.app.inject({ method: 'OPTIONS', url: '/v1/events', headers: asks });
    assert.deepEqual([preflight.statusCode, preflight.headers[allowed]], [404, undefined]);
  });

  it('are named as origins', () => {
    const parse = (origin: string) =>
      coordinatorConfigSchema.safeParse({ data: '/d', http: { allowedOrigins: [origin] } });
    for (const right of ['*', page, 'http://127.0.0.1:8080']) assert.ok(parse(right).success, right);
    for (const wrong of [`${page}/`, 'dashboard.example.org', 'null', 'https://', 'https://a/b', 'ftp://a'])
      assert.match(parse(wrong).error?.message ?? '', /expected an origin/, wrong);
  });
});
