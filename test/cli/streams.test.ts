import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { type ServerSentEvent, serverSentEvents } from '../../client/server-sent-events.ts';
import { fakeCoordinator, problem, type SeenRequest, sse } from './support/fake-coordinator.ts';
import { run } from './support/run-cli.ts';

describe('drover builds log', () => {
  it('copies the log, and passes attempt and offset on', async () => {
    await using server = await fakeCoordinator({ 'GET /v1/builds/b-1/log': () => ({ text: 'hello\nworld\n' }) });
    const { code, out } = await run(['builds', 'log', 'b-1', '--attempt', '2', '--offset', '5', '--url', server.url]);
    assert.equal(code, 0);
    assert.equal(out, 'hello\nworld\n');
    const asked = server.seen.find(({ path }) => path.endsWith('/log'));
    assert.deepEqual(Object.fromEntries(asked?.query ?? []), { attempt: '2', offset: '5' });
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

  it('with --follow waits for an attempt that has printed nothing yet, and ends with it', async () => {
    const running = { id: 'b-1', state: 'running', attempt: 1, agent: 'w', attempts: [{ attempt: 1, agent: 'w' }] };
    for (const [last, printed] of [
      [{ text: 'hello\n' }, 'hello\n'],
      [{ status: 404, json: problem(404, 'not-found', 'no log') }, ''],
    ] as const) {
      let asked = 0;
      await using server = await fakeCoordinator({
        'GET /v1/builds/b-1/log': () => (++asked === 1 ? { status: 404, json: problem(404, 'not-found', 'no') } : last),
        'GET /v1/builds/b-1': () => ({ json: asked === 1 ? running : { ...running, state: 'succeeded' } }),
      });
      const { code, out, err } = await run(['builds', 'log', 'b-1', '-f', '--url', server.url]);
      assert.deepEqual([code, out, err], [0, printed, 'drover: attempt 1 on w has printed nothing yet\n']);
    }
  });

  it('with --follow waits for no attempt that is not the one under way', async () => {
    const running = { id: 'b-1', state: 'running', attempt: 2, agent: 'w', attempts: [{ attempt: 1, agent: 'w' }] };
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': () => ({ status: 404, json: problem(404, 'not-found', 'no log') }),
      'GET /v1/builds/b-1': () => ({ json: running }),
    });
    const { code, err } = await run(['builds', 'log', 'b-1', '-f', '--attempt', '1', '--url', server.url]);
    assert.deepEqual([code, err], [1, 'drover: no log (not-found)\n']);
  });

  it('says why a log breaks off in its middle, where the coordinator knows, and goes on where it does not', async () => {
    const log = 'one\ntwo\nthree\n';
    const cut = (rest: string, response: ServerResponse): undefined => {
      response.writeHead(200, { 'content-length': rest.length });
      response.write(rest.slice(0, 4), () => setImmediate(() => response.destroy()));
    };
    const isFirst = (request: SeenRequest) => request.query.get('offset') === '0';
    await using damaged = await fakeCoordinator({
      'GET /v1/builds/b-1/log': (request, response) =>
        isFirst(request)
          ? cut(log, response)
          : {
              status: 500,
              json: problem(500, 'log-damaged', `nothing can be read from ${request.query.get('offset')}`),
            },
    });
    const told = await run(['builds', 'log', 'b-1', '--url', damaged.url]);
    assert.deepEqual([told.code, told.out], [1, 'one\n']);
    assert.match(told.err, /^drover: nothing can be read from 4 \(log-damaged\)$/m);

    await using slow = await fakeCoordinator({
      'GET /v1/builds/b-1/log': (request, response) => cut(log.slice(Number(request.query.get('offset'))), response),
    });
    const whole = await run(['builds', 'log', 'b-1', '--url', slow.url]);
    assert.equal(whole.out, log);
    assert.equal(slow.seen.filter(({ path }) => path.endsWith('/log')).length, 4);
  });

  it('gives up where nothing more comes', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': (_, response) => {
        response.writeHead(200, { 'content-length': 9 }).flushHeaders();
        setImmediate(() => response.destroy());
        return undefined;
      },
    });
    const { code, err } = await run(['builds', 'log', 'b-1', '--url', server.url]);
    assert.equal(code, 1);
    assert.match(err, /broke while the log was coming in/);
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
  it('says how much of what was printed is not there', async () => {
    const ended = (logBytes: number, failure?: object) => ({
      json: { id: 'b-1', attempt: 1, attempts: [{ attempt: 1, agent: 'w', logBytes, ...(failure && { failure }) }] },
    });
    let build = ended(9);
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': () => ({ text: 'hello\n' }),
      'GET /v1/builds/b-1': () => build,
    });
    const log = async () => (await run(['builds', 'log', 'b-1', '--url', server.url])).err;
    assert.match(await log(), /^drover: this is up to byte 6 of the 9 that the builder printed: /);
    build = ended(6);
    assert.equal(await log(), '');
    build = ended(9, { class: 'log-limit', message: 'too long' });
    assert.equal(await log(), 'drover: attempt 1 on w: log-limit\n  too long\n');
  });
  it('says what the coordinator says of one that is lost', async () => {
    const detail = 'expected a log of attempt 2, got none: its builder printed 9 bytes, which are not kept any more';
    const attempt = { attempt: 2, agent: 'w', failure: { class: 'builder-failed', message: 'exit 1' }, logBytes: 9 };
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/log': () => ({ status: 404, json: { ...notFound.json, detail } }),
      'GET /v1/builds/b-1': () => ({ json: { id: 'b-1', attempt: 2, attempts: [attempt] } }),
    });
    const { code, err } = await run(['builds', 'log', 'b-1', '--url', server.url]);
    assert.equal(code, 1);
    assert.match(err, /printed 9 bytes, which are not kept any more/);
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
        ['0042', 'drover.AgentPaused'],
        ['0043', 'drover.AgentResumed'],
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

describe('drover events export and show', () => {
  it('export prints what is there, one line each, between two places', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/events': (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        response.end('{"position":"0042"}\n{"position":"0043"}\n');
        return undefined;
      },
      'GET /v1/ids': () => ({ json: { rows: [{ id: 's-1', name: null }] } }),
    });
    const export_ = (...flags: string[]) => run(['events', 'export', ...flags, '--url', server.url]);
    const { code, out } = await export_();
    assert.equal(code, 0);
    assert.deepEqual(
      out.split('\n').map((line) => (line === '' ? '' : JSON.parse(line).position)),
      ['0042', '0043', ''],
    );
    await export_('--from', '2026-11-01', '--until', '2026-12-01T00:00:00Z', '--type', 'AgentPaused');
    await export_('--from', '0041', '--until', '0043');
    const asked = server.seen.map(({ query }) => Object.fromEntries(query));
    assert.deepEqual(
      asked,
      [
        { from: 'start' },
        {
          from: 'start',
          since: String(Date.parse('2026-11-01')),
          until: String(Date.parse('2026-12-01')),
          type: 'AgentPaused',
        },
        { from: '0041', to: '0043' },
      ].map(({ from, ...rest }) => (from === 'start' ? rest : { from, ...rest })),
    );
    await export_('--correlation', 's-');
    assert.equal(server.seen.at(-1)?.query.get('correlation'), 's-1', 'by its beginning');
    const wrong = await export_('--from', '2026-13-45');
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /Expected a time like/);
  });

  it('tell where nothing is what was asked for, beside the lines', async () => {
    await using server = await fakeCoordinator({
      'GET /v1/events': (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        response.end();
        return undefined;
      },
    });
    const { code, out, err } = await run(['events', 'export', '--actor', 'nobody', '--url', server.url]);
    assert.deepEqual([code, out, err], [0, '', 'drover: no event is what was asked for\n']);
  });

  it('show prints one event with who did it and why', async () => {
    const event = { id: 'agent-w@3', type: 'AgentPaused', stream: 'agent-w', position: '0042', time: 'T', data: {} };
    await using server = await fakeCoordinator({
      'GET /v1/events/agent-w%403': () => ({ json: { ...event, actor: 'admin', causation: 'c-1' } }),
    });
    const { code, out } = await run(['events', 'show', 'agent-w@3', '--url', server.url]);
    assert.equal(code, 0);
    assert.equal(out, 'T 0042 AgentPaused agent-w {}\n  actor        admin\n  causation    c-1\n');
    const asJson = await run(['events', 'show', 'agent-w@3', '--json', '--url', server.url]);
    assert.equal(JSON.parse(asJson.out).id, 'agent-w@3');
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

describe('drover builds log of a hostile builder', () => {
  const hostile = '\u001b]52;c;aGk=\u0007\u001b[32mok\u001b[0m\u202e\n';
  const log = () => fakeCoordinator({ 'GET /v1/builds/b-1/log': () => ({ text: hostile }) });
  const args = (url: string) => ['builds', 'log', 'b-1', '--url', url];

  it('lets colours through to a terminal and shows the rest', async () => {
    await using server = await log();
    const terminal = { terminal: true, colour: true };
    const { out } = await run(args(server.url), terminal);
    assert.equal(out, '\\u001b]52;c;aGk=\\u0007\u001b[32mok\u001b[0m\\u202e\n\u001b[0m');
    assert.equal((await run([...args(server.url), '--raw'], terminal)).out, hostile);
  });

  it('gives a file or a pipe the bytes as they are', async () => {
    await using server = await log();
    assert.equal((await run(args(server.url))).out, hostile);
  });
});

describe('what comes from elsewhere', () => {
  const nasty = 'x\u001b]0;owned\u0007\u202ey';
  const steers = /[[\p{Cc}\p{Bidi_Control}]--[\t\n]]/v;

  it('steers no terminal, whichever command shows it', async () => {
    const row = { id: nasty, name: nasty, scope: nasty, agent: nasty, issuedAt: 1, revoked: false };
    const agent = {
      name: nasty,
      state: nasty,
      intake: nasty,
      reason: nasty,
      version: nasty,
      builder: nasty,
      running: [],
    };
    const event = { id: nasty, type: nasty, stream: nasty, position: nasty, time: nasty, data: { a: nasty } };
    const refused = { status: 409, json: { code: nasty, detail: nasty, title: nasty } };
    let interrupt = new AbortController();
    await using server = await fakeCoordinator({
      'GET /v1/tokens': () => ({ json: { rows: [row] } }),
      'GET /v1/agents': () => ({ json: { rows: [agent] } }),
      'GET /v1/agents/a': () => ({ json: agent }),
      'GET /v1/agents/b': () => refused,
      'GET /v1/builds': () => ({ json: { rows: [], next: nasty } }),
      'POST /v1/builds/b/retry': () => ({ json: { submission: nasty, builds: 1 } }),
      'GET /v1/events': (request, response) => {
        // Back again: it has printed what came.
        if (request.query.get('from') === '1') interrupt.abort();
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(`id: 1\ndata: ${JSON.stringify(event)}\n\n`);
        return undefined;
      },
    });
    for (const words of [
      'tokens list',
      'tokens list --json',
      'agents list',
      'agents show a',
      'agents show a --json',
      'agents show b',
      'builds list',
      'builds retry b',
      'items show x',
    ]) {
      const { out, err } = await run([...words.split(' '), '--url', server.url]);
      assert.doesNotMatch(out + err, steers, words);
      assert.match(out + err, /./, words);
    }
    for (const json of [[], ['--json']]) {
      interrupt = new AbortController();
      const { out } = await run(['events', 'tail', ...json, '--url', server.url], { interrupted: interrupt.signal });
      assert.doesNotMatch(out, steers);
      assert.match(out, /owned/);
    }
  });
});
