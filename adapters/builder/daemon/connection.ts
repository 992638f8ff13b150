import { once } from 'node:events';
import { BuilderError, isBuilderError } from '../../../agent/ports/builder.ts';
import type { Transport } from './transport.ts';
import { createWireReader, type WireReader } from './wire-reader.ts';

/** What the daemons of Nix and of Guix, one protocol long ago, do each in its own way. */
export interface Dialect<Greeting, Handlers> {
  /** Opens the conversation, on a connection just made. */
  greet(reader: WireReader, write: (bytes: Uint8Array) => Promise<void>): Promise<Greeting>;
  /**
   * Reads what the daemon says while it works, up to the end of the work. Throws {@link BuilderError} `refused` or `disk-full` if the
   * operation failed; the connection is then still in step.
   */
  drain(reader: WireReader, handlers?: Handlers): Promise<void>;
}

/** One conversation with a daemon: one operation at a time. */
export interface Connection<Greeting = unknown, Handlers = unknown> {
  readonly greeting: Greeting;
  /** False after anything went wrong between a question and the end of its answer: it may be out of step for ever. */
  readonly usable: boolean;
  /**
   * Sends a question and reads the answer. `answer` is called once the daemon has done its work; `body` may send more
   * after the question. An abort breaks the connection.
   */
  ask<Answer>(question: Question<Answer, Handlers>): Promise<Answer>;
  /** The same for an answer that is read piece by piece; if it is not read to its end, the connection breaks. */
  stream<Piece>(question: StreamQuestion<Piece>): AsyncGenerator<Piece>;
  close(): Promise<void>;
}

export interface StreamQuestion<Piece> {
  readonly request: Uint8Array;
  /** Called once the request is sent: what the daemon says before its answer comes first. */
  readonly answer: (reader: WireReader) => AsyncGenerator<Piece>;
  readonly signal: AbortSignal;
}

export interface Question<Answer, Handlers = unknown> {
  readonly request: Uint8Array;
  readonly body?: (send: (bytes: Uint8Array) => Promise<void>) => Promise<void>;
  readonly handlers?: Handlers;
  readonly answer: (reader: WireReader) => Promise<Answer> | Answer;
  readonly signal?: AbortSignal | undefined;
}

export async function openConnection<Greeting, Handlers>(
  transport: Transport,
  dialect: Dialect<Greeting, Handlers>,
): Promise<Connection<Greeting, Handlers>> {
  const { input, output } = transport;
  const reader = createWireReader(input);
  let state: 'idle' | 'busy' | 'broken' = 'busy';
  let closing: Promise<void> | undefined;

  async function send(bytes: Uint8Array): Promise<void> {
    if (output.destroyed) throw new BuilderError('unavailable', 'the daemon closed the connection');
    if (output.write(bytes)) return;
    // A destroyed stream closes without draining.
    const waiting = new AbortController();
    try {
      await Promise.race(['drain', 'close'].map((name) => once(output, name, { signal: waiting.signal })));
    } catch (error) {
      throw new BuilderError('unavailable', `the daemon does not listen: ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      waiting.abort();
    }
  }

  function close(): Promise<void> {
    state = 'broken';
    closing ??= transport.close();
    return closing;
  }

  async function ask<Answer>(question: Question<Answer, Handlers>): Promise<Answer> {
    if (state !== 'idle') throw new BuilderError('protocol', `expected an idle connection, got a ${state} one`);
    question.signal?.throwIfAborted();
    state = 'busy';
    const breakOff = () => void close();
    question.signal?.addEventListener('abort', breakOff, { once: true });
    let failure: unknown;
    const fail = (error: unknown) => {
      failure ??= error;
      // One of the two waits for the other, which will not go on.
      if (question.body !== undefined) void close();
    };
    try {
      await send(question.request);
      // Heard while sending, or a daemon that talks much and a client that sends much would wait for each other.
      const listening = dialect.drain(reader, question.handlers).catch(fail);
      await question.body?.(send).catch(fail);
      await listening;
      if (failure !== undefined) throw failure;
      const answer = await question.answer(reader);
      if (state === 'busy') state = 'idle';
      return answer;
    } catch (error) {
      // After a refusal the two are in step; after anything else who knows.
      const refused = isBuilderError(error) && (error.code === 'refused' || error.code === 'disk-full');
      if (refused && question.body === undefined && state === 'busy') state = 'idle';
      else await close();
      question.signal?.throwIfAborted();
      throw explained(error, transport);
    } finally {
      question.signal?.removeEventListener('abort', breakOff);
    }
  }

  async function* stream<Piece>({ request, answer, signal }: StreamQuestion<Piece>): AsyncGenerator<Piece> {
    if (state !== 'idle') throw new BuilderError('protocol', `expected an idle connection, got a ${state} one`);
    signal.throwIfAborted();
    state = 'busy';
    let whole = false;
    const breakOff = () => void close();
    signal.addEventListener('abort', breakOff, { once: true });
    try {
      await send(request);
      yield* answer(reader);
      whole = true;
    } catch (error) {
      if (!whole) await close();
      signal.throwIfAborted();
      throw explained(error, transport);
    } finally {
      signal.removeEventListener('abort', breakOff);
      if (whole && state === 'busy') state = 'idle';
      else await close();
    }
  }

  try {
    const greeting = await dialect.greet(reader, send);
    state = 'idle';
    return {
      greeting,
      get usable() {
        return state === 'idle' && transport.alive && !output.destroyed && !input.destroyed;
      },
      ask,
      stream,
      close,
    };
  } catch (error) {
    await close();
    throw explained(error, transport);
  }
}

/** A daemon that ended has said why on its standard error. */
function explained(error: unknown, transport: Transport): unknown {
  const complaint = transport.complaint();
  if (!isBuilderError(error) || error.code !== 'unavailable' || complaint === '') return error;
  return new BuilderError('unavailable', `${error.message}: ${complaint}`, { cause: error });
}
