import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ServerSentEvent, serverSentEvents } from '../../cli/http/server-sent-events.ts';
import { fakeCoordinator, sse } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

describe('drover builds log', () => {
  it('copies the log, and passes attempt and offset on', async () => {
    await using server = await fakeCoordinator({ 'GET /v1/builds/b-1/log': () => ({ text: 'hello\nworld\n' }) });
    const { code, out } = await run(['builds', 'log', 'b-1', '--attempt', '2', '--offset', '5', '--url', server.url]);
    assert.equal(code, 0);
    assert.equal(out, 'hello\nworld\n');
    assert.deepEqual(Object.fromEntries(server.seen[0]?.query ?? []), { attempt: '2', offset: '5' });
  });

  it('with --follow goes on at the byte where the connection was lost', async () => {
    const log = 'one\ntwo\nthree\n';
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': (request, response) => {
        assert.equal(request.query.get('follow'), 'true');
        const rest = log.slice(Number(request.query.get('offset')));
        if (server.seen.length > 1) return { text: rest };
        response.write(rest.slice(0, 6), () => setImmediate(() => response.destroy()));
        return undefined;
      },
    });
    const { code, out } = await run(['builds', 'log', 'b-1', '-f', '--url', server.url]);
    assert.equal(code, 0);
    assert.equal(out, log);
  });
});

describe('drover builds log of what failed', () => {
  const mismatch =
    "hash mismatch in fixed-output derivation 'x':\n  specified: sha256-AA=\n     got:    sha256-BB=\u001b[2J";
  const failedBy = (failure: object) => ({
    json: { id: 'b-1', attempt: 2, attempts: [{ attempt: 1 }, { attempt: 2, agent: 'w', failure }] },
  });
  const notFound = { status: 404, json: { code: 'not-found', title: 'There is nothing here', detail: 'no log' } };

  it('tells what the daemon said where the builder printed nothing', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': () => notFound,
      'GET /v1/builds/b-1': () => failedBy({ class: 'hash-mismatch', message: mismatch }),
    });
    const { code, out, err } = await run(['builds', 'log', 'b-1', '--url', server.url]);
    assert.deepEqual([code, out], [0, '']);
    assert.equal(
      err,
      "drover: the builder printed nothing; attempt 2 on w: hash-mismatch\n  hash mismatch in fixed-output derivation 'x':\n    specified: sha256-AA=\n       got:    sha256-BB=\\x1b[2J\n",
    );
  });
  it('adds what the daemon said to what the builder printed, where that is another matter', async () => {
    let failure = { class: 'rejected', message: 'refused' };
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': () => ({ text: 'hello\n' }),
      'GET /v1/builds/b-1': () => failedBy(failure),
    });
    const rejected = await run(['builds', 'log', 'b-1', '--url', server.url]);
    assert.deepEqual(
      [rejected.code, rejected.out, rejected.err],
      [0, 'hello\n', 'drover: attempt 2 on w: rejected\n  refused\n'],
    );
    failure = { class: 'builder-failed', message: 'exit code 1' };
    assert.equal((await run(['builds', 'log', 'b-1', '--url', server.url])).err, '');
  });
  it('says that there is none where there is nothing to tell', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': () => notFound,
      'GET /v1/builds/b-1': () => ({ json: { id: 'b-1', attempt: 1, attempts: [{ attempt: 1, failure: null }] } }),
    });
    const { code, err } = await run(['builds', 'log', 'b-1', '--url', server.url]);
    assert.equal(code, 1);
    assert.match(err, /no log/);
  });
});

describe('drover events tail', () => {
  it('prints events from a position on until it is interrupted, as lines of JSON if asked', async () => {
    const controller = new AbortController();
    await using server = await fakeCoordinator({
      'GET /v1/events': (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`: hello\n\n${sse('0042', 'agent-w', 'AgentPaused', { reason: 'x' })}`);
        setImmediate(() =>
          response.write(sse('0043', 'agent-w', 'AgentResumed', {}), () => setImmediate(() => controller.abort())),
        );
        return undefined;
      },
    });
    const argv = [
      'events',
      'tail',
      '--from',
      '0041',
      '--type',
      'AgentPaused',
      '--type',
      'AgentResumed',
      '--stream',
      'agent-',
      '--json',
    ];
    const { code, out } = await run([...argv, '--url', server.url], { interrupted: controller.signal });
    assert.equal(code, 130);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { position: string; type: string });
    assert.deepEqual(
      lines.map(({ position, type }) => [position, type]),
      [
        ['0042', 'AgentPaused'],
        ['0043', 'AgentResumed'],
      ],
    );
    assert.deepEqual(Object.fromEntries(server.seen[0]?.query ?? []), {
      from: '0041',
      type: 'AgentPaused,AgentResumed',
      stream: 'agent-',
    });
  });

  it('ends with a refusal instead of trying for ever', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/events': () => ({ status: 401, json: { code: 'token-missing', detail: 'expected a token' } }),
    });
    const { code, err } = await run(['events', 'tail', '--url', server.url]);
    assert.equal(code, 1);
    assert.match(err, /expected a token \(token-missing\)/);
  });
});

describe('serverSentEvents', () => {
  async function read(...chunks: readonly string[]): Promise<readonly ServerSentEvent[]> {
    const events: ServerSentEvent[] = [];
    for await (const event of serverSentEvents(
      (async function* () {
        for (const chunk of chunks) yield Buffer.from(chunk, 'latin1');
      })(),
    )) {
      events.push(event);
    }
    return events;
  }

  it('reads the same events however the bytes are cut', async () => {
    const text = Buffer.from(': c\nid: 1\nevent: a\ndata: x\ndata:y é\n\nid: 2\n\ndata: z\r\n\r\n').toString('latin1');
    const whole = await read(text);
    assert.deepEqual(whole, [
      { id: '1', event: 'a', data: 'x\ny é' },
      { id: '2', event: 'message', data: undefined },
      { id: '2', event: 'message', data: 'z' },
    ]);
    for (let cut = 1; cut < text.length; cut++)
      assert.deepEqual(await read(text.slice(0, cut), text.slice(cut)), whole, `cut at ${cut}`);
  });

  it('drops an event that the end cuts off', async () => {
    assert.deepEqual(await read('data: x\n'), []);
  });
});
