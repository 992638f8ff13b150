import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { DroverError, wrongField } from '../../../coordinator/errors.ts';
import {
  boundsOf,
  isNumbered,
  lastBefore,
  mustBeWithin,
  type Place,
  placeOf,
} from '../../../coordinator/log/places.ts';
import type { Wanted } from '../../moments/messages.ts';
import { type HeldMoment, type MomentState, momentPrefix } from '../../moments/processes.ts';
import { principalOf } from '../access.ts';
import type { HttpContext } from '../context.ts';
import { isoTime } from '../iso-time.ts';
import { abortOnEnd } from '../long-answer.ts';
import { changes, mostChanges } from '../schemas/changes.ts';
import { bounds, moment, place, reading } from '../schemas/moments.ts';
import { seconds, wholeNumber } from '../schemas/query-numbers.ts';
import { position } from './events.ts';

const wait = seconds(10).describe('How long the answer may wait for the log to be read, in seconds.').prefault(0);
/** How long a question waits for its moment, in milliseconds: most are there by then. */
const patienceMs = 2000;
/** What of a request goes on to the moment. */
const passedOn = ['accept', 'if-none-match', 'last-event-id', 'range'] as const;
/** What of its answer is of that connection alone. */
const ownHeaders: ReadonlySet<string> = new Set(['connection', 'date', 'keep-alive', 'transfer-encoding']);

/** The farm as it was: what it answered at a moment that is over, and what is not the same at two. */
export function momentRoutes({
  moments,
  eventStore,
  views,
  closing,
}: Pick<HttpContext, 'moments' | 'eventStore' | 'views' | 'closing'>): FastifyPluginAsyncZod {
  function hold(wanted: Wanted, request: FastifyRequest): HeldMoment {
    if (moments !== undefined) return moments.hold(wanted, principalOf(request).id);
    throw new DroverError('moments-disabled', 'expected a coordinator with moments.at-a-time above 0');
  }

  return async (app) => {
    app.get(
      '/v1/moments',
      {
        config: { access: 'read' },
        schema: {
          tags: ['moments'],
          operationId: 'getMoments',
          summary: 'Where the log begins and ends: any event of it is a moment that can be asked about.',
          response: { 200: bounds },
        },
      },
      async () => {
        const found = await boundsOf(eventStore, views);
        if (found === undefined) throw emptyLog();
        const { first, last } = found;
        return { first: told(first), last: told(last), numbered: isNumbered(last.position) };
      },
    );
    app.get(
      '/v1/moments/find',
      {
        config: { access: 'read' },
        schema: {
          tags: ['moments'],
          operationId: 'findMoment',
          summary: 'The last event before a time.',
          description:
            'Where the clock was set back on the way, it is one of those that it can be. On EventStoreDB events are found by marks in the views: while these are made anew it is `not-ready`.',
          querystring: z.strictObject({
            time: z.iso
              .datetime({ offset: true, error: 'expected a time with its offset, like 2026-01-31T12:00:00Z' })
              .describe('As 2026-01-31T12:00:00Z.'),
          }),
          response: { 200: place },
        },
      },
      async (request) => told(await lastBefore(eventStore, views, Date.parse(request.query.time))),
    );
    app.get(
      '/v1/moments/:position',
      {
        config: { access: 'read' },
        schema: {
          tags: ['moments'],
          operationId: 'getMoment',
          summary: 'How far the log is read up to a position; begins with it where nobody has.',
          description:
            'Once it is ready, `/v1/moments/POSITION/v1/…` answers GET of every route of access `read` as the coordinator did then.',
          params: z.object({ position }),
          querystring: z.strictObject({ wait }),
          response: { 200: moment },
        },
      },
      async (request, reply) => {
        const found = await placeOf(eventStore, views, request.params.position, 'position');
        using held = hold({ kind: 'moment', position: found.position }, request);
        await held.settled(request.query.wait * 1000, abortOnEnd(reply.raw, closing));
        const { state } = held;
        const [edge = found] = state.ready?.edges ?? [];
        return {
          ...told(edge),
          ...progressOf(state, found.position),
          ...(state.ready && { events: state.ready.events }),
        };
      },
    );
    app.get(
      '/v1/differences',
      {
        config: { access: 'read' },
        schema: {
          tags: ['moments'],
          operationId: 'getDifference',
          summary:
            'What is not the same at two positions, and what was done in between; how far it is until it is known.',
          querystring: z.strictObject({
            from: position.describe('The earlier one.'),
            to: position.describe('The later one.'),
            limit: wholeNumber(0, mostChanges).describe('Rows of each list.').prefault(50),
            wait,
          }),
          response: { 200: z.union([changes, reading]) },
        },
      },
      async (request, reply) => {
        const { from, to, limit } = request.query;
        await placeOf(eventStore, views, from, 'from');
        await placeOf(eventStore, views, to, 'to');
        if (from > to) throw wrongField('from', 'the earlier place first', `${from}, then ${to}`);
        const wanted = { kind: 'difference', from, to } as const;
        const held = holdUntilAnswered(wanted, request, reply);
        await held.settled(request.query.wait * 1000, abortOnEnd(reply.raw, closing));
        const { state } = held;
        if (state.ready === undefined) return { ...progressOf(state, to), ready: false as const };
        return passOn(held, `${momentPrefix(wanted)}/changes?limit=${limit}`, request, reply) as never;
      },
    );
    const below = { url: '/v1/moments/:position/v1/*', schema: { hide: true } };
    app.route({
      ...below,
      schema: { ...below.schema, params: z.object({ position, '*': z.string() }) },
      config: { access: 'read' },
      method: 'GET',
      handler: async (request, reply) => {
        const { position } = request.params;
        await mustBeWithin(eventStore, position, 'position');
        const held = holdUntilAnswered({ kind: 'moment', position }, request, reply);
        await held.settled(patienceMs, abortOnEnd(reply.raw, closing));
        const { state } = held;
        if (state.ready === undefined) {
          const { read, total, error } = progressOf(state, position);
          if (error !== undefined) throw new DroverError('moment-failed', error, { retryAfter: 1 });
          const far = total === undefined ? `${read} events` : `${read} of ${total} events`;
          throw new DroverError(
            'moment-not-ready',
            `the log is being read up to ${position}: ${far} so far; ask again`,
            {
              read,
              ...(total !== undefined && { total }),
              retryAfter: 1,
            },
          );
        }
        return passOn(held, pathOf(request), request, reply);
      },
    });
    app.route({
      ...below,
      // Refused whoever asks.
      config: { access: 'open' },
      method: ['POST', 'PUT', 'PATCH', 'DELETE'],
      // Before anything of the body is read.
      onRequest: (request, _reply, done) =>
        done(
          new DroverError(
            'past-unchangeable',
            `expected GET: what is over cannot be changed, got ${request.method}; the same address without /v1/moments/POSITION is that of now`,
          ),
        ),
      handler: async () => undefined,
    });
  };
  /** It stays for as long as the answer takes. */
  function holdUntilAnswered(wanted: Wanted, request: FastifyRequest, reply: FastifyReply): HeldMoment {
    const held = hold(wanted, request);
    // One who has gone before is told of no more.
    if (reply.raw.destroyed) held[Symbol.dispose]();
    else reply.raw.once('close', () => held[Symbol.dispose]());
    return held;
  }

  async function passOn(
    held: HeldMoment,
    path: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const headers = Object.fromEntries(
      passedOn.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]])),
    );
    const by = principalOf(request);
    const signal = abortOnEnd(reply.raw, closing);
    const answer = await held.ask({ path, by, headers: { ...headers, 'x-request-id': request.id }, signal });
    for (const [name, value] of Object.entries(answer.headers))
      if (value !== undefined && !ownHeaders.has(name)) void reply.header(name, value);
    return reply.code(answer.status).send(answer.body);
  }
}

/** What is asked for, without the name of a host, which a request may have before it. Source: RFC 9112, section 3.2.2. */
const pathOf = ({ raw }: FastifyRequest): string => (raw.url ?? '').replace(/^[^/?#]+:\/\/[^/?#]*/, '');

function emptyLog(): DroverError {
  return new DroverError('not-found', 'the log is empty: nothing has happened yet');
}

function told({ position: where, at }: Place): { position: string; at: string | null } {
  return { position: where, at: at === undefined ? null : isoTime(at) };
}

/** @throws DroverError where there is no such place. */
function progressOf({ read, ready, failed }: MomentState, last: string) {
  if (failed !== undefined && failed.code !== 'moment-failed') throw new DroverError(failed.code, failed.message);
  return {
    ready: ready !== undefined,
    read,
    ...(isNumbered(last) && { total: Number(last) }),
    ...(failed !== undefined && { error: failed.message }),
  };
}
