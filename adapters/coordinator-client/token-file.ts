import { constants, statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { AgentToken } from '../../agent/ports/agent-token.ts';
import { readPrivateFile } from '../data-dir/private-file.ts';

/** A token is printable, without spaces, and goes into a header. */
const tokenPattern = /^[\x21-\x7e]{1,4096}$/;

/** The token in a file, read again whenever it is asked for. Rejects where there is none to begin with. */
export async function openTokenFile(path: string): Promise<AgentToken> {
  // A pipe has its token once: whoever would read it again would wait for ever.
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  let current = await readToken(path);
  return {
    from: path,
    get current() {
      return current;
    },
    async refresh() {
      if (!isFile) return false;
      // Gone, empty or half written: what was read before may still be good.
      const found = await readToken(path).catch(() => current);
      const isNew = found !== current;
      current = found;
      return isNew;
    },
  };
}

/**
 * Says in the log that the file with the token is gone, and that it is back; looks each time it is called. What runs goes on with the
 * token as it was read. A pipe is read once, and never missed.
 */
export function watchTokenFile(path: string, logger: Pick<Logger, 'warn' | 'info'>): () => Promise<void> {
  const wasFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  let gone = false;
  return async () => {
    if (!wasFile) return;
    const reason = await access(path, constants.R_OK).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if ((reason !== undefined) === gone) return;
    gone = reason !== undefined;
    if (gone)
      logger.warn(`the token file cannot be read any more, and without it this agent cannot start again: ${reason}`);
    else logger.info(`the token file ${path} is there again`);
  };
}

async function readToken(path: string): Promise<string> {
  const text = await readPrivateFile(path).then(
    (read) => read.trim(),
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      const message = `expected the file with this agent's token (--token-file) at ${path}, there is none; 'drover agents add NAME' makes one`;
      throw Object.assign(new Error(message, { cause: error }), { code: error.code });
    },
  );
  if (!tokenPattern.test(text))
    throw Object.assign(
      new Error(`${path}: expected one token, got ${text === '' ? 'an empty file' : 'something else'}`),
      { code: 'token-unreadable' },
    );
  return text;
}
