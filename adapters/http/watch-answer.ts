import type { ServerResponse } from 'node:http';
import { type Chunk, writeChunk } from './chunk.ts';

/** An answer that is written piece by piece. */
export interface WatchedAnswer extends Disposable {
  /**
   * Resolves once it can be written to: one that is asked for behind others on its connection waits for its turn, best without anything in its
   * hands. False where its reader has gone.
   */
  turn(): Promise<boolean>;
  /** Resolves once the system has taken the bytes; false where the reader has gone, and that is not known. */
  write(bytes: Uint8Array | string): Promise<boolean>;
  /** The same of what goes to many. */
  writeChunk(chunk: Chunk): Promise<boolean>;
}

/** Writes one after another. Not a race of promises: a large body would leave a reaction for each piece on them. */
export function watchAnswer(response: ServerResponse): WatchedAnswer {
  let resolve: (written: boolean) => void = () => undefined;
  const gone = () => resolve(false);
  response.once('close', gone);
  const wait = (begin: (written: (error?: Error | null) => void) => void) =>
    new Promise<boolean>((done) => {
      resolve = done;
      if (response.destroyed) done(false);
      else begin((error) => done(error == null));
    });
  const write = (bytes: Uint8Array | string) => wait((written) => response.write(bytes, written));
  return {
    turn: async () => response.socket !== null || write(''),
    write,
    writeChunk: (chunk) => wait((written) => writeChunk(response, chunk, written)),
    [Symbol.dispose]: () => void response.off('close', gone),
  };
}
