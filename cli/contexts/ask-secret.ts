import { createInterface } from 'node:readline';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Io } from '../output/io.ts';

/**
 * Reads a line that nobody may see: typed at a terminal it is not shown, from a pipe or a file it is all that comes. `undefined` if it was
 * interrupted.
 */
export async function askSecret(io: Io, question: string): Promise<string | undefined> {
  const { stdin } = io;
  if ((stdin as Partial<NodeJS.ReadStream>).isTTY !== true) return (await text(Readable.from(stdin))).trim();
  io.err(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // As a terminal, so that it is in raw mode and shows nothing; what would be echoed goes nowhere.
  const lines = createInterface({ input: stdin as NodeJS.ReadStream, output: nowhere, terminal: true, historySize: 0 });
  try {
    return await new Promise<string | undefined>((resolve) => {
      lines.once('line', (line) => resolve(line.trim()));
      lines.once('close', () => resolve(undefined));
      lines.once('SIGINT', () => resolve(undefined));
    });
  } finally {
    lines.close();
    io.err('\n');
  }
}
