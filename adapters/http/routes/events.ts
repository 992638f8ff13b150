import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError, wrongField } from '../../../coordinator/errors.ts';
import type { StreamId } from '../../../coordinator/ports/event-store.ts';
import { bareType } from '../../../domain/event-name.ts';
import { eventTypes } from '../../../domain/events.ts';
import { firstCommit } from '../../event-store/first-commit.ts';
import { principalOf } from '../access.ts';
import type { ReadContext } from '../context.ts';
import { envelopeOf, sourceOf } from '../event-envelope.ts';
import { envelope } from '../event-schemas.ts';
import { wholeNumber } from '../schemas/query-numbers.ts';
import { checkSpan, flag, many } from '../schemas/requests.ts';
import { sendEvents } from '../send-events.ts';

export const position: z.ZodString = z.string().regex(/^[0-9a-zA-Z._-]{1,64}$/, 'expected a position');
/** Milliseconds since the Unix epoch, up to the last that is a date. */
export const time = wholeNumber(0, 8_640_000_000_000_000);
const eventType = z
  .string()
  .overwrite(bareType)
  .refine((type) => eventTypes.has(type), 'expected the type of an event, as docs/events.md lists them');
/** Any other would be looked for in vain. */
const stream = z
  .string()
  .regex(/^[a-z]{1,32}-[0-9a-zA-Z._-]{0,128}$/, 'expected a stream like build-ID, or build- for all of its category');
const name = z.string().regex(/^[0-9a-zA-Z._-]{1,128}$/, 'expected a name');

/** Most types, and streams, that one reader names: each event is held against all of them. */
const mostNamed = 200;

/** The log for anybody outside: live as server-sent events, or as lines of JSON for export. */
export function eventRoutes({ eventStore, eventPages, closing }: ReadContext): FastifyPluginAsyncZod {
  let known: string | undefined;
  async function source(): Promise<string> {
    known ??= await firstCommit(eventStore);
    if (known === undefined) throw new Error('an event was read of a log that has none');
    return sourceOf(known);
  }

  return async (app) => {
    app.get(
      '/v1/events',
      {
        config: { access: 'read' },
        schema: {
          tags: ['events'],
          operationId: 'readEvents',
          summary:
            'Events from a position on, as server-sent events or (Accept: application/x-ndjson) as lines of JSON.',
          headers: z.object({ 'last-event-id': position.optional(), accept: z.string().optional() }),
          querystring: z
            .strictObject({
              from: z
                .union([z.literal('end'), position])
                .describe(
                  'Position of the last event seen, `end` for new ones only; the whole log if absent. Last-Event-ID goes before it.',
                )
                .optional(),
              type: many
                .pipe(z.array(eventType).max(mostNamed))
                .describe('Only events of these types, with `drover.` before their names or without.')
                .default([]),
              stream: many
                .pipe(z.array(stream).max(mostNamed))
                .describe('Only these streams; one that ends in `-` stands for its category.')
                .default([]),
              correlation: name.exactOptional(),
              actor: name
                .describe('Only what this token, agent (`agent-NAME`) or part of the coordinator did.')
                .exactOptional(),
              since: time.describe('Only what was decided then or later.').exactOptional(),
              until: time.describe('Only what was decided before then.').exactOptional(),
              to: position.describe('Ends with the event at this position.').exactOptional(),
              follow: flag
                .describe('Whether to go on with new events; if absent: yes for server-sent events, no for lines.')
                .optional(),
            })
            .superRefine(checkSpan),
          response: {
            200: {
              description: 'CloudEvents 1.0 envelopes.',
              content: { 'text/event-stream': { schema: z.any() }, 'application/x-ndjson': { schema: z.any() } },
            },
          },
        },
      },
      async (request, reply) => {
        const { from: start, type: types, stream: streams, follow, ...conditions } = request.query;
        const lines = /application\/x-ndjson/.test(request.headers.accept ?? '');
        const after = request.headers['last-event-id'] ?? start;
        if (after !== undefined && after !== 'end') {
          await checkPosition(eventStore, 'from', after);
          await checkReached(eventStore, after);
        }
        if (conditions.to !== undefined) await checkPosition(eventStore, 'to', conditions.to);
        const follows = follow ?? !lines;
        const head = await eventStore.head();
        const { to } = conditions;
        // Who does not follow gets what is there now.
        const last = follows ? to : to === undefined || (head !== undefined && head < to) ? head : to;
        void reply
          .header('cache-control', 'no-store')
          // Proxies that gather an answer before they pass it on would hold events back.
          .header('x-accel-buffering', 'no')
          .type(lines ? 'application/x-ndjson' : 'text/event-stream');
        const view = {
          selection: { types, streams, ...conditions, ...(last !== undefined && { to: last }) },
          format: lines ? 'lines' : 'server-sent-events',
          scope: principalOf(request).scope,
          follow: follows,
        } as const;
        const isEmpty = !follows && head === undefined;
        sendEvents(request, reply, { view, after: after === 'end' ? head : after, isEmpty }, eventPages, closing);
      },
    );
    app.get(
      '/v1/events/:event',
      {
        config: { access: 'read' },
        schema: {
          tags: ['events'],
          operationId: 'getEvent',
          summary: 'One event, by its id.',
          params: z.object({ event: z.string().regex(eventId, 'expected <stream>@<revision>') }),
          response: { 200: envelope },
        },
      },
      async (request) => {
        const { event: id } = request.params;
        const [, stream, revision] = eventId.exec(id) as unknown as [string, StreamId, string];
        for await (const event of eventStore.read(stream, { from: Number(revision), limit: 1 }))
          if (event.revision === Number(revision)) return envelopeOf(event, await source(), principalOf(request).scope);
        throw new DroverError('unknown-event', `expected the id of an event, got ${id}`);
      },
    );
  };
}

/** `<stream>@<revision>`. */
const eventId = /^([a-z]{1,32}-[0-9a-zA-Z._-]{1,128})@(0|[1-9][0-9]{0,14})$/;

/** Positions belong to the engine: whether it gave one out is asked before the answer begins, as it cannot be refused later. */
export async function checkPosition(
  eventStore: ReadContext['eventStore'],
  field: string,
  after: string,
): Promise<void> {
  // An engine that cannot be read says so here.
  const head = await eventStore.head();
  try {
    for await (const _ of eventStore.readAll({ after, limit: 1 })) break;
  } catch {
    const like = head === undefined ? '' : `, like ${head}`;
    throw wrongField(field, `a position of this log${like}`, after);
  }
}

/**
 * A reader that has seen more than there is has followed another log, or one that was cut since (`drover log accept`): it would wait for
 * what it takes for known until the log is as long again, and miss it.
 */
async function checkReached(eventStore: ReadContext['eventStore'], after: string): Promise<void> {
  const head = await eventStore.head();
  if (head === undefined || after <= head) return;
  throw new DroverError(
    'position-ahead',
    `from: expected a position up to ${head}, where the log ends, got ${after}: its end was lost since, or this is another log. Read it again from the start`,
    { head },
  );
}
