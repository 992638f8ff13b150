import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createDrover, DroverProblem, eventName } from '../../client/index.ts';
import { serverSentEvents } from '../../client/server-sent-events.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that answers each connection for the feed with the next of the answers. */
async function feed(...answers: Answer[]) {
  const asked: URL[] = [];
  const server = createServer((request, response) => {
    asked.push(new URL(request.url as string, 'http://x'));
    const answer = answers[asked.length - 1];
    if (answer) answer(request, response);
    else response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    drover: createDrover({ url, token: 't' }),
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const event = (place: number, type = 'BuildStarted', number = place, time = '2026-01-31T12:00:00Z') => {
  const position = String(place).padStart(4, '0');
  const data = {
    specversion: '1.0',
    id: `build-s-1@${number}`,
    time,
    type: `drover.${type}`,
    stream: 'build-s-1',
    position,
    data: { attempt: 1 },
  };
  return `id: ${position}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
};
const sends =
  (text: string, then?: 'cut' | 'end'): Answer =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text, () => {
      if (then === 'cut') response.destroy();
      else if (then === 'end') response.end();
    });
  };
const refuses =
  (status: number, problem: object | string): Answer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/problem+json' });
    response.end(typeof problem === 'string' ? problem : JSON.stringify(problem));
  };

/** Reads until so many have come. */
async function take<Value>(values: AsyncIterable<Value>, count: number): Promise<Value[]> {
  const taken: Value[] = [];
  for await (const value of values) if (taken.push(value) === count) break;
  return taken;
}

describe('the events of a client', () => {
  it('go on after a cut, an end and an outage, where they were, and leave out what comes again', async () => {
    await using server = await feed(
      sends(`${event(1)}${event(2)}${event(3).slice(0, 30)}`, 'cut'),
      refuses(503, { code: 'not-ready', detail: 'it starts' }),
      refuses(502, '<html>bad gateway</html>'),
      sends(`${event(2)}${event(3)}id: 0007\n\n`, 'end'),
      // The log was cut short, and has gone on otherwise.
      sends(event(8) + event(9, 'BuildStarted', 3, '2026-02-01T12:00:00Z')),
    );
    const lost: string[] = [];
    const events = server.drover.events({ onLost: (reason) => lost.push(reason) });
    const ids = (await take(events, 5)).map(({ id }) => id);
    assert.deepEqual(
      ids,
      [1, 2, 3, 8, 3].map((number) => `build-s-1@${number}`),
    );
    assert.deepEqual(
      server.asked.map(({ searchParams }) => searchParams.get('from')),
      [null, '0002', '0002', '0002', '0007'],
    );
    assert.equal(lost.length, 4);
    assert.match(lost[1] as string, /it starts/);
    assert.match(lost[2] as string, /502 Bad Gateway/);
  });

  it('are exported as they come, whole lines only, over cuts', async () => {
    const line = (place: number) => `{"id":"ü-${place}","position":"000${place}"}\n`;
    await using server = await feed(
      sends(`${line(1)}${line(2)}${line(3).slice(0, 20)}`, 'cut'),
      refuses(503, { code: 'not-ready', detail: 'it starts' }),
      sends(line(3) + line(4), 'end'),
    );
    const lost: string[] = [];
    let text = '';
    for await (const lines of server.drover.exportEvents({ types: ['BuildFailed'], onLost: (why) => lost.push(why) })) {
      assert.equal(lines.at(-1), 10, 'whole lines');
      text += new TextDecoder().decode(lines);
    }
    assert.equal(text, [1, 2, 3, 4].map(line).join(''));
    assert.equal(lost.length, 2);
    assert.deepEqual(
      server.asked.map(({ searchParams }) => Object.fromEntries(searchParams)),
      [{}, { from: '0002' }, { from: '0002' }].map((from) => ({ type: 'BuildFailed', ...from })),
    );
  });

  it('come as an overview, whole after each loss and then what has changed', async () => {
    const push = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    const overview = { status: { items: 1 }, agents: [{ name: 'a' }], rate: 0 };
    const more = push('patch', [{ op: 'replace', path: '/status/items', value: 2 }]);
    await using server = await feed(
      sends(push('overview', overview) + more + more.slice(0, 20), 'cut'),
      sends(push('overview', { ...overview, rate: 1 }) + push('later', {}) + more, 'end'),
      sends(push('patch', [{ op: 'replace', path: '/status/none', value: 2 }])),
    );
    const lost: string[] = [];
    const overviews = server.drover.followOverview({ onLost: (reason) => lost.push(reason) });
    const taken = await take(overviews, 4);
    assert.deepEqual(
      taken.map(({ status, rate }) => [status.items, rate]),
      [
        [1, 0],
        [2, 0],
        [1, 1],
        [2, 1],
      ],
    );
    assert.equal(taken[1]?.agents, taken[0]?.agents, 'what has not changed is the same');
    assert.equal(lost.length, 1);
    await assert.rejects(take(server.drover.followOverview(), 1), /something that is not an overview/);
  });

  it('ask for what was wished for', async () => {
    await using server = await feed(sends(event(1), 'end'));
    const wish = { from: '0000', types: ['BuildStarted'], streams: ['build-'], correlation: 's', actor: 'a' } as const;
    const [first] = await take(server.drover.events({ ...wish, follow: false }), 9);
    assert.equal(first?.data.attempt, 1);
    assert.equal(eventName(first.type) satisfies 'BuildStarted', 'BuildStarted');
    assert.deepEqual(Object.fromEntries(server.asked[0]?.searchParams ?? []), {
      from: '0000',
      type: 'BuildStarted',
      stream: 'build-',
      correlation: 's',
      actor: 'a',
      follow: 'false',
    });
    await using other = await feed(sends(event(1), 'end'));
    await take(other.drover.events({ types: [], streams: [], follow: false }), 9);
    assert.deepEqual(Object.fromEntries(other.asked[0]?.searchParams ?? []), { follow: 'false' });
  });

  it('end with a refusal that waiting does not change', async () => {
    for (const status of [400, 401, 403]) {
      await using server = await feed(refuses(status, { code: 'token-unknown', detail: 'no such token', status }));
      await assert.rejects(take(server.drover.events(), 1), (error) => {
        assert.ok(error instanceof DroverProblem);
        assert.deepEqual([error.code, error.status, error.message], ['token-unknown', status, 'no such token']);
        return true;
      });
    }
  });

  it('end with something that is no event, by name', async () => {
    for (const data of [
      '{bad',
      'null',
      '{"id":"x"}',
      '{"id":"x","type":"y","stream":"z","position":"1","data":null}',
    ]) {
      await using server = await feed(sends(`id: 1\ndata: ${data}\n\n`));
      await assert.rejects(take(server.drover.events(), 1), (error) => {
        assert.ok(error instanceof DroverProblem, String(error));
        assert.match(error.message, /sent something that is not an event/);
        return true;
      });
    }
  });

  it('refuse a line without an end, and are not slowed down by it', async () => {
    let pieces = 0;
    async function* endless() {
      for (; ; pieces++) yield Buffer.alloc(16_384, 'x');
    }
    const used = process.cpuUsage();
    await assert.rejects(take(serverSentEvents(endless()), 1), /events of at most/);
    assert.equal(pieces, 4096);
    const { user } = process.cpuUsage(used);
    assert.ok(user < 5e6, `took ${user / 1e6} s`);
  });

  it('end without an error when they are not wanted any more, also while they wait to connect', async () => {
    await using server = await feed(refuses(503, {}));
    const stop = new AbortController();
    const events = server.drover.events({ signal: stop.signal, onLost: () => stop.abort() });
    assert.deepEqual(await take(events, 1), []);
  });

  it('do not take the loop’s own errors for a lost connection', async () => {
    await using server = await feed(sends(event(1)));
    const reading = (async () => {
      for await (const one of server.drover.events()) throw new TypeError(`my own, at ${one.id}`);
    })();
    await assert.rejects(reading, /my own/);
    assert.equal(server.asked.length, 1);
  });

  it('save the place only of what the loop has done with, and where it is left', async () => {
    const saved: string[] = [];
    const checkpoint = {
      load: async () => saved.at(-1),
      save: async (position: string) => void saved.push(position),
    };
    await using server = await feed(sends(event(1) + event(2) + event(3)), sends(event(3)));
    const crash = (async () => {
      for await (const one of server.drover.events({ checkpoint }))
        if (one.position === '0003') throw new Error('crash');
    })();
    await assert.rejects(crash, /crash/);
    assert.deepEqual(saved, ['0002']);
    await take(server.drover.events({ checkpoint, from: 'end' }), 1);
    assert.equal(server.asked[1]?.searchParams.get('from'), '0002');
  });
});
