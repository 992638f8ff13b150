import { eventName } from '../../client/events.ts';
import type { Blockage, SubmitResult, Why } from '../../coordinator/application.ts';
import type { BuildRow, Page } from '../../coordinator/ports/views.ts';
import type { Client } from '../http/client.ts';
import { followEvents } from '../http/event-feed.ts';
import { describeBlockage } from '../output/blockage.ts';
import type { Io } from '../output/io.ts';
import { firstLine, paint, plural, printable, printableLines, shortName } from '../output/text.ts';
import { watchForBlocked } from './blocked-watch.ts';
import {
  blockingTypes,
  type Change,
  type SubmissionTracker,
  trackSubmission,
  type WatchedBuild,
  watchedTypes,
} from './follow.ts';
import type { Progress } from './progress.ts';
import { watchForStillness } from './stillness.ts';

export interface WatchOptions {
  /** Position of the log before the submission was made; `undefined`: the log was empty. */
  readonly after: string | undefined;
  readonly signal: AbortSignal;
}

export interface Watched {
  readonly tracker: SubmissionTracker;
  /** Given where the watch ended because all that had not ended was blocked. */
  readonly blockage: Blockage | undefined;
}

/** Shows how the builds of a submission go, until all have ended, none that has not can run any more, or `signal` aborts. Reads the log's events, and asks how it stands only where it may stand still. */
export async function watchSubmission(
  client: Client,
  result: SubmitResult,
  { after, signal }: WatchOptions,
  progress: Progress,
  io: Io,
): Promise<Watched> {
  const joined = await readBuilds(client, result.joined);
  const tracker = trackSubmission(result.submission, result.builds, joined);
  progress.begin('building', tracker.total);
  progress.update(tracker.ended);
  let blockage: Blockage | undefined;
  if (tracker.done) return { tracker, blockage };

  const enough = new AbortController();
  using blocked = watchForBlocked({
    ask: () => client.get<Blockage>(`/v1/submissions/${result.submission}`),
    found(all) {
      blockage = all;
      enough.abort();
    },
  });
  if (tracker.live === 0) blocked.consider();
  using still = watchForStillness({
    queued: () => queuedOf(tracker),
    ask: (build) => client.get<Why>(`/v1/builds/${build}/why`),
    found: (build, why) =>
      progress.line(`${paint('waiting  ', 'queued', io.colour)}  ${nameOf(tracker, build)}: ${printable(why)}`),
  });
  still.seen(tracker.live);
  const events = followEvents(client, {
    from: after ?? 'start',
    types: watchedTypes,
    signal: AbortSignal.any([signal, enough.signal]),
    onLost: (reason) => progress.line(`connection lost (${printable(reason)}); trying again`),
  });
  for await (const event of events) {
    const change = tracker.apply(event);
    if (change !== undefined) {
      const text = describe(change, io);
      if (text !== undefined) progress.line(text);
      progress.update(tracker.ended);
    }
    still.seen(tracker.live);
    if (tracker.live === 0 && (change !== undefined || blockingTypes.has(eventName(event.type)))) blocked.consider();
    if (tracker.done) {
      enough.abort();
      break;
    }
  }
  return { tracker, blockage: tracker.done ? undefined : blockage };
}

function queuedOf({ builds }: SubmissionTracker): Iterable<string> {
  return builds
    .values()
    .filter(({ state }) => state === 'queued')
    .map(({ id }) => id);
}

function nameOf({ builds }: SubmissionTracker, id: string): string {
  return printable(shortName(builds.get(id)?.derivation ?? id));
}

/** Above this it is cheaper to read the list of all unfinished builds, 1,000 at a time, than to ask for each. */
const askForEach = 20;

/** Builds by their ids, as they are now. */
async function readBuilds(client: Client, ids: readonly string[]): Promise<readonly WatchedBuild[]> {
  const wanted = new Set(ids);
  const found: WatchedBuild[] = [];
  let after: string | undefined;
  if (ids.length > askForEach) {
    do {
      const query = { state: 'queued,allocated,running', limit: 1000, after };
      const page: Page<BuildRow> = await client.get('/v1/builds', query);
      for (const row of page.rows) if (wanted.delete(row.id)) found.push(watched(row));
      after = page.next;
    } while (after !== undefined && wanted.size > 0);
  }
  // Few, or ended in the meantime.
  for (const id of wanted) found.push(watched(await client.get<BuildRow>(`/v1/builds/${id}`)));
  return found;
}

function watched(build: BuildRow): WatchedBuild {
  return {
    id: build.id,
    derivation: build.derivation,
    state: build.state,
    attempt: build.attempt,
    ...(build.agent === null ? {} : { agent: build.agent }),
    ...(build.failure === null ? {} : { message: `${build.failure.class}: ${build.failure.message}` }),
  };
}

function describe({ build, kind }: Change, { colour }: Io): string | undefined {
  const name = printable(shortName(build.derivation));
  const on = build.agent === undefined ? '' : ` on ${build.agent}`;
  const again = build.attempt > 1 ? `, attempt ${build.attempt}` : '';
  const why = build.message === undefined ? '' : `: ${printable(firstLine(build.message))}`;
  // It is the last word on this build: all lines of it.
  const whole = build.message === undefined ? '' : `: ${printableLines(build.message, 4)}`;
  switch (kind) {
    case 'allocated':
      return undefined;
    case 'started':
      return `${paint('building ', 'running', colour)}  ${name}${on}${again}`;
    case 'succeeded':
      return `${paint('succeeded', 'succeeded', colour)}  ${name}${on}${again}`;
    case 'satisfied':
      return `${paint('succeeded', 'succeeded', colour)}  ${name}: its outputs are there, made by another build`;
    case 'attempt-failed':
      return `${paint('attempt  ', 'canceled', colour)}  ${name}${on}${again} did not succeed${why}`;
    case 'released':
      return `${paint('queued   ', 'canceled', colour)}  ${name} again${why}`;
    case 'failed':
      return `${paint('failed   ', 'failed', colour)}  ${name} (build ${build.id})${whole}`;
    case 'canceled':
      return `${paint('canceled ', 'canceled', colour)}  ${name} (build ${build.id})${why}`;
  }
}

/** The last words of a watch that saw through all that can run. */
export function summary({ tracker, blockage }: Watched): string {
  const bad = [...tracker.builds.values()].filter((build) => build.state === 'failed' || build.state === 'canceled');
  const lines = [`${plural(tracker.ended, 'build')} ended, ${tracker.succeeded} succeeded, ${bad.length} did not`];
  for (const build of bad.slice(0, 20)) {
    lines.push(`  ${build.state}  ${printable(shortName(build.derivation))}  drover builds log ${build.id}`);
  }
  if (bad.length > 20) lines.push(`  … and ${bad.length - 20} more`);
  if (blockage !== undefined) lines.push(...describeBlockage(blockage));
  return `${lines.join('\n')}\n`;
}
