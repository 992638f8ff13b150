import type { AgentToken } from '../../agent/ports/agent-token.ts';
import { readPrivateFile } from '../data-dir/private-file.ts';

/** A token is printable, without spaces, and goes into a header. */
const tokenPattern = /^[\x21-\x7e]{1,4096}$/;

/** The token in a file, read again whenever it is asked for. Rejects where there is none to begin with. */
export async function openTokenFile(path: string): Promise<AgentToken> {
  let current = await readToken(path);
  return {
    get current() {
      return current;
    },
    async refresh() {
      // Gone, empty or half written: what was read before may still be good.
      const found = await readToken(path).catch(() => current);
      const isNew = found !== current;
      current = found;
      return isNew;
    },
  };
}

async function readToken(path: string): Promise<string> {
  const text = (await readPrivateFile(path)).trim();
  if (!tokenPattern.test(text))
    throw Object.assign(
      new Error(`${path}: expected one token, got ${text === '' ? 'an empty file' : 'something else'}`),
      { code: 'token-unreadable' },
    );
  return text;
}
