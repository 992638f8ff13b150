import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import type { DerivationLimits } from '../../domain/limits.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import type { Closure } from './closure.ts';
import type { DerivationSource } from './derivation-source.ts';

const compress = promisify(zstdCompress);
/** Names per question; 70 bytes each. */
const namesPerQuestion = 20_000;
/** Derivation text per request: few round trips, and far below the coordinator's limit of a body. */
const bytesPerRequest = 4 * 1024 * 1024;
/** What the coordinator takes in; `undefined` of one that is too old to say. */
export async function limitsOf(client: Client): Promise<DerivationLimits | undefined> {
  try {
    return await client.get<DerivationLimits>('/v1/limits');
  } catch (error) {
    if (error instanceof CliError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** Those of `paths` that the coordinator lacks, in the same order. */
export async function missingDerivations(client: Client, paths: readonly string[]): Promise<readonly string[]> {
  const missing = new Set<string>();
  for (let start = 0; start < paths.length; start += namesPerQuestion) {
    const part = paths.slice(start, start + namesPerQuestion);
    const answer = await client.send<{ missing: readonly string[] }>('POST', '/v1/derivations/missing', {
      paths: part,
    });
    for (const path of answer.missing) missing.add(path);
  }
  return paths.filter((path) => missing.has(path));
}

export interface UploadProgress {
  /** How many will be sent. */
  readonly onStart?: (total: number) => void;
  /** How many are sent and durable. */
  readonly onSent?: (sent: number) => void;
}

/**
 * Sends what the coordinator lacks of a closure, inputs first. Each request is durable once it is answered, so that a
 * second run after a break goes on behind the last one.
 *
 * @returns how many derivations were sent.
 */
export async function uploadDerivations(
  client: Client,
  closure: Closure,
  source: DerivationSource,
  { onStart, onSent }: UploadProgress = {},
): Promise<number> {
  const missing = await missingDerivations(client, [...closure.absent.keys(), ...closure.order]);
  const gone = missing.find((base) => closure.absent.has(base));
  if (gone !== undefined) {
    throw new CliError(
      'input-missing',
      `${closure.absent.get(gone)} needs ${gone}, which is neither here nor at the coordinator`,
      {
        hint: 'submit from where the whole closure of derivations is',
      },
    );
  }

  const excessive = missing.find((base) => closure.tooLarge.has(base));
  if (excessive !== undefined)
    throw new CliError('too-large', `${excessive}: ${closure.tooLarge.get(excessive)}`, {
      hint: 'nothing was sent; an operator can raise the setting where it names one',
    });

  let sent = 0;
  let last: Promise<unknown> = Promise.resolve();
  onStart?.(missing.length);
  for (const batch of batches(missing, source)) {
    // The next part is read and compressed while the one before is on its way.
    const body = await compress(Buffer.from(batch.lines.join('')));
    await last;
    sent += batch.lines.length;
    const reached = sent;
    last = sendLines(client, batch.lines, body).then(() => onSent?.(reached));
    // Looked at in the next turn of the loop; without this a failure before then would end the process.
    last.catch(() => {});
  }
  await last;
  return sent;
}

/** One request; where a proxy refuses one of its size, two of half as many derivations. */
async function sendLines(client: Client, lines: readonly string[], body: Uint8Array): Promise<void> {
  try {
    // What came before stays, and may be sent again.
    return await client.call('POST', '/v1/derivations', {
      body,
      headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'zstd' },
      steady: true,
    });
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== 'proxy-limit' || lines.length === 1) throw error;
  }
  const half = Math.ceil(lines.length / 2);
  for (const part of [lines.slice(0, half), lines.slice(half)])
    await sendLines(client, part, await compress(Buffer.from(part.join(''))));
}

function* batches(
  paths: readonly string[],
  source: DerivationSource,
): Generator<{ readonly lines: readonly string[] }> {
  let lines: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    const text = source.read(path);
    if (text === undefined) throw new CliError('not-found', `${path} was here a moment ago and is gone`);
    if (lines.length > 0 && bytes + text.length > bytesPerRequest) {
      yield { lines };
      lines = [];
      bytes = 0;
    }
    lines.push(`${JSON.stringify({ path, text: Buffer.from(text).toString('base64') })}\n`);
    bytes += text.length;
  }
  if (lines.length > 0) yield { lines };
}
