import { type EarlierBuild, mostEarlierBuilds } from '../../domain/history/events.ts';
import type { Client } from '../http/client.ts';
import type { CoordinatorDatabase, Oddities } from './guix-build-coordinator.ts';

export interface SentHistory {
  /** Builds that are recorded now, or would be. */
  readonly recorded: number;
  /** That an earlier run has taken over. */
  readonly present: number;
  /** Rows that were not taken, or not as they are, by reason. */
  readonly odd: Readonly<Record<string, number>>;
}

export interface SendHistoryOptions {
  readonly client: Client;
  /** What the other coordinator is called here. */
  readonly source: string;
  readonly dryRun: boolean;
  /** Told how many rows are done. */
  readonly onDone: (rows: number) => void;
  readonly signal: AbortSignal;
}

/** Ids of one question. */
const perQuestion = 10_000;

/** Has builds that ended at another coordinator recorded, those that are not there yet: the same again goes on where it was. */
export async function sendHistory(
  pages: ReturnType<CoordinatorDatabase['history']>,
  { client, source, dryRun, onDone, signal }: SendHistoryOptions,
): Promise<SentHistory> {
  const odd = new Map<string, number>();
  let [recorded, present, done] = [0, 0, 0];
  for (const { builds, skipped, rows } of pages) {
    count(odd, skipped);
    for (const some of parts(builds, perQuestion)) {
      signal.throwIfAborted();
      const ids = some.map(({ id }) => id);
      const answer = await client.send<{ missing: string[] }>('POST', '/v1/earlier-builds/missing', { source, ids });
      const missing = new Set(answer.missing);
      present += some.length - missing.size;
      recorded += dryRun ? missing.size : await send(some.filter(({ id }) => missing.has(id)));
      onDone(Math.min(done + some.length, done + rows));
    }
    done += rows;
    onDone(done);
  }
  return { recorded, present, odd: Object.fromEntries(odd) };

  async function send(fresh: readonly EarlierBuild[]): Promise<number> {
    let sent = 0;
    for (const some of parts(fresh, mostEarlierBuilds)) {
      signal.throwIfAborted();
      const wish = { source, builds: some };
      sent += (await client.send<{ recorded: number }>('POST', '/v1/earlier-builds', wish)).recorded;
    }
    return sent;
  }
}

export function count(into: Map<string, number>, more: Oddities): void {
  for (const [reason, n] of more) into.set(reason, (into.get(reason) ?? 0) + n);
}

function* parts<Thing>(things: readonly Thing[], size: number): Generator<readonly Thing[]> {
  for (let start = 0; start < things.length; start += size) yield things.slice(start, start + size);
}
