import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coordinatorConfigSchema } from '../../../coordinator/config.ts';
import { secretOfScope } from '../../support/fake-application.ts';
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

  it('can do nothing with a token that a browser knows for Basic, wherever they are allowed', async () => {
    for (const allowedOrigins of [[], ['*'], [page]]) {
      await using server = await harness({ allowedOrigins });
      const secret = secretOfScope('admin');
      const ask = async (headers: Record<string, string>, scheme = 'Basic', method: 'POST' | 'GET' = 'POST') => {
        const credentials = scheme === 'Basic' ? Buffer.from(`x:${secret}`).toString('base64') : secret;
        const authorization = `${scheme} ${credentials}`;
        const url = method === 'POST' ? '/v1/hooks/none/pause' : '/v1/agents';
        const { statusCode, body } = await server.app.inject({ method, url, headers: { authorization, ...headers } });
        return statusCode === 403 ? JSON.parse(body).code : statusCode;
      };
      const done = await ask({});
      assert.notEqual(done, 'foreign-page');
      const host = 'drover.example';
      const foreign: Record<string, string>[] = [
        { origin: page, 'sec-fetch-site': 'cross-site' },
        { origin: page, 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'cross-site' },
        { origin: page, host },
        { origin: 'null', host },
        { origin: `http://${host}:81`, host },
      ];
      const own: Record<string, string>[] = [
        { origin: 'https://drover.example', 'sec-fetch-site': 'same-origin', host: 'behind-a-proxy' },
        { 'sec-fetch-site': 'none' },
        { origin: `http://${host}`, host },
      ];
      for (const headers of foreign) {
        assert.equal(await ask(headers), 'foreign-page', JSON.stringify(headers));
        assert.equal(await ask({ ...headers, upgrade: 'websocket' }, 'Basic', 'GET'), 'foreign-page');
        assert.equal(await ask(headers, 'Basic', 'GET'), 200, 'what it gets it cannot read');
        assert.equal(await ask(headers, 'Bearer'), done, 'no browser sends that by itself');
      }
      for (const headers of own) assert.equal(await ask(headers), done, JSON.stringify(headers));
    }
  });

  it('are named as origins', () => {
    const parse = (origin: string) =>
      coordinatorConfigSchema.safeParse({ data: '/d', http: { allowedOrigins: [origin] } });
    for (const right of ['*', page, 'http://127.0.0.1:8080']) assert.ok(parse(right).success, right);
    for (const wrong of [`${page}/`, 'dashboard.example.org', 'null', 'https://', 'https://a/b', 'ftp://a'])
      assert.match(parse(wrong).error?.message ?? '', /expected an origin/, wrong);
  });
});
