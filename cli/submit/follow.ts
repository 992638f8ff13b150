import { eventName } from '../../client/events.ts';
import type { FeedEvent } from '../http/event-feed.ts';

export type WatchedState = 'queued' | 'allocated' | 'running' | 'succeeded' | 'failed' | 'canceled';

export interface WatchedBuild {
  readonly id: string;
  readonly derivation: string;
  readonly state: WatchedState;
  readonly agent?: string;
  readonly attempt: number;
  /** Class and message of its last failure, or why it was queued again or cancelled. */
  readonly message?: string;
  readonly failure?: { readonly class: string; readonly message: string };
}

/** Something worth a line. */
export interface Change {
  readonly build: WatchedBuild;
  readonly kind:
    | 'allocated'
    | 'started'
    | 'attempt-failed'
    | 'released'
    | 'succeeded'
    | 'satisfied'
    | 'failed'
    | 'canceled';
}

/** Builds of a submission, by the events of the log. */
export interface SubmissionTracker {
  readonly submission: string;
  /** What the event changes, if it is about one of the builds. An event that was seen changes nothing. */
  apply(event: FeedEvent): Change | undefined;
  readonly builds: ReadonlyMap<string, WatchedBuild>;
  readonly ended: number;
  readonly succeeded: number;
  /** How many builds there will be. */
  readonly total: number;
  readonly done: boolean;
  /** How many of the builds are with an agent. */
  readonly live: number;
  /** How many of those that are known are in each state. */
  readonly counts: Readonly<Record<WatchedState, number>>;
  /** Whether all builds are known. */
  readonly complete: boolean;
  /** Builds as they have ended, in that order; those first that had before. */
  readonly endings: readonly WatchedBuild[];
}

/** After these, builds that wait may wait for ever; they may be about builds and items of others. */
export const blockingTypes: ReadonlySet<string> = new Set([
  'BuildFailed',
  'BuildCanceled',
  'StoreItemUnpublished',
  'StoreItemDeleted',
  'StoreItemMissing',
  'DerivationTextLost',
]);

/** Types of events that {@link SubmissionTracker} reads, and those after which a watch looks again. */
export const watchedTypes = [
  'BuildSubmitted',
  'BuildAllocated',
  'BuildStarted',
  'BuildSetupFailed',
  'BuildAttemptFailed',
  'BuildReleased',
  'BuildSucceeded',
  'BuildSatisfied',
  'BuildFailed',
  'BuildCanceled',
  'StoreItemUnpublished',
  'StoreItemDeleted',
  'StoreItemMissing',
  'SubmissionCanceled',
] as const;

const ends: ReadonlySet<string> = new Set(['succeeded', 'failed', 'canceled']);

/**
 * @param submitted how many builds the submission made; they become known by their BuildSubmitted events.
 * @param joined builds of others that the submission waits for, as they are now.
 */
export function trackSubmission(
  submission: string,
  submitted: number,
  joined: readonly WatchedBuild[],
): SubmissionTracker {
  const builds = new Map<string, WatchedBuild>(joined.map((build) => [build.id, build]));
  const endings = joined.filter((build) => ends.has(build.state));
  let succeeded = joined.filter((build) => build.state === 'succeeded').length;
  const counts = { queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
  for (const { state } of joined) counts[state]++;
  const total = submitted + builds.size;

  return {
    submission,
    apply,
    builds,
    total,
    endings,
    counts,
    get complete() {
      return builds.size >= total;
    },
    get ended() {
      return endings.length;
    },
    get succeeded() {
      return succeeded;
    },
    get done() {
      return endings.length >= total;
    },
    get live() {
      return counts.allocated + counts.running;
    },
  };

  function apply(event: FeedEvent): Change | undefined {
    if (!event.stream.startsWith('build-')) return undefined;
    const id = event.stream.slice('build-'.length);
    const { data } = event;
    const name = eventName(event.type);
    if (name === 'BuildSubmitted') {
      if (data.submission === submission && !builds.has(id)) {
        builds.set(id, { id, derivation: String(data.derivation), state: 'queued', attempt: 0 });
        counts.queued++;
      }
      return undefined;
    }
    const build = builds.get(id);
    // A joined build may have been seen at a later state than that of events which are still coming in.
    if (build === undefined || ends.has(build.state)) return undefined;
    const attempt = typeof data.attempt === 'number' ? data.attempt : build.attempt;
    const step = steps[name];
    if (step === undefined) return undefined;
    const [state, kind] = step;
    // An attempt that was taken back and followed by another may end the build all the same, or be what it goes on with.
    const goesOn = name === 'BuildAllocated' && build.state === 'queued';
    if (attempt < build.attempt && !ends.has(state) && !goesOn) return undefined;
    const agent = typeof data.agent === 'string' ? data.agent : build.agent;
    const message = messageOf(data);
    const failure = failureOf(data);
    const changed: WatchedBuild = {
      id,
      derivation: build.derivation,
      state,
      attempt,
      ...(agent === undefined ? {} : { agent }),
      ...(message === undefined ? {} : { message }),
      ...(failure && { failure }),
    };
    builds.set(id, changed);
    counts[build.state]--;
    counts[state]++;
    if (ends.has(state)) endings.push(changed);
    if (state === 'succeeded') succeeded++;
    return { build: changed, kind };
  }
}

const steps: Readonly<Record<string, readonly [WatchedState, Change['kind']]>> = {
  BuildAllocated: ['allocated', 'allocated'],
  BuildStarted: ['running', 'started'],
  BuildSetupFailed: ['queued', 'attempt-failed'],
  BuildAttemptFailed: ['queued', 'attempt-failed'],
  BuildReleased: ['queued', 'released'],
  BuildSucceeded: ['succeeded', 'succeeded'],
  BuildSatisfied: ['succeeded', 'satisfied'],
  BuildFailed: ['failed', 'failed'],
  BuildCanceled: ['canceled', 'canceled'],
};

function failureOf({ class: failure, message }: Readonly<Record<string, unknown>>): WatchedBuild['failure'] {
  return typeof failure === 'string' && typeof message === 'string' ? { class: failure, message } : undefined;
}

function messageOf(data: Readonly<Record<string, unknown>>): string | undefined {
  const parts = [data.class, data.message ?? data.reason].filter((part) => typeof part === 'string' && part !== '');
  return parts.length === 0 ? undefined : parts.join(': ');
}
