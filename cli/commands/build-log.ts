import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';

export interface LogWish {
  readonly build: string;
  readonly attempt?: number;
  readonly offset: number;
  readonly follow: boolean;
}

const pauseMs = 500;

/**
 * Copies the log of a build to standard output. While following, a lost connection is made again and the log goes on at
 * the byte where it was.
 */
export async function streamLog(
  client: Client,
  { build, attempt, offset: start, follow }: LogWish,
  io: Io,
): Promise<number> {
  let offset = start;
  const signal = follow ? io.interrupted() : undefined;
  for (;;) {
    try {
      const response = await client.request('GET', `/v1/builds/${encodeURIComponent(build)}/log`, {
        query: { attempt, offset, follow: follow ? true : undefined },
        headers: { accept: 'text/plain' },
        ...(signal === undefined ? {} : { signal }),
      });
      for await (const chunk of response.body ?? []) {
        offset += chunk.length;
        await io.write(chunk);
      }
      return 0;
    } catch (error) {
      if (signal?.aborted) return 130;
      const refused =
        error instanceof CliError && !['connection-failed', 'connection-refused', 'not-ready'].includes(error.code);
      if (!follow || refused) throw cut(error);
      await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
    }
  }
}

function cut(error: unknown): unknown {
  if (error instanceof CliError) return error;
  return new CliError('connection-failed', 'the connection to the coordinator broke while the log was coming in', {
    cause: error,
  });
}
