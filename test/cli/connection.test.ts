import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fakeCoordinator, problem } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('the connection to a coordinator', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-connection-'));
    await writeFile(join(folder, 'token'), 'from-file\n');
    await writeFile(join(folder, 'empty'), '');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('takes address and token from flags before the environment', async () => {
    await using server = await fakeCoordinator({ 'GET /v1/agents': () => ({ json: { rows: [] } }) });
    const file = join(folder, 'token');
    const environment = { DROVER_URL: server.url, DROVER_TOKEN: 'from-env' };
    await run(['agents', 'list'], { environment });
    await run(['agents', 'list', '--token-file', file], { environment });
    await run(['agents', 'list', '--token', 'from-flag', '--token-file', file], { environment });
    await run(['agents', 'list'], { environment: { DROVER_URL: `${server.url}/`, DROVER_TOKEN_FILE: file } });
    await run(['agents', 'list', '--url', server.url]);
    const tokens = server.seen.map(({ headers }) => headers.authorization);
    assert.deepEqual(tokens, [
      'Bearer from-env',
      'Bearer from-file',
      'Bearer from-flag',
      'Bearer from-file',
      undefined,
    ]);
  });

  it('says in a sentence that nobody answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, err } = await run(['agents', 'list', '--url', url]);
    assert.equal(code, 1);
    assert.equal(
      err,
      `drover: no coordinator answers at ${url}: the connection was refused (connection-refused)\nhint: is it running (drover coordinator), and is the address right (--url or DROVER_URL)?\n`,
    );
  });

  it('prints the detail and the code of a problem, and a hint', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/agents': () => ({
        status: 403,
        json: problem(403, 'scope-insufficient', 'expected read, got agent\u001b[0m'),
      }),
    });
    const { code, out, err } = await run(['agents', 'list', '--url', server.url]);
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.equal(
      err,
      'drover: expected read, got agent\\x1b[0m (scope-insufficient)\nhint: use a token of a wider scope: read < submit < admin\n',
    );
  });

  it('tells another server from a coordinator', async () => {
    await using server = await fakeCoordinator({ 'GET /v1/agents': () => ({ text: '<html>' }) });
    const { code, err } = await run(['agents', 'list', '--url', server.url]);
    assert.equal(code, 1);
    assert.match(
      err,
      /something that is not JSON \(unexpected-answer\)\nhint: is that the address of a Drover coordinator\?/,
    );
  });

  it('refuses wrong addresses and unreadable tokens as wrong uses', async () => {
    for (const flags of [
      ['--url', '127.0.0.1:8745'],
      ['--token-file', join(folder, 'nowhere')],
      ['--token-file', join(folder, 'empty')],
    ]) {
      const { code, err } = await run(['agents', 'list', ...flags]);
      assert.equal(code, 2, flags.join(' '));
      assert.match(err, /^drover: (expected|cannot read)/);
    }
  });
});
