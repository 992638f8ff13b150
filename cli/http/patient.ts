import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../output/cli-error.ts';
import type { Client } from './client.ts';

/** How long a coordinator may be away in between, as it is while it starts again, in milliseconds. */
const patienceMs = 30_000;
const firstPauseMs = 200;
const longestPauseMs = 2000;

const passing = ['connection-failed', 'connection-refused', 'not-ready', 'store-unavailable', 'too-many-requests'];

/**
 * The same client for what may be asked twice: `get`, `send` and requests that read wait out a short absence of the coordinator, and `onWait` is told once for
 * each. One that refuses connections before it has ever answered is named at once: that is a wrong address, or it does not run.
 */
export function patient(client: Client, onWait: (reason: string) => void, signal: AbortSignal): Client {
  let known = false;
  async function ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    const giveUpAt = performance.now() + patienceMs;
    let told = false;
    for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
      try {
        const answer = await question();
        known = true;
        return answer;
      } catch (error) {
        const isAway = error instanceof CliError && passing.includes(error.code);
        if (!isAway || signal.aborted || performance.now() > giveUpAt) throw error;
        if (!known && error.code === 'connection-refused') throw error;
        if (!told) onWait(`${error.message}; waiting for it, ${patienceMs / 1000} s at most`);
        told = true;
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }
  return {
    ...client,
    request: (method, path, wish) =>
      method === 'GET' ? ask(() => client.request(method, path, wish)) : client.request(method, path, wish),
    get: (path, query) => ask(() => client.get(path, query)),
    send: (method, path, body, headers) => ask(() => client.send(method, path, body, headers)),
  };
}
