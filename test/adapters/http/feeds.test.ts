import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { parseAtomFeed } from 'feedsmith';
import { openMemoryEventStore } from '../../../adapters/event-store/memory/store.ts';
import { atomText } from '../../../adapters/http/atom.ts';
import type { BuildRow } from '../../../coordinator/ports/views.ts';
import { anyCharacter } from '../../support/any-character.ts';
import { secretOfScope } from '../../support/fake-application.ts';
import { buildA, fakeViews, harness } from './harness.ts';

const bearer = { authorization: `Bearer ${secretOfScope('read')}` };
const failed: BuildRow = {
  ...buildA,
  id: 's1-2',
  state: 'failed',
  endedAt: 1_700_000_000_000,
  tags: { 'a/b': '<script>&"\'' },
  failure: { class: 'builder-failed', message: '<b>no</b>\u001b[31m & ]]>\nmore' },
};
const succeeded: BuildRow = { ...buildA, id: 's1-1', state: 'succeeded', endedAt: 1_600_000_000_000 };

/** A server whose views have these results, on a log in which they ended. */
async function open(rows: readonly BuildRow[] = [failed, succeeded]) {
  const asked: (string | undefined)[] = [];
  const eventStore = openMemoryEventStore();
  for (const { id, state } of rows) {
    const types = ['BuildSubmitted', state === 'failed' ? 'BuildFailed' : 'BuildSucceeded', 'OutputsDiverged'];
    const events = types.map((type) => ({ type, version: 1, data: {} }));
    const stream = `build-${id}` as const;
    await eventStore.append({ id: `c-${id}`, stream, expected: 'none', events, meta: { actor: 'x' }, at: 1 });
  }
  const views = fakeViews({
    results(tag) {
      asked.push(tag);
      return rows;
    },
  });
  return { asked, server: await harness({ views, eventStore }) };
}

describe('feeds of results', () => {
  it('are Atom, with an entry for each end of a build that keeps its id', async () => {
    const { server } = await open();
    await using _ = server;
    const answer = await server.app.inject({ url: '/v1/feeds/builds.atom', headers: bearer });
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers['content-type'], 'application/atom+xml; charset=utf-8');
    assert.equal(XMLValidator.validate(answer.body), true);
    const feed = parseAtomFeed(answer.body);
    assert.equal(feed.id, 'urn:drover:log:c-s1-2:results');
    assert.equal(feed.updated, '2023-11-14T22:13:20.000Z');
    assert.deepEqual(
      feed.entries?.map(({ id, title, updated }) => [id, title?.value, updated]),
      [
        [
          'urn:drover:log:c-s1-2:build-s1-2@1',
          'hello (x86_64-linux) failed: builder-failed',
          '2023-11-14T22:13:20.000Z',
        ],
        ['urn:drover:log:c-s1-2:build-s1-1@1', 'hello (x86_64-linux) succeeded', '2020-09-13T12:26:40.000Z'],
      ],
    );
    const base = 'http://drover.example/v1/feeds/builds.atom';
    const hrefs = [...(feed.links ?? []), ...(feed.entries?.[0]?.links ?? [])].map(
      ({ href }) => new URL(href ?? '', base).pathname,
    );
    assert.deepEqual(hrefs, ['/v1/feeds/builds.atom', '/v1/builds/s1-2', '/v1/builds/s1-2/log']);
  });

  it('take nothing of a build for markup', async () => {
    const { server } = await open();
    await using _ = server;
    const { body } = await server.app.inject({ url: '/v1/feeds/builds.atom', headers: bearer });
    assert.doesNotMatch(body, /<script|<b>/);
    const [entry] = parseAtomFeed(body).entries ?? [];
    assert.match(entry?.content?.value ?? '', /<b>no<\/b>\ufffd\[31m & \]\]>\nmore$/);
    assert.deepEqual(
      entry?.categories?.map(({ term }) => term),
      ['failed', 'a/b=<script>&"\''],
    );
  });

  it('are well-formed and say what they were told, whatever that is', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 40 }), (text) => {
        const link = { rel: 'alternate', type: 'text/plain', href: text } as const;
        const entry = {
          id: 'urn:x:1',
          title: text,
          updated: 0,
          links: [link],
          categories: [{ scheme: 'urn:x', term: text }],
          text,
        };
        const xml = atomText({ id: 'urn:x', title: text, author: text, self: text, entries: [entry] });
        assert.equal(XMLValidator.validate(xml), true);
        const read = new XMLParser({ trimValues: false, parseTagValue: false, htmlEntities: true }).parse(xml);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no place for these.
        const shown = text.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
        assert.equal(read.feed.title, shown);
      }),
    );
  });

  it('of a tag have the tag in their address, whatever it is', async () => {
    const { server, asked } = await open();
    await using _ = server;
    for (const [key, value] of [
      ['branch', 'main'],
      ['a/b', 'x/y z?#é.atom'],
    ] as const) {
      const url = `/v1/feeds/tags/${encodeURIComponent(key)}/${encodeURIComponent(value)}.atom`;
      const answer = await server.app.inject({ url, headers: bearer });
      assert.equal(answer.statusCode, 200, answer.body);
      assert.equal(asked.at(-1), `${key}=${value}`);
      const feed = parseAtomFeed(answer.body);
      assert.equal(feed.title?.value, `Results of builds with ${key}=${value}`);
      const links = [...(feed.links ?? []), ...(feed.entries?.[0]?.links ?? [])];
      const paths = links.map(({ href }) => new URL(href ?? '', `http://drover.example${url}`).pathname);
      assert.deepEqual(paths, [new URL(url, 'http://x').pathname, '/v1/builds/s1-2', '/v1/builds/s1-2/log']);
    }
    for (const [url, status] of [
      ['/v1/feeds/tags/branch/main', 404],
      ['/v1/feeds/tags/-/main.atom', 400],
    ] as const)
      assert.equal((await server.app.inject({ url, headers: bearer })).statusCode, status, url);
  });

  it('are asked for again by what they were, and say that they are still that', async () => {
    const { server } = await open();
    await using _ = server;
    const url = '/v1/feeds/builds.atom';
    const first = await server.app.inject({ url, headers: bearer });
    const { etag } = first.headers;
    assert.match(String(etag), /^"[\w-]{43}"$/);
    const again = await server.app.inject({ url, headers: { ...bearer, 'if-none-match': String(etag) } });
    assert.deepEqual([again.statusCode, again.body, again.headers.etag], [304, '', etag]);
    const other = await server.app.inject({ url, headers: { ...bearer, 'if-none-match': '"other"' } });
    assert.equal(other.statusCode, 200);
  });

  it('are read with a token, which readers of feeds give as a password', async () => {
    const { server } = await open();
    await using _ = server;
    const url = '/v1/feeds/builds.atom';
    const refused = await server.app.inject({ url });
    assert.equal(refused.statusCode, 401);
    assert.match(String(refused.headers['www-authenticate']), /Basic/);
    const basic = Buffer.from(`reader:${secretOfScope('read')}`).toString('base64');
    const answer = await server.app.inject({ url, headers: { authorization: `Basic ${basic}` } });
    assert.equal(answer.statusCode, 200);
  });

  it('of a farm that has built nothing are feeds all the same', async () => {
    const { server } = await open([]);
    await using _ = server;
    const { body } = await server.app.inject({ url: '/v1/feeds/builds.atom', headers: bearer });
    assert.equal(XMLValidator.validate(body), true);
    assert.equal(parseAtomFeed(body).updated, '1970-01-01T00:00:00.000Z');
  });
});
