import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Batch, EventStore, Position } from '../../../coordinator/ports/event-store.ts';
import type { Timers } from '../../../coordinator/ports/runtime.ts';
import type { HttpContext } from '../context.ts';
import { abortOnEnd } from '../long-answer.ts';
import { createPacer, type Piece, pieceLength } from '../pieces.ts';

/** The log as it is stored, for who verifies it: what readers of the feed get is in its newest form, and not all of it is for all. */
export function logRoute({ eventStore, runtime, closing }: HttpContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/v1/log',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['events'],
          operationId: 'readLog',
          summary:
            'Every event as it is stored, one line of JSON each, and then {"end":…} with the position of the last (docs/audit.md).',
          response: {
            200: { description: 'Events.', content: { 'application/x-ndjson': { schema: z.any() } } },
          },
        },
      },
      async (_, reply) => {
        // An engine that cannot be read says so before the answer begins.
        await eventStore.head();
        const text = storedLines(eventStore, runtime.timers, abortOnEnd(reply.raw, closing));
        return reply
          .header('cache-control', 'no-store')
          .header('x-accel-buffering', 'no')
          .type('application/x-ndjson')
          .send(Readable.from(text, { objectMode: false, highWaterMark: pieceLength }));
      },
    );
  };
}

/** The log up to its end as it is now, read as its reader takes it. */
export async function* storedLines(
  eventStore: Pick<EventStore, 'head' | 'readAll'>,
  timers: Timers,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const end = (await eventStore.head()) ?? null;
  const pacer = createPacer(timers);
  let place: Position | undefined;
  while (end !== null && !signal.aborted && (place === undefined || place < end)) {
    let pieces: Piece[] = [];
    for await (const batch of eventStore.readAll({
      ...(place !== undefined && { after: place }),
      limit: pacer.limit,
      json: 'beside',
      signal,
    })) {
      pieces = inPieces(batch, end);
      break;
    }
    if (pieces.length === 0 && !signal.aborted) throw new Error(`nothing could be read after ${place}, before the end`);
    place = (yield* pacer.give(pieces)) ?? place;
  }
  // Without this line, the answer was cut off.
  if (!signal.aborted) yield `${JSON.stringify({ end })}\n`;
}

function inPieces({ events, checkpoint }: Batch, end: Position): Piece[] {
  const pieces: Piece[] = [];
  let text = '';
  for (const event of events) {
    if (event.position > end) break;
    text += `${JSON.stringify(event)}\n`;
    if (text.length < pieceLength) continue;
    pieces.push({ text, place: event.position });
    text = '';
  }
  pieces.push({ text, place: checkpoint });
  return pieces;
}
