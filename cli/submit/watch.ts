import { eventName } from '../../client/events.ts';
import type { Blockage, FarmStatus, Outlook, Why } from '../../coordinator/application.ts';
import type { SubmissionCancellation, SubmissionRow } from '../../coordinator/ports/views.ts';
import { firstLine } from '../../projections/first-line.ts';
import type { Client } from '../http/client.ts';
import { followEvents, lossTeller } from '../http/event-feed.ts';
import { describeBlockage } from '../output/blockage.ts';
import { lastLogLines, quoteLog } from '../output/failure.ts';
import type { Io } from '../output/io.ts';
import { canceledBy } from '../output/submissions.ts';
import { paint, plural, printable, printableLines, shortName } from '../output/text.ts';
import { watchForBlocked } from './blocked-watch.ts';
import { blockingTypes, type Change, type SubmissionTracker, type WatchedBuild, watchedTypes } from './follow.ts';
import { watchOutlook } from './outlook-watch.ts';
import type { Progress } from './progress.ts';
import type { Results } from './results.ts';
import { watchForRoom } from './room-watch.ts';
import { watchForStillness } from './stillness.ts';
import type { TreeState } from './tree.ts';

export interface WatchOptions {
  /** Position of the log at which the tracker's builds were so, or before; `undefined`: the log was empty. */
  readonly after: string | undefined;
  readonly signal: AbortSignal;
  /** Told of every change. */
  readonly results: Results;
  /** Whether it goes on where nothing under way can set going what has not ended. */
  readonly keepWaiting: boolean;
  /** Milliseconds after which builds that wait for nothing but an agent are given up. */
  readonly agentPatienceMs: number;
  /** Given where the submission was cancelled before. */
  readonly canceled?: SubmissionCancellation | undefined;
  /** Milliseconds since the Unix epoch; now if not given. */
  readonly begun?: number | undefined;
}

export interface Watched {
  readonly tracker: SubmissionTracker;
  /** Given where the watch ended because all that had not ended was blocked, or waited for an agent for too long. */
  readonly blockage: Blockage | undefined;
  /** What builds waited for that no agent took for too long, in the coordinator's words. */
  readonly agentless: readonly string[];
  /** Given where the submission was cancelled; what of it others want goes on. */
  readonly canceled?: SubmissionCancellation;
}

/**
 * Shows how the builds of a submission go, until all have ended, none that has not can run any more, the submission is cancelled, or
 * `signal` aborts. Reads the log's events, and asks how it stands only where it may stand still.
 */
export async function watchSubmission(
  client: Client,
  tracker: SubmissionTracker,
  { after, signal, results, keepWaiting, agentPatienceMs, canceled: before, begun }: WatchOptions,
  progress: Progress,
  io: Io,
): Promise<Watched> {
  const { submission } = tracker;
  progress.begin('building', tracker.total);
  progress.update(tracker.ended);
  await results.look(tracker);
  if (before) {
    results.cancel();
    return { tracker, blockage: undefined, agentless: [], canceled: before };
  }
  let blockage: Blockage | undefined;
  const agentless = new Set<string>();
  if (tracker.done) return { tracker, blockage, agentless: [] };

  const enough = new AbortController();
  const askBlockage = () => client.get<Blockage>(`/v1/submissions/${submission}`);
  using blocked = watchForBlocked({
    ask: askBlockage,
    found(all) {
      if (keepWaiting) {
        for (const line of describeBlockage(all)) progress.line(line);
        return;
      }
      blockage = all;
      enough.abort();
    },
  });
  if (tracker.live === 0) blocked.consider();
  const askWhy = (build: string) => client.get<Why>(`/v1/builds/${build}/why`);
  const tellWait = (build: string, why: string) =>
    progress.line(`${paint('waiting  ', 'queued', io.colour)}  ${nameOf(tracker, build)}: ${printable(why)}`);
  using _room = watchForRoom({
    live: () => buildsIn(tracker, ['allocated', 'running']),
    status: () => client.get<FarmStatus>('/v1/status'),
    ask: askWhy,
    found: tellWait,
  });
  using still = watchForStillness({
    queued: () => buildsIn(tracker, ['queued']),
    ask: askWhy,
    found: (build, why) => {
      agentless.add(`${nameOf(tracker, build)}: ${printable(why)}`);
      tellWait(build, why);
    },
    ...(!keepWaiting && {
      patienceMs: agentPatienceMs,
      gaveUp() {
        void askBlockage()
          .then((all) => {
            blockage = all;
          })
          .catch(() => {
            blockage = { unfinished: tracker.total - tracker.ended, blocked: 0, agentless: 0, blockers: [], total: 0 };
          })
          .then(() => enough.abort());
      },
    }),
  });
  still.seen(tracker.live);
  const { show } = progress;
  const since = begun ?? io.now();
  using _outlook =
    show &&
    watchOutlook({
      ask: () => client.get<Outlook>(`/v1/submissions/${submission}/outlook`),
      found: (outlook) => show(treeOf(tracker, outlook, since)),
      clock: () => performance.now(),
    });
  const events = followEvents(client, {
    from: after ?? 'start',
    types: watchedTypes,
    signal: AbortSignal.any([signal, enough.signal]),
    onLost: lossTeller(progress.line),
  });
  for await (const event of events) {
    if (event.stream === `submission-${submission}`) {
      // The only event of it that is asked for: it was cancelled.
      const { canceled } = await client.get<SubmissionRow>(`/v1/submissions/${submission}`);
      results.cancel();
      enough.abort();
      return { tracker, blockage: undefined, agentless: [], ...(canceled && { canceled }) };
    }
    const change = tracker.apply(event);
    if (change !== undefined) {
      const text = describe(change, io);
      // What runs, and that it ran, the tree shows.
      if (text !== undefined && !(progress.hasTree && inTree.has(change.kind))) progress.line(text);
      if (change.kind === 'failed') await tellLog(client, change.build, progress);
      progress.update(tracker.ended);
    }
    await results.look(tracker);
    still.seen(tracker.live);
    if (tracker.live === 0 && (change !== undefined || blockingTypes.has(eventName(event.type)))) blocked.consider();
    if (tracker.done) {
      enough.abort();
      break;
    }
  }
  return tracker.done
    ? { tracker, blockage: undefined, agentless: [] }
    : { tracker, blockage, agentless: [...agentless] };
}

const inTree: ReadonlySet<Change['kind']> = new Set(['started', 'succeeded', 'satisfied']);

/** Counts and ends are read from the tracker when it is drawn. */
function treeOf(tracker: SubmissionTracker, outlook: Outlook, begun: number): Omit<TreeState, 'now'> {
  return {
    outlook,
    begun,
    total: tracker.total,
    get ended() {
      return tracker.ended;
    },
    states: tracker.counts,
    has: (build) => isEnd(tracker.builds.get(build)?.state),
  };
}

function isEnd(state: WatchedBuild['state'] | undefined): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'canceled';
}

/** The end of what the builder printed, where the daemon's message does not have it. */
async function tellLog(client: Client, build: WatchedBuild, progress: Progress): Promise<void> {
  const lines = await lastLogLines(client, { build: build.id, message: build.message ?? '' });
  if (lines.length > 0) progress.line(quoteLog(lines, 4));
}

function buildsIn({ builds }: SubmissionTracker, states: readonly WatchedBuild['state'][]): Iterable<string> {
  return builds
    .values()
    .filter(({ state }) => states.includes(state))
    .map(({ id }) => id);
}

function nameOf({ builds }: SubmissionTracker, id: string): string {
  return printable(shortName(builds.get(id)?.derivation ?? id));
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
      return `${paint('succeeded', 'succeeded', colour)}  ${name}: its outputs are there, made by another build or found upstream`;
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
export function summary({ tracker, blockage, agentless, canceled }: Watched): string {
  const bad = [...tracker.builds.values()].filter((build) => build.state === 'failed' || build.state === 'canceled');
  if (canceled) {
    const before = `${tracker.ended} of ${plural(tracker.total, 'build')} had ended before, ${tracker.succeeded} succeeded`;
    return `the submission ${tracker.submission} was cancelled ${canceledBy(canceled)}\n${before}; what other submissions want of the rest goes on\n`;
  }
  const lines = [`${plural(tracker.ended, 'build')} ended, ${tracker.succeeded} succeeded, ${bad.length} did not`];
  for (const build of bad.slice(0, 20)) {
    // One that was cancelled may never have run.
    const next = build.state === 'canceled' ? 'retry' : 'log';
    lines.push(`  ${build.state}  ${printable(shortName(build.derivation))}  drover builds ${next} ${build.id}`);
  }
  if (bad.length > 20) lines.push(`  … and ${bad.length - 20} more`);
  if (blockage !== undefined && blockage.blocked > 0) lines.push(...describeBlockage(blockage));
  if (blockage !== undefined && blockage.unfinished > blockage.blocked) {
    const rest = blockage.unfinished - blockage.blocked;
    lines.push(
      `${plural(rest, 'build')} ${rest === 1 ? 'waits' : 'wait'} for an agent, and stay${rest === 1 ? 's' : ''} queued:`,
    );
    lines.push(...agentless.map((one) => `  ${one}`));
  }
  return `${lines.join('\n')}\n`;
}
