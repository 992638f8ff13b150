import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CloudEvent, type CloudEventV1 } from 'cloudevents';
import type * as z from 'zod';
import { firstCommit } from '../../../adapters/event-store/first-commit.ts';
import type { EventEnvelope } from '../../../adapters/http/event-envelope.ts';
import type { EventStore, NewEvent, StreamId } from '../../../coordinator/ports/event-store.ts';
import { eventTypes } from '../../../domain/events.ts';
import { type Harness, harness } from './harness.ts';

let commits = 0;
async function append(
  store: EventStore,
  stream: StreamId,
  type: string,
  correlation?: string,
  { actor = 't-1', data = { of: stream } as unknown } = {},
): Promise<string> {
  const event: NewEvent = { type, version: 1, data };
  const meta = { actor, causation: 'cause-1', ...(correlation === undefined ? {} : { correlation }) };
  const result = await store.append({
    id: `c-${++commits}`,
    stream,
    expected: 'any',
    events: [event],
    meta,
    at: 1_700_000_000_000,
  });
  assert.ok(result.ok);
  return result.position;
}

/** One of each of three builds, and an item. */
async function history(store: EventStore): Promise<readonly string[]> {
  const positions = [];
  positions.push(await append(store, 'build-1', 'BuildSubmitted', 's-1'));
  positions.push(await append(store, 'item-1', 'StoreItemAdded', 's-1'));
  positions.push(await append(store, 'build-12', 'BuildSubmitted', 's-2'));
  positions.push(await append(store, 'build-1', 'BuildStarted', 's-1'));
  return positions;
}

const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as EventEnvelope);
const ids = (text: string) => lines(text).map(({ id }) => id);
const exported = async (server: Harness, query = '') =>
  (await server.ask('read', { url: `/v1/events${query}`, headers: { accept: 'application/x-ndjson' } })).body;

describe('export', () => {
  test('is one CloudEvents envelope per line, up to the head', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const answer = await server.ask('read', { url: '/v1/events', headers: { accept: 'application/x-ndjson' } });
    assert.equal(answer.headers['content-type'], 'application/x-ndjson');
    assert.deepEqual(lines(answer.body)[0], {
      specversion: '1.0',
      id: 'build-1@0',
      source: `urn:drover:log:${await firstCommit(server.eventStore)}`,
      type: 'drover.BuildSubmitted',
      subject: 'build-1',
      time: '2023-11-14T22:13:20.000Z',
      datacontenttype: 'application/json',
      stream: 'build-1',
      revision: 0,
      position: positions[0],
      version: 1,
      actor: 't-1',
      correlation: 's-1',
      causation: 'cause-1',
      data: { of: 'build-1' },
    });
    assert.deepEqual(ids(answer.body), ['build-1@0', 'item-1@0', 'build-12@0', 'build-1@1']);
  });

  test('holds by the CloudEvents SDK, which takes it for one of its own', async () => {
    await using server = await harness();
    await history(server.eventStore);
    for (const line of lines(await exported(server))) {
      const event = new CloudEvent(line as unknown as CloudEventV1<unknown>, true);
      assert.equal(event.validate(), true);
      assert.deepEqual(JSON.parse(event.toString()), line);
    }
    assert.throws(() => new CloudEvent({ source: 'x', type: 'y', 'not-allowed': 1 }, true), 'the SDK does refuse');
  });

  test('is in the newest form, whenever an event was written; what is not known stays as it is', async () => {
    await using server = await harness();
    const data = { attempt: 1, agent: 'a', reason: 'agent-lost' };
    await append(server.eventStore, 'build-1', 'BuildReleased', undefined, { data });
    await append(server.eventStore, 'build-1', 'BuildExploded', undefined, { data: { x: 1 } });
    const forms = lines(await exported(server)).map((event) => [event.version, event.data]);
    assert.deepEqual(forms, [
      [2, data],
      [1, { x: 1 }],
    ]);
  });

  test('of two logs, no event has the source and the id of another', async () => {
    await using one = await harness();
    await using other = await harness();
    for (const { eventStore } of [one, other]) await history(eventStore);
    const keys = [one, other].map(async (server) =>
      lines(await exported(server)).map(({ source, id }) => `${source} ${id}`),
    );
    const all = (await Promise.all(keys)).flat();
    assert.equal(new Set(all).size, 8);
  });

  test('can be filtered by type, stream, category and correlation', async () => {
    await using server = await harness();
    await history(server.eventStore);
    assert.deepEqual(ids(await exported(server, '?type=BuildStarted,StoreItemAdded')), ['item-1@0', 'build-1@1']);
    assert.deepEqual(ids(await exported(server, '?type=drover.BuildStarted,StoreItemAdded')), [
      'item-1@0',
      'build-1@1',
    ]);
    assert.deepEqual(ids(await exported(server, '?type=BuildStarted&type=StoreItemAdded')), ['item-1@0', 'build-1@1']);
    assert.deepEqual(ids(await exported(server, '?stream=build-1')), ['build-1@0', 'build-1@1'], 'not build-12');
    assert.deepEqual(ids(await exported(server, '?stream=build-')), ['build-1@0', 'build-12@0', 'build-1@1']);
    assert.deepEqual(ids(await exported(server, '?correlation=s-2')), ['build-12@0']);
    assert.deepEqual(ids(await exported(server, '?type=BuildSubmitted&stream=build-1')), ['build-1@0']);
  });

  test('can be filtered by actor', async () => {
    await using server = await harness();
    await history(server.eventStore);
    await append(server.eventStore, 'item-2', 'StoreItemAdded', 's-1', { actor: 'agent-bad' });
    assert.deepEqual(ids(await exported(server, '?actor=agent-bad')), ['item-2@0']);
    assert.deepEqual(ids(await exported(server, '?actor=t-1&stream=item-')), ['item-1@0']);
    assert.equal(await exported(server, '?actor=agent-ba'), '', 'whole names only');
  });

  test('can be cut by time, and ends with a position', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const at = 1_700_000_000_000;
    assert.equal((await exported(server, `?since=${at}`)).split('\n').length, 5);
    assert.equal(await exported(server, `?since=${at + 1}`), '');
    assert.equal(await exported(server, `?until=${at}`), '');
    assert.deepEqual(ids(await exported(server, `?to=${positions[1]}`)), ['build-1@0', 'item-1@0']);
    assert.deepEqual(ids(await exported(server, `?to=${positions[1]}&follow=true`)), ['build-1@0', 'item-1@0']);
    const wrong = await server.ask('read', { url: '/v1/events?to=nowhere' });
    assert.equal(wrong.statusCode, 400);
    assert.match(wrong.json().detail, /to: expected a position/);
  });

  test('one event is to be had by its id', async () => {
    await using server = await harness();
    await history(server.eventStore);
    const found = await server.ask('read', { url: '/v1/events/build-1@1' });
    assert.deepEqual(found.json(), lines(await exported(server)).at(-1));
    for (const [id, status] of [
      ['build-1@2', 404],
      ['build-9@0', 404],
      ['build-1', 400],
      ['build-1@-1', 400],
    ] as const)
      assert.equal((await server.ask('read', { url: `/v1/events/${id}` })).statusCode, status, id);
  });

  test('goes on after a position; from the end there is nothing', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    assert.deepEqual(ids(await exported(server, `?from=${positions[1]}`)), ['build-12@0', 'build-1@1']);
    assert.equal(await exported(server, `?from=${positions[3]}`), '');
    assert.equal(await exported(server, '?from=end'), '');
  });

  test('refuses more streams, or types, than can be looked for, before it begins', async () => {
    await using server = await harness();
    await history(server.eventStore);
    const streams = ['build-1', ...Array.from({ length: 199 }, (_, n) => `b-${n}`)].join();
    assert.deepEqual(ids(await exported(server, `?stream=${streams}`)), ['build-1@0', 'build-1@1']);
    for (const query of [`stream=${streams},one-more`, `type=${'BuildFailed,'.repeat(201)}`]) {
      const answer = await server.ask('read', { url: `/v1/events?${query}` });
      assert.deepEqual([answer.statusCode, answer.json().code], [400, 'invalid-request']);
    }
  });

  test('refuses a stream that no event can be of, instead of finding none', async () => {
    await using server = await harness();
    for (const stream of ['build', 'Build-', 'buildings', '-1']) {
      const { statusCode, body } = await server.ask('read', { url: `/v1/events?stream=${stream}` });
      assert.equal(statusCode, 400, stream);
      assert.match(
        body,
        /querystring\.stream\.0: expected a stream like build-ID, or build- for all of its category, got /,
      );
    }
  });

  test('says so to who has seen more than there is, instead of waiting without a word', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const ahead = await append(server.eventStore, 'build-2', 'BuildSubmitted');
    await using shorter = await harness();
    await history(shorter.eventStore);
    for (const accept of ['text/event-stream', 'application/x-ndjson'])
      for (const sent of [
        { url: `/v1/events?from=${ahead}`, headers: { accept } },
        { url: '/v1/events', headers: { accept, 'last-event-id': ahead } },
      ]) {
        const answer = await shorter.ask('read', sent);
        assert.deepEqual([answer.statusCode, answer.json().code], [409, 'position-ahead'], JSON.stringify(sent));
        assert.match(answer.json().detail, new RegExp(`up to ${positions[3]}, .* got ${ahead}`));
      }
  });
});

describe('what is derived from a secret', () => {
  const hash = 'ab'.repeat(32);
  const scopes = ['read', 'submit', 'admin'] as const;

  test('is shown to admins only, in every form of the log', async () => {
    await using server = await harness();
    await append(server.eventStore, 'token-1', 'TokenIssued', undefined, {
      data: { name: 'ci', scope: 'submit', hash },
    });
    const received = { storeDir: '/nix/store', rootCount: 0, key: hash };
    await append(server.eventStore, 'submission-1', 'SubmissionReceived', undefined, { data: received });
    for (const scope of scopes)
      for (const accept of ['application/x-ndjson', 'text/event-stream']) {
        const { body } = await server.ask(scope, { url: '/v1/events?follow=false', headers: { accept } });
        assert.match(body, /TokenIssued/);
        assert.match(body, /"name":"ci","scope":"submit"/);
        assert.match(body, /"rootCount":0/);
        assert.equal(body.split(hash).length - 1, scope === 'admin' ? 2 : 0, `${scope}, ${accept}`);
      }
  });

  test('is declared by name of a field that there is', () => {
    for (const { type, schema, adminOnly } of eventTypes.values())
      for (const field of adminOnly) assert.ok(field in (schema as z.ZodObject).shape, `${type}.${field}`);
  });
});

/** One message of a stream of server-sent events. */
interface Message {
  id?: string;
  event?: string;
  data?: EventEnvelope;
}

/** Reads server-sent events over a real connection. */
async function listen(server: Harness, query = '', headers: Record<string, string> = {}) {
  const address = server.app.server.listening
    ? server.app.listeningOrigin
    : await server.app.listen({ host: '127.0.0.1', port: 0 });
  const leave = new AbortController();
  const answer = await fetch(`${address}/v1/events${query}`, {
    headers: { authorization: 'Bearer secret-of-read', ...headers },
    signal: leave.signal,
  });
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  /** The next block, comments included. */
  const block = async (): Promise<string | undefined> => {
    while (!text.includes('\n\n')) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += value;
    }
    const end = text.indexOf('\n\n');
    const found = text.slice(0, end);
    text = text.slice(end + 2);
    return found;
  };
  return {
    leave: () => leave.abort(),
    block,
    /** The next message with data or an id. */
    async message(): Promise<Message | undefined> {
      while (true) {
        const found = await block();
        if (found === undefined) return undefined;
        const message: Message = {};
        for (const [, field = '', value = ''] of found.matchAll(/^(id|event|data): (.*)$/gm)) {
          if (field === 'data') message.data = JSON.parse(value) as EventEnvelope;
          else message[field as 'id'] = value;
        }
        if (message.id !== undefined) return message;
      }
    },
  };
}

describe('server-sent events', () => {
  test('catch up, then go on live; the id is the position', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const reader = await listen(server);
    for (const position of positions) {
      const message = await reader.message();
      assert.deepEqual([message?.id, message?.data?.position], [position, position]);
    }
    const next = await append(server.eventStore, 'build-2', 'BuildSubmitted');
    const live = await reader.message();
    assert.deepEqual([live?.id, live?.event, live?.data?.stream], [next, 'BuildSubmitted', 'build-2']);
    reader.leave();
  });

  test('resume after Last-Event-ID, which goes before from', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const reader = await listen(server, `?from=${positions[0]}`, { 'last-event-id': String(positions[2]) });
    assert.equal((await reader.message())?.id, positions[3]);
    reader.leave();
  });

  test('a reader that resumes from each id in turn sees every event exactly once', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const seen: string[] = [];
    let last: string | undefined;
    for (let round = 0; round < positions.length; round++) {
      const reader = await listen(server, '', last === undefined ? {} : { 'last-event-id': last });
      const message = await reader.message();
      seen.push(String(message?.data?.position));
      last = message?.id;
      reader.leave();
    }
    assert.deepEqual(seen, positions);
  });

  test('only new ones, from the end', async () => {
    await using server = await harness();
    await history(server.eventStore);
    const reader = await listen(server, '?from=end');
    // The subscription is made with the answer; what comes after is seen.
    await reader.block();
    const next = await append(server.eventStore, 'build-2', 'BuildSubmitted');
    let message = await reader.message();
    while (message?.data === undefined) message = await reader.message();
    assert.equal(message.id, next);
    reader.leave();
  });

  test('move the id past events that are filtered out, so that nobody reads them again', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const reader = await listen(server, '?correlation=s-2');
    assert.equal((await reader.message())?.id, positions[2]);
    const past = await reader.message();
    assert.deepEqual([past?.id, past?.data], [positions[3], undefined]);
    reader.leave();
  });

  test('a silent stream shows that it lives', async () => {
    await using server = await harness();
    const reader = await listen(server, '?from=end');
    assert.match(String(await reader.block()), /retry: 2000/);
    assert.match(String(await reader.block()), /^id: /);
    server.runtime.advance(15_000);
    assert.equal(await reader.block(), ':');
    reader.leave();
  });

  test('follow=false ends at the head', async () => {
    await using server = await harness();
    const positions = await history(server.eventStore);
    const answer = await server.ask('read', { url: '/v1/events?follow=false' });
    assert.equal(answer.body.match(/^data: /gm)?.length, positions.length);
  });

  test('end when the server closes', async () => {
    const server = await harness();
    const reader = await listen(server);
    await reader.message();
    await server[Symbol.asyncDispose]();
    assert.equal(await reader.message(), undefined);
    assert.equal(server.runtime.armed, 0, 'no timer is left');
  });
});
