import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import type { HttpServerOptions } from '../../../adapters/http/context.ts';
import { createTokenUses } from '../../../adapters/http/token-uses.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { dial, hello } from '../agent-link/raw-agent.ts';
import { type Harness, harness } from './harness.ts';

/** Opens a request and resolves with its answer's head, the body unread. */
async function ask(server: Harness, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const request = httpRequest(new URL(path, server.app.listeningOrigin), {
    headers: { authorization: `Bearer ${secretOfScope('read')}`, ...headers },
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

/** Resolves with how the answer ends: whole, or cut off. */
async function endOf(response: IncomingMessage): Promise<'whole' | 'cut'> {
  response.resume();
  const outcome = Promise.withResolvers<'whole' | 'cut'>();
  response.once('end', () => outcome.resolve('whole'));
  response.once('error', () => outcome.resolve('cut'));
  return outcome.promise;
}

/** A log that grows no further and is never finished. */
const endless: HttpServerOptions['logs'] = {
  size: async () => 11,
  async read(_build, _attempt, { signal } = {}) {
    async function* log() {
      yield Buffer.from('first line\n');
      if (signal !== undefined && !signal.aborted) await once(signal, 'abort');
    }
    return log();
  },
};

test('the end of a token cuts each feed and log that it opened, and only those', async () => {
  await using server = await harness({ logs: endless });
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  const events = [{ type: 'AgentLost', version: 1, data: {} }];
  await server.eventStore.append({ id: 'c', stream: 'agent-a', expected: 'none', events, meta: { actor: 'x' }, at: 1 });
  const answers = await Promise.all([
    ask(server, '/v1/events', { accept: 'text/event-stream' }),
    ask(server, '/v1/events?follow=true', { accept: 'application/x-ndjson' }),
    ask(server, '/v1/builds/b-1/log?follow=true'),
    ask(server, '/v1/overview', { accept: 'text/event-stream' }),
  ]);
  const other = await ask(server, '/v1/events', { authorization: `Bearer ${secretOfScope('admin')}` });
  const ends = answers.map(endOf);
  assert.deepEqual([...server.tokenUses.inUse()].toSorted(), ['t-admin', 't-read']);
  server.tokenUses.end('t-read');
  assert.deepEqual(await Promise.all(ends), ['cut', 'cut', 'cut', 'cut']);
  assert.deepEqual([...server.tokenUses.inUse()], ['t-admin']);
  const rest = endOf(other);
  server.tokenUses.end('t-admin');
  assert.equal(await rest, 'cut');
});

test('the end of a token cuts an upload under way; what had come stays for whoever resumes it', async () => {
  const taken = Promise.withResolvers<void>();
  const broken = Promise.withResolvers<unknown>();
  await using server = await harness({
    application: {
      async writeUpload(_by, _id, _offset, body) {
        try {
          for await (const _ of body) taken.resolve();
        } catch (error) {
          broken.resolve(error);
        }
        throw new Error('the body ended');
      },
    },
  });
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  const request = httpRequest(new URL('/v1/uploads/u-1', server.app.listeningOrigin), {
    method: 'PATCH',
    headers: {
      authorization: `Bearer ${secretOfScope('agent')}`,
      'content-type': 'application/octet-stream',
      'content-length': 1000,
      'upload-offset': 0,
    },
  });
  const failed = once(request, 'error');
  request.write(Buffer.alloc(10));
  await taken.promise;
  server.tokenUses.end('t-agent');
  assert.ok((await broken.promise) instanceof Error);
  await failed;
});

test("the end of an agent's token is told over its link, as final", async () => {
  await using server = await harness();
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  const agent = await dial(url);
  agent.send(hello);
  await agent.expect('welcome');
  server.tokenUses.end('t-agent');
  const { code, fatal, message } = await agent.expect('refused');
  assert.deepEqual([code, fatal, message], ['token-unknown', true, 'the token of this link was revoked']);
  assert.equal(await agent.closed, 1008);
  assert.deepEqual([...server.tokenUses.inUse()], []);
});

test('whoever revokes the token that it has is told that it is done', async () => {
  await using server = await harness({
    application: { revokeToken: async (_by, id) => uses.end(id) },
    get tokenUses() {
      return uses;
    },
  });
  const answer = await server.ask('admin', { method: 'DELETE', url: '/v1/tokens/t-admin' });
  assert.equal(answer.statusCode, 204);
});
const uses = createTokenUses();

test('what has ended by itself is not kept', async () => {
  await using server = await harness();
  assert.equal((await server.ask('read', { url: '/v1/status' })).statusCode, 200);
  assert.equal((await server.ask('read', { url: '/v1/nothing' })).statusCode, 404);
  assert.deepEqual([...server.tokenUses.inUse()], []);
});

test('a token that opened the same thing twice keeps one when the other is over', () => {
  const registry = createTokenUses();
  const ended: string[] = [];
  const end = () => void ended.push('x');
  const first = registry.begin('t', end);
  registry.begin('t', end);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  registry.end('t');
  registry.end('t');
  assert.deepEqual(ended, ['x']);
  const after = registry.begin('t', end);
  after[Symbol.dispose]();
  assert.deepEqual([...registry.inUse()], []);
});
