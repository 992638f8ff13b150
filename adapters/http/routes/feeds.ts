import { createHash } from 'node:crypto';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError } from '../../../coordinator/errors.ts';
import type { BuildRow } from '../../../coordinator/ports/views.ts';
import { endEvents } from '../../../domain/build/state.ts';
import { tags } from '../../../domain/event.ts';
import { firstCommit } from '../../event-store/first-commit.ts';
import { type AtomEntry, atomText } from '../atom.ts';
import { matchesEtag } from '../cache/etag.ts';
import type { ReadContext } from '../context.ts';
import { sourceOf } from '../event-envelope.ts';
import { freshViews } from '../fresh-views.ts';

/** Results in one feed. */
const entries = 50;
const suffix = '.atom';
const response = {
  200: { description: 'An Atom feed.', content: { 'application/atom+xml': { schema: z.any() } } },
  304: z.null().describe('It is as it was.'),
};

/** What came of builds, as Atom feeds for people's readers: of all, and of those with a tag. */
export function feedRoutes(context: ReadContext): FastifyPluginAsyncZod {
  const { views, eventStore } = context;

  /** Id of the event that ended the build. */
  async function endOf(build: string): Promise<string | undefined> {
    for await (const { stream, revision, type } of eventStore.read(`build-${build}`, { backward: true }))
      if (endEvents.has(type)) return `${stream}@${revision}`;
    return undefined;
  }

  /** @param up from the feed to `/v1/`. */
  async function entryOf(row: BuildRow, source: string, up: string): Promise<AtomEntry[]> {
    const end = await endOf(row.id);
    if (end === undefined || row.endedAt === null) return [];
    const name = row.derivation.slice(33).replace(/\.drv$/, '');
    const how = row.state === 'failed' && row.failure ? `failed: ${row.failure.class}` : row.state;
    const build = `${up}builds/${encodeURIComponent(row.id)}`;
    const log = `${build}/log?attempt=${row.attempt}`;
    return [
      {
        id: `${source}:${end}`,
        title: `${name} (${row.system}) ${how}`,
        updated: row.endedAt,
        links: [
          { rel: 'alternate', type: 'application/json', href: build },
          ...(row.attempt > 0 ? [{ rel: 'related', type: 'text/plain', href: log } as const] : []),
        ],
        categories: [
          { scheme: 'urn:drover:state', term: row.state },
          ...Object.entries(row.tags).map(([key, value]) => ({ scheme: 'urn:drover:tag', term: `${key}=${value}` })),
        ],
        text: [
          `build ${row.id} of ${row.derivation}`,
          `submission ${row.submission}`,
          ...(row.agent === null ? [] : [`agent ${row.agent}, attempt ${row.attempt}`]),
          ...(row.failure && row.state === 'failed' ? ['', row.failure.message] : []),
        ].join('\n'),
      },
    ];
  }

  async function feed(tag: string | undefined, self: string, up: string): Promise<string> {
    await freshViews(context);
    const source = sourceOf((await firstCommit(eventStore)) ?? 'empty');
    const found = await Promise.all(views.results(tag, entries).map((row) => entryOf(row, source, up)));
    const what = tag === undefined ? '' : ` with ${tag}`;
    const id = `${source}:results${tag === undefined ? '' : `:${encodeURIComponent(tag)}`}`;
    return atomText({ id, title: `Results of builds${what}`, author: 'Drover', self, entries: found.flat() });
  }

  return async (app) => {
    app.addHook('onSend', async (request, reply, payload) => {
      if (reply.statusCode !== 200 || typeof payload !== 'string') return payload;
      const etag = `"${createHash('sha256').update(payload).digest('base64url')}"`;
      void reply.header('etag', etag).header('cache-control', 'private, no-cache');
      if (!matchesEtag(request.headers['if-none-match'], etag)) return payload;
      void reply.code(304).removeHeader('content-type').removeHeader('content-length');
      return null;
    });
    app.get(
      '/v1/feeds/builds.atom',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'readResultsFeed',
          summary: 'The last results of builds, as an Atom feed.',
          response,
        },
      },
      async (_request, reply) =>
        reply.type('application/atom+xml; charset=utf-8').send(await feed(undefined, 'builds.atom', '../')),
    );
    app.get(
      '/v1/feeds/tags/:key/:value',
      {
        config: { access: 'read' },
        schema: {
          tags: ['builds'],
          operationId: 'readTagFeed',
          summary: 'The last results of builds with a tag, as an Atom feed.',
          params: z.object({
            key: z.string().describe('Of the tag, percent-encoded.'),
            value: z.string().describe('Of the tag, percent-encoded, and `.atom`.'),
          }),
          response,
        },
      },
      async (request, reply) => {
        const { key, value: file } = request.params;
        if (!file.endsWith(suffix))
          throw new DroverError('not-found', `expected /v1/feeds/tags/KEY/VALUE.atom, got a value without ${suffix}`);
        const value = file.slice(0, -suffix.length);
        const wanted = tags.safeParse({ [key]: value });
        if (!wanted.success)
          throw new DroverError('invalid-request', `expected the key and the value of a tag, got ${key} and ${value}`);
        const text = await feed(`${key}=${value}`, encodeURIComponent(file), '../../../');
        return reply.type('application/atom+xml; charset=utf-8').send(text);
      },
    );
  };
}
