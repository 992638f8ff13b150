import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Position } from '../../coordinator/ports/event-store.ts';
import { isPast } from '../event-feed/event-selection.ts';
import type { EventView } from '../event-feed/event-view.ts';
import type { SharedPages } from '../event-feed/shared-pages.ts';
import { abortOnEnd } from './long-answer.ts';
import { watchAnswer } from './watch-answer.ts';

/** What one reader asked for. */
export interface EventWish {
  readonly view: EventView;
  /** Position of the last event that it knows. */
  readonly after: Position | undefined;
  /** Whether there is nothing for it. */
  readonly isEmpty?: boolean;
  /** What it gets once it has everything. */
  readonly end?: string;
}

/**
 * Answers with events, as its reader takes them; the head is that of the reply. As server-sent events a reader is told its place where there is
 * nothing for it, and hears a comment where nothing comes for a while, so that nobody on the way takes the connection for dead. An end that
 * looks like one is the end: where it is not, the answer is cut.
 */
export function sendEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  { view, after, isEmpty = false, end }: EventWish,
  pages: SharedPages,
  closing: AbortSignal,
): void {
  const isSse = view.format === 'server-sent-events';
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
  const signal = abortOnEnd(raw, closing);
  send().then(
    (isWhole) => {
      if (!isWhole) raw.destroy();
      else raw.end(end);
    },
    (error: unknown) => {
      request.log.warn({ err: error }, 'an answer with events was cut: the log could not be read');
      raw.destroy();
    },
  );

  /** Whether all of it was sent, or so much that who follows the log goes on by itself. */
  async function send(): Promise<boolean> {
    using answer = watchAnswer(raw);
    if (!(await answer.turn())) return false;
    // Clients see at once that it goes well, whether there are events or not.
    raw.flushHeaders();
    if (isSse && !(await answer.write(': drover events\nretry: 2000\n\n'))) return false;
    if (isEmpty) return true;
    using reader = pages.open(view);
    const leave = () => reader[Symbol.dispose]();
    signal.addEventListener('abort', leave);
    let place = after;
    let wait = false;
    let isFirst = true;
    while (!signal.aborted) {
      if (place !== undefined && isPast(view.selection, place)) return true;
      const page = await reader.next(place, wait);
      if (page === 'gone') break;
      if (page === 'silent') {
        if (isSse && !(await answer.write(':\n\n'))) return false;
        continue;
      }
      if (!view.follow && page.place === place && !page.more && !signal.aborted)
        throw new Error(`nothing could be read after ${place}, before the end`);
      if (page.more) reader.ahead(page.place);
      let isWritten = false;
      try {
        // What comes as it happens goes to all who follow.
        const chunk = wait && page.bytes.length > 0 ? page.chunk() : undefined;
        if (chunk !== undefined) isWritten = await answer.writeChunk(chunk);
        else if (page.bytes.length > 0) isWritten = await answer.write(page.bytes);
        else
          isWritten = !isSse || !isFirst || page.place === undefined || (await answer.write(`id: ${page.place}\n\n`));
      } finally {
        page.release(isWritten);
      }
      if (!isWritten) return false;
      ({ place } = page);
      wait = view.follow && !page.more;
      isFirst = false;
    }
    return view.follow;
  }
}
