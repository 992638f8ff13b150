import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Pieces } from '../../coordinator/ports/pool.ts';
import { createReadPiece, type Piece, type ReadPiece } from './read-pieces.ts';
import { createSendBuffers, type SendBuffers } from './send-buffers.ts';
import { watchAnswer } from './watch-answer.ts';

/**
 * Answers with `length` bytes that are read piece by piece; the head is that of the reply. Resolves once the first of them are there and the
 * answer has begun, and rejects where they are not: nothing has been said then. What fails later cuts the answer, and is told.
 */
export type SendPieces = (
  request: FastifyRequest,
  reply: FastifyReply,
  pieces: Pieces,
  length: number,
  onCut: (error: unknown) => void,
) => Promise<void>;

export function createSendPieces(buffers: SendBuffers = createSendBuffers()): SendPieces {
  const readPiece = createReadPiece(buffers);
  return async ({ log }, reply, pieces, length, onCut) => {
    const sending = await openSending(pieces, length, readPiece);
    reply.hijack();
    reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
    sending.send(reply.raw).then(
      (whole) => {
        if (!whole) log.info('an answer was cut: its reader has gone');
      },
      (error: unknown) => {
        log.warn({ err: error }, 'an answer was cut: its bytes could not be read');
        onCut(error);
      },
    );
  };
}

/** An answer whose body is read piece by piece, of which the first is there. */
interface Sending {
  /** Sends it after the head, which is set: whether all of it, or its reader has gone. Rejects with what reading fails with: then the answer has been cut. */
  send(response: ServerResponse): Promise<boolean>;
}

/**
 * Reads the first piece of `length` bytes, so that what is wrong by then can be told in place of an answer. While a piece is written the next is
 * read, into memory that comes back when the system has taken what was in it: an answer holds two buffers at most, however slow its reader is.
 * Node's streams would make and forget a buffer for each piece, which takes longer than to read and to write it.
 *
 * @throws what reading fails with; the pieces are closed then
 */
async function openSending(pieces: Pieces, length: number, readPiece: ReadPiece): Promise<Sending> {
  let left = length;
  let next: Promise<Piece> | undefined;
  try {
    await begin();
    await next;
  } catch (error) {
    await pieces.close();
    throw error;
  }

  function begin(): void {
    next = left > 0 ? read() : undefined;
    // Waited for once what is before it is written.
    next?.catch(() => undefined);
  }

  async function read(): Promise<Piece> {
    const piece = await readPiece(pieces, left);
    left -= piece.bytes.length;
    return piece;
  }

  async function close(): Promise<void> {
    await next?.then((piece) => piece.give()).catch(() => undefined);
    next = undefined;
    await pieces.close();
  }

  return {
    async send(response) {
      const connection = watchAnswer(response);
      try {
        if (!(await connection.turn())) return false;
        for (let current = await next; current !== undefined; current = await next) {
          begin();
          if (!(await connection.write(current.bytes))) {
            // The system has not said that it is done with it.
            current.forget();
            return false;
          }
          current.give();
        }
        response.end();
        return true;
      } catch (error) {
        response.destroy();
        throw error;
      } finally {
        connection[Symbol.dispose]();
        await close();
      }
    },
  };
}
