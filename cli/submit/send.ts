import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SubmitResult } from '../../coordinator/application.ts';
import type { Page, SubmissionRow } from '../../coordinator/ports/views.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import type { SubmitPlan } from './submit.ts';

/** It was interrupted after the submission had been sent and before the answer came. */
export class UnansweredError extends Error {
  override readonly name = 'UnansweredError';
  /** The submission, where the coordinator has said since that it has it. */
  readonly submission: string | undefined;
  constructor(submission: string | undefined) {
    super('Interrupted before the coordinator has answered');
    this.submission = submission;
  }
}

/** How long an interrupted command still waits for an answer, then for the other one, in milliseconds. */
const graceMs = 2000;
const questionMs = 5000;
/** How long a coordinator may be away in between, as it is while it starts again, in milliseconds. */
const patienceMs = 60_000;
const longestPauseMs = 5000;

/**
 * Submits with a key, so that a try whose answer was lost can be made again without a second submission. `client` is one that does not end
 * its requests when `signal` aborts: what is on its way may have been received, and whoever interrupts is to hear of it. `onWait` is told once that it is tried again. Rejects with
 * {@link UnansweredError} where that could not be found out, and with the signal's reason where nothing was sent.
 */
export async function send(
  client: Client,
  plan: SubmitPlan,
  signal: AbortSignal,
  onWait: (reason: string) => void,
  traceparent?: string,
): Promise<SubmitResult> {
  const key = randomUUID();
  const headers = { 'idempotency-key': key, ...(traceparent && { traceparent }) };
  const giveUpAt = performance.now() + patienceMs;
  let mayBeThere = false;
  let told = false;
  for (let pause = 400; ; pause = Math.min(pause * 2, longestPauseMs)) {
    signal.throwIfAborted();
    const answer = client.send<SubmitResult>('POST', '/v1/submissions', plan, headers);
    try {
      return await unlessInterrupted(answer, signal);
    } catch (error) {
      if (error instanceof Interrupted) throw new UnansweredError(await find(client, key));
      const mayPass = error instanceof CliError ? error.mayPass : undefined;
      if (!(error instanceof CliError) || mayPass === undefined) throw error;
      mayBeThere ||= error.code !== 'connection-refused';
      if (performance.now() > giveUpAt) throw mayBeThere ? withHint(error) : error;
      if (!told) onWait(`${error.message}; trying again for ${patienceMs / 1000} s at most`);
      told = true;
      await sleep(mayPass.afterMs ?? pause, undefined, { signal }).catch(() => undefined);
      if (signal.aborted && mayBeThere) throw new UnansweredError(await find(client, key));
    }
  }
}

class Interrupted extends Error {}

/** The answer, also for a moment after an interruption. */
async function unlessInterrupted<Answer>(answer: Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  const { promise, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const interrupted = () => {
    timer = setTimeout(() => reject(new Interrupted()), graceMs);
  };
  signal.addEventListener('abort', interrupted, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', interrupted);
    answer.catch(() => undefined);
  }
}

/** The submission that was made under the key, if the coordinator answers that it has it. */
async function find(client: Client, key: string): Promise<string | undefined> {
  try {
    const options = { query: { key }, signal: AbortSignal.timeout(questionMs) };
    const page = (await (await client.request('GET', '/v1/submissions', options)).json()) as Page<SubmissionRow>;
    return page.rows[0]?.id;
  } catch {
    return undefined;
  }
}

function withHint(error: CliError): CliError {
  const hint =
    'whether the coordinator has the submission is not known: drover submissions list says so; the same command again joins what is under way';
  return new CliError(error.code, error.message, { hint, cause: error });
}
