import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../output/cli-error.ts';
import type { Client, RequestOptions } from './client.ts';

/** How long a coordinator may be away in between, as it is while it or its event store starts again, in milliseconds. */
const usualPatienceMs = 60_000;
const firstPauseMs = 200;
const longestPauseMs = 2000;
/** What says of a coordinator that has never answered that the address is wrong, or that it does not run. */
const telling: ReadonlySet<string> = new Set(['connection-refused', 'connection-closed']);

export interface Patience {
  /** Told why it is waited, once for each absence. */
  readonly onWait?: (reason: string) => void;
  /** Ends requests and waits. */
  readonly signal?: AbortSignal;
  /** Whether all requests may be made twice, also those that change something; but for `PATCH`, which goes on where the one before ended. */
  readonly repeatable?: true;
  readonly patienceMs?: number;
}

/**
 * The same client, which waits out a short absence of the coordinator: what reads is asked again, and so is what was turned away (503 and 429,
 * as long as `Retry-After` says). What broke in the middle and may have changed something is not, unless it is `repeatable`. A coordinator
 * that refuses or closes connections before it has ever answered is named at once: that is a wrong address or scheme, or it does not run.
 */
export function patient(client: Client, patience: Patience): Client {
  const { onWait, signal, repeatable, patienceMs = usualPatienceMs } = patience;
  let known = false;
  async function ask<Answer>(question: () => Promise<Answer>, harmless: boolean, own?: AbortSignal): Promise<Answer> {
    const signals = [signal, own].filter((one) => one !== undefined);
    const stop = signals.length === 0 ? undefined : AbortSignal.any(signals);
    const giveUpAt = performance.now() + patienceMs;
    let tries = 0;
    for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
      try {
        const answer = await question();
        known = true;
        return answer;
      } catch (error) {
        const mayPass = error instanceof CliError ? error.mayPass : undefined;
        const left = giveUpAt - performance.now();
        const again = mayPass !== undefined && (harmless || mayPass.untouched) && stop?.aborted !== true && left > 0;
        if (!again || (!known && telling.has((error as CliError).code)))
          throw tries > 0 && !harmless ? doubted(error) : error;
        if (tries++ === 0) onWait?.(`${(error as CliError).message}; waiting for it, ${patienceMs / 1000} s at most`);
        const wait = Math.min(mayPass.afterMs ?? pause, left);
        await sleep(wait, undefined, stop === undefined ? {} : { signal: stop }).catch(() => undefined);
      }
    }
  }
  const isHarmless = (method: string): boolean => method === 'GET' || (repeatable === true && method !== 'PATCH');
  /** A stream can be read once. */
  const askFor = <Answer>(question: () => Promise<Answer>, method: string, wish: RequestOptions = {}) =>
    wish.body instanceof ReadableStream ? question() : ask(question, isHarmless(method), wish.signal);
  return {
    ...client,
    request: (method, path, wish) => askFor(() => client.request(method, path, wish), method, wish),
    call: <Result>(method: string, path: string, wish?: RequestOptions) =>
      askFor(() => client.call<Result>(method, path, wish), method, wish),
    get: (path, query) => ask(() => client.get(path, query), true),
    send: (method, path, body, headers) => ask(() => client.send(method, path, body, headers), isHarmless(method)),
  };
}

/** A refusal at a further try may be the consequence of one before: what was turned away for trouble with the log may be in it all the same. */
function doubted(error: unknown): unknown {
  if (!(error instanceof CliError) || error.mayPass !== undefined) return error;
  const hint = 'it was tried more than once, as the coordinator was away in between: an earlier try may have done it';
  return new CliError(error.code, error.message, { hint, exitCode: error.exitCode, cause: error });
}
