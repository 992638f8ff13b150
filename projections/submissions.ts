import type { SubmissionEvent, SubmissionReceived } from '../domain/submission/events.ts';

export interface SubmissionRecord {
  readonly id: string;
  readonly wish: Omit<SubmissionReceived['data'], 'roots'>;
  /** Base names; dropped once everything is queued. */
  roots: readonly string[];
  /** Ids of builds that were under way and build roots of it. */
  joined: readonly string[];
  /** Derivations that were added for it. */
  added: number;
  queued: Extract<SubmissionEvent, { type: 'SubmissionQueued' }>['data'] | undefined;
  /** Why it is not queued though it could be; `undefined` where it is not set aside. */
  setAside: string | undefined;
  revision: number;
  /** `traceparent` of its first event. */
  readonly trace?: string;
}

/** Every submission, and which of them are not wholly queued yet. */
export interface Submissions {
  get(id: string): SubmissionRecord | undefined;
  byKey(key: string): SubmissionRecord | undefined;
  /** Ids of submissions that joined a build. */
  joinedTo(build: string): readonly string[];
  /** All roots are on the stream, but not all builds: the coordinator was stopped in between. Without those that are set aside. */
  unqueued(): SubmissionRecord[];
  /** A derivation was added for this submission. */
  derivationAdded(id: string | undefined): void;
  apply(id: string, event: SubmissionEvent, revision: number, trace?: string): void;
}

export function createSubmissions(): Submissions {
  const submissions = new Map<string, SubmissionRecord>();
  const byKey = new Map<string, SubmissionRecord>();
  const joiners = new Map<string, string[]>();
  return {
    get: (id) => submissions.get(id),
    byKey: (key) => byKey.get(key),
    joinedTo: (build) => joiners.get(build) ?? [],
    unqueued: () =>
      [...submissions.values()].filter(
        (submission) =>
          !submission.queued &&
          submission.setAside === undefined &&
          submission.roots.length === submission.wish.rootCount,
      ),
    derivationAdded(id) {
      const record = id === undefined ? undefined : submissions.get(id);
      if (record) record.added++;
    },
    apply(id, event, revision, trace) {
      if (event.type === 'SubmissionReceived') {
        const { roots, ...wish } = event.data;
        const record: SubmissionRecord = {
          id,
          wish,
          roots,
          joined: [],
          added: 0,
          queued: undefined,
          setAside: undefined,
          revision,
          ...(trace !== undefined && { trace }),
        };
        submissions.set(id, record);
        if (wish.key !== undefined) byKey.set(wish.key, record);
        return;
      }
      const record = submissions.get(id);
      if (!record) return;
      record.revision = revision;
      if (event.type === 'SubmissionRootsAdded') record.roots = [...record.roots, ...event.data.roots];
      else if (event.type === 'SubmissionSetAside') record.setAside = event.data.reason;
      else if (event.type === 'SubmissionResumed') record.setAside = undefined;
      else if (event.type === 'SubmissionJoined') {
        record.joined = [...record.joined, ...event.data.builds];
        for (const build of event.data.builds) joiners.set(build, [...(joiners.get(build) ?? []), id]);
      } else if (event.type === 'SubmissionQueued') {
        record.queued = event.data;
        record.roots = [];
      }
    },
  };
}
