import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeCoordinator, sse } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

describe('--watch', () => {
  /** Two builds; the first changes with an event, which comes once the list was read. */
  async function watch(flags: readonly string[], terminal: boolean) {
    const stop = new AbortController();
    let looks = 0;
    const item = (id: string, addedBy: string) => ({
      path: `${id.repeat(32)}-x`,
      narSize: 1,
      references: [],
      addedAt: 1,
      addedBy,
    });
    await using server = await fakeCoordinator({
      'GET /v1/status': () => ({ json: { position: '0041' } }),
      'GET /v1/items': () => {
        if (++looks === 2) setImmediate(() => stop.abort('SIGINT'));
        return { json: { rows: [item('0', looks === 1 ? 'a' : 'b'), item('1', 'c')] } };
      },
      'GET /v1/events': (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(sse('0042', 'item-0', 'StoreItemAdded', {}));
        return undefined;
      },
    });
    const argv = ['items', 'list', '--watch', ...flags, '--url', server.url];
    const result = await run(argv, { interrupted: stop.signal, terminal });
    return { ...result, from: server.seen.find(({ path }) => path === '/v1/events')?.query.get('from') };
  }

  it('appends the rows that changed, where there is no terminal, and ends with 130', async () => {
    const { code, out, from } = await watch([], false);
    assert.deepEqual([code, from], [130, '0041']);
    assert.match(out, /^ITEM .*\n1{32}-x .* c +present\n0{32}-x .* a +present\n(0{32}-x .* b +present\n)?$/);
    const names = await watch(['-o', 'json'], false);
    assert.deepEqual(
      names.out
        .split('\n')
        .slice(0, 2)
        .map((line) => JSON.parse(line).addedBy),
      ['c', 'a'],
    );
  });

  it('keeps the order of a list that has one of its own', async () => {
    const stop = new AbortController();
    const agent = (name: string) => ({ name, state: 'new', intake: 'offline', running: [] });
    await using server = await fakeCoordinator({
      'GET /v1/status': () => ({ json: { position: '0041' } }),
      'GET /v1/agents': () => {
        setImmediate(() => stop.abort('SIGINT'));
        return { json: { rows: [agent('a'), agent('b')] } };
      },
      'GET /v1/events': (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }),
    });
    const argv = ['agents', 'list', '--watch', '-o', 'name', '--url', server.url];
    assert.equal((await run(argv, { interrupted: stop.signal })).out, 'a\nb\n');
  });

  it('draws a terminal anew', async () => {
    const { out } = await watch([], true);
    assert.ok(out.startsWith('\u001b[H\u001b[JITEM '), JSON.stringify(out));
  });
});

describe('an id by its beginning', () => {
  it('is looked up where it is not whole; several are named, none is left to the coordinator', async () => {
    const rows = ['1m8aperfahjkz4xf-2', '1m8aperfahjkz4xf-22', '1m8zzzzzzzzzzzzz-1'].map((id) => ({
      id,
      name: `${'0'.repeat(32)}-n.drv`,
    }));
    await using server = await fakeCoordinator({
      'GET /v1/ids': ({ query }) => ({
        json: { rows: rows.filter(({ id }) => id.startsWith(query.get('prefix') ?? '')) },
      }),
      'GET /v1/builds/*': ({ path }) => ({
        json: { build: path.split('/')[3], state: 'queued', reason: 'no-slot', summary: path, agents: [], ahead: 0 },
      }),
    });
    const why = (id: string) => run(['builds', 'why', id, '-o', 'name', '--url', server.url]);
    assert.equal((await why('1m8z')).out, '1m8zzzzzzzzzzzzz-1\n');
    assert.equal((await why('1m8aperfahjkz4xf-2')).out, '1m8aperfahjkz4xf-2\n');
    assert.equal((await why('nope')).out, 'nope\n');
    const several = await why('1m8a');
    assert.equal(several.code, 2);
    assert.match(
      several.err,
      /got 1m8a, with which several builds begin \(ambiguous-id\)\n {2}1m8aperfahjkz4xf-2 {2}n\n {2}1m8aperfahjkz4xf-22 {2}n\n/,
    );
  });
});
