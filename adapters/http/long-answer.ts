import type { ServerResponse } from 'node:http';

/** Aborts when the answer has ended, its reader has gone, or the server starts to close: whatever feeds it must stop then. */
export function abortOnEnd(response: ServerResponse, closing: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const abort = () => gone.abort();
  response.once('close', () => {
    closing.removeEventListener('abort', abort);
    abort();
  });
  // It may have gone before it was asked for: then nothing tells of that any more.
  if (closing.aborted || response.destroyed) abort();
  else closing.addEventListener('abort', abort, { once: true });
  return gone.signal;
}
