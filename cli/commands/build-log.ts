import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildDetail } from '../../coordinator/ports/views.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import { type Io, interruptedCode } from '../output/io.ts';
import { createTerminalFilter } from '../output/safe-text.ts';
import { printableLines } from '../output/text.ts';

export interface LogWish {
  readonly build: string;
  readonly attempt?: number;
  readonly offset: number;
  /** So many of the last lines that are there, instead of what comes after `offset`. */
  readonly tail?: number;
  readonly follow: boolean;
  /** Whether a terminal gets the bytes as they are. */
  readonly raw: boolean;
}

const pauseMs = 500;

/**
 * Copies the log of a build to standard output: as it is to a file or a pipe, and with nothing in it that steers a terminal but colours
 * to a terminal. A lost connection is made again and the log goes on at the byte where it was: while following for as long as it takes, and
 * else where the coordinator answers at once.
 */
export async function streamLog(client: Client, wish: LogWish, io: Io): Promise<number> {
  if (!io.terminal || wish.raw) return copyLog(client, wish, io, io.write);
  const filter = createTerminalFilter(io.colour);
  const print = (text: string) => (text === '' ? Promise.resolve() : io.write(Buffer.from(text)));
  try {
    return await copyLog(client, wish, io, (chunk) => print(filter.write(chunk)));
  } finally {
    await print(filter.end());
  }
}

async function copyLog(
  client: Client,
  { build, attempt, offset: start, tail, follow }: LogWish,
  io: Io,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<number> {
  const signal = follow ? io.interrupted() : undefined;
  const log = createPlace(start, tail, attempt);
  const pause = () => sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
  let away = false;
  let waited = false;
  for (;;) {
    try {
      const response = await client.request('GET', `/v1/builds/${encodeURIComponent(build)}/log`, {
        query: { ...log.query, follow: follow ? true : undefined },
        headers: { accept: 'text/plain' },
        ...(signal === undefined ? {} : { signal }),
      });
      away = false;
      if (log.attempt === undefined) tellAttempt(response, io);
      log.begun(response);
      for await (const chunk of response.body ?? []) {
        log.read(chunk.length);
        await write(chunk);
      }
      await tellFailure(client, build, log.attempt, !log.printed, io, log.end);
      return 0;
    } catch (error) {
      if (signal?.aborted) return interruptedCode(signal);
      if (isNoLog(error)) {
        const live = follow ? await liveAttempt(client, build, attempt) : undefined;
        if (live !== undefined) {
          if (!waited) io.err(`drover: ${live} has printed nothing yet\n`);
          waited = true;
          await pause();
          continue;
        }
        if ((await tellFailure(client, build, attempt, true, io)) || waited) return 0;
      }
      // Asked for the rest, the coordinator has it, or says why the log breaks off there: what is damaged of it is found as it is read.
      if (!follow && !(error instanceof CliError) && log.moved) continue;
      const refused = error instanceof CliError && error.mayPass === undefined;
      if (!follow || refused) throw cut(error);
      if (!away) io.err(`drover: ${(error as Error).message}; the log goes on once the connection is there again\n`);
      away = true;
      await pause();
    }
  }
}

/** Where a log is read on after a lost connection: of the same attempt, at the byte where it was. */
function createPlace(start: number, tail: number | undefined, wanted: number | undefined) {
  let attempt = wanted;
  let offset = start;
  let printed = false;
  let moved = false;
  let isTail = tail !== undefined;
  return {
    get attempt() {
      return attempt;
    },
    get printed() {
      return printed;
    },
    /** Where in the log the next byte would be. */
    get end() {
      return offset;
    },
    /** Whether something has come since it was asked for. */
    get moved() {
      return moved;
    },
    get query() {
      return { attempt, ...(isTail ? { tail } : { offset }) };
    },
    begun({ headers }: Response) {
      attempt = Number(headers.get('x-attempt')) || attempt;
      if (isTail) offset = Number(headers.get('x-offset')) || 0;
      isTail = false;
      moved = false;
    },
    read(bytes: number) {
      offset += bytes;
      printed = true;
      moved = true;
    },
  };
}

/** Of which attempt the log is, where nobody has said and there were several. */
function tellAttempt({ headers }: Response, io: Io): void {
  const [attempt, attempts] = [Number(headers.get('x-attempt')), Number(headers.get('x-attempts'))];
  if (attempts < 2) return;
  const why = attempt < attempts ? ', the last that has one' : '';
  io.err(`drover: the log of attempt ${attempt} of ${attempts}${why}; --attempt names another\n`);
}

const isNoLog = (error: unknown): boolean => error instanceof CliError && error.code === 'not-found';

/** The attempt that is under way, in words, where it is the one that is wanted. */
async function liveAttempt(client: Client, build: string, wanted: number | undefined): Promise<string | undefined> {
  const detail = await client.get<BuildDetail>(`/v1/builds/${encodeURIComponent(build)}`).catch(() => undefined);
  if (detail === undefined || (detail.state !== 'allocated' && detail.state !== 'running')) return undefined;
  return (wanted ?? detail.attempt) === detail.attempt ? `attempt ${detail.attempt} on ${detail.agent}` : undefined;
}

/**
 * Says on standard error how the attempt failed, where its log does not: a builder may print nothing, and what the daemon refuses
 * (a wrong hash, a forbidden reference) is not in its log. Returns whether there was something to say.
 *
 * @param end of the log that was read: where the builder has printed more than that, that is said, too
 */
async function tellFailure(
  client: Client,
  build: string,
  wanted: number | undefined,
  nothingPrinted: boolean,
  io: Io,
  end = 0,
): Promise<boolean> {
  // The log is what was asked for: that there is no more to be had is no failure.
  const detail = await client.get<BuildDetail>(`/v1/builds/${encodeURIComponent(build)}`).catch(() => undefined);
  const attempt = detail?.attempts?.find((one) => one.attempt === (wanted ?? detail.attempt));
  const failure = attempt?.failure;
  const printedBytes = attempt?.logBytes ?? 0;
  // Of one that is too long the log itself says where it ends.
  if (!nothingPrinted && printedBytes > end && failure?.class !== 'log-limit')
    io.err(
      `drover: this is up to byte ${end} of the ${printedBytes} that the builder printed: the coordinator has no more of them, and its own log says why\n`,
    );
  if (attempt === undefined || !failure?.message) return false;
  // It is lost, and whoever was asked for it has said so.
  if (nothingPrinted && printedBytes > 0) return false;
  if (failure.class === 'builder-failed' && !nothingPrinted) return false;
  const printed = nothingPrinted ? 'the builder printed nothing; ' : '';
  io.err(`drover: ${printed}attempt ${attempt.attempt} on ${attempt.agent}: ${failure.class}\n`);
  io.err(`  ${printableLines(failure.message, 2)}\n`);
  return true;
}

function cut(error: unknown): unknown {
  if (error instanceof CliError) return error;
  return new CliError('connection-failed', 'the connection to the coordinator broke while the log was coming in', {
    cause: error,
  });
}
