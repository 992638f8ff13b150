import type { SubmissionTracker, WatchedBuild } from './follow.ts';
import type { Requested } from './requested.ts';

/** Finds out how each derivation that was asked for has ended, once, as soon as that is known. */
export interface Results {
  /** Something may have changed. */
  look(tracker: SubmissionTracker): Promise<void>;
  /** The submission was cancelled: so is all of it that has not ended. */
  cancel(): void;
}

export interface Result {
  readonly derivation: string;
  /** `available`: before anything was built. */
  readonly state: WatchedBuild['state'] | 'available';
  readonly build?: string | undefined;
  /** Store paths of the outputs that were asked for, where it succeeded. */
  readonly outputs?: Readonly<Record<string, string>> | undefined;
  readonly failure?: WatchedBuild['failure'];
}

export interface ResultsOptions {
  readonly requested: readonly Requested[];
  /** How many of them were available before. */
  readonly available: number;
  readonly outputsOf: (requested: Requested, build: string | undefined) => Promise<Readonly<Record<string, string>>>;
  /** Told of each that was asked for, once it is known how it ended. */
  readonly found: (result: Result) => void;
}

export function createResults({ requested, available, outputsOf, found }: ResultsOptions): Results {
  const open = new Map(requested.map((one) => [one.derivation, one]));
  /** How many of the tracker's changes were seen. */
  let seen = 0;
  let begun = false;

  async function tell(derivation: string, build: WatchedBuild | undefined): Promise<void> {
    const one = open.get(derivation);
    if (one === undefined) return;
    open.delete(derivation);
    const state = build?.state ?? 'available';
    const outputs = state === 'succeeded' || state === 'available' ? await outputsOf(one, build?.id) : undefined;
    found({ derivation, state, build: build?.id, outputs, failure: build?.failure });
  }

  return {
    cancel() {
      for (const derivation of open.keys()) found({ derivation, state: 'canceled' });
      open.clear();
    },
    async look(tracker) {
      for (; seen < tracker.endings.length; seen++) {
        const build = tracker.endings[seen] as WatchedBuild;
        await tell(build.derivation, build);
      }
      if (!tracker.complete || open.size === 0) return;
      // What no build is of was there before, or comes from the build of another derivation with the same outputs.
      if (!begun) {
        begun = true;
        const built = new Set([...tracker.builds.values()].map(({ derivation }) => derivation));
        const unbuilt = [...open.keys()].filter((derivation) => !built.has(derivation));
        if (unbuilt.length > available) return;
        for (const derivation of unbuilt) await tell(derivation, undefined);
      } else if (tracker.done && tracker.succeeded === tracker.total)
        for (const derivation of [...open.keys()]) await tell(derivation, undefined);
    },
  };
}
