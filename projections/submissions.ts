import { isEnded } from '../domain/build/state.ts';
import type { Tags } from '../domain/event.ts';
import type { SubmissionEvent, SubmissionReceived } from '../domain/submission/events.ts';
import { evolveSubmission, type SubmissionStatus } from '../domain/submission/state.ts';
import { type BuildRecord, buildId } from './builds.ts';
import type { Drv, Graph } from './graph.ts';
import { createMemory, type Memory } from './memory.ts';

export interface SubmissionRecord {
  readonly id: string;
  readonly wish: Omit<SubmissionReceived['data'], 'roots' | 'rootTags'>;
  status: SubmissionStatus;
  /** Base names of the derivations that were asked for; moved to `requested` once everything is queued. */
  roots: readonly string[];
  /** Tags of single roots; dropped once everything is queued. */
  rootTags: Readonly<Record<string, Tags>>;
  /** The same once everything is queued: there may be many submissions, and names are long. A typed array of few takes twice as much. */
  requested: readonly Drv[];
  /** Ids of builds that were under way and build roots of it. */
  joined: readonly string[];
  /** Derivations that were added for it. */
  added: number;
  queued: Extract<SubmissionEvent, { type: 'SubmissionQueued' }>['data'] | undefined;
  /** Why it is not queued though it could be; `undefined` where it is not set aside. */
  setAside: string | undefined;
  /** How many builds of it have not ended, its own and those that it joined. */
  pending: number;
  /** Nothing of it is under way, nor will be. */
  isOver: boolean;
  revision: number;
  /** Given where it is cancelled: by whom, why, and with which event of its stream. */
  canceled?: { readonly by: string; readonly reason: string | undefined; readonly revision: number };
  /** `traceparent` of its first event. */
  readonly trace?: string;
}

/** Submissions, and which of them are not wholly queued yet. */
export interface Submissions {
  get(id: string): SubmissionRecord | undefined;
  byKey(key: string): SubmissionRecord | undefined;
  /** Ids of submissions that joined a build. */
  joinedTo(build: string): readonly string[];
  /** Those that are neither wholly queued nor cancelled. */
  open(): Iterable<SubmissionRecord>;
  /** All roots are on the stream, but not all builds: the coordinator was stopped in between. Without those that are set aside. */
  unqueued(): SubmissionRecord[];
  /**
   * Submissions with derivations whose outputs were there when it was queued, and something that these refer to was not: no build of such
   * a derivation tells that its submission wants what is built for it.
   */
  withoutBuild(): Iterable<readonly [SubmissionRecord, readonly Drv[]]>;
  /** Whether there are such, or some whose roots are still coming. */
  readonly isQueueing: boolean;
  /** A derivation was added for this submission. */
  derivationAdded(id: string | undefined): void;
  /** A build of the submission is under way from now on. */
  buildBegan(submission: string): void;
  buildEnded(build: BuildRecord): void;
  /** Whether a submission that is not wholly queued asks for the derivation. */
  isAwaited(path: string): boolean;
  /** The build goes, which has ended. */
  forgetBuild(id: string): void;
  /** The submission goes: it is over, and its builds are gone. */
  forget(id: string): void;
  apply(id: string, event: SubmissionEvent, revision: number, by: string, trace?: string): void;
  /** Lines of text that are the same for the same state. */
  describe(): Iterable<string>;
}

export interface SubmissionSources {
  readonly graph: Pick<Graph, 'drvOf'>;
  build(id: string): BuildRecord | undefined;
  buildsOf(submission: string): readonly BuildRecord[];
  /** Whether all outputs of the derivation are available. */
  hasOutputs(drv: Drv): boolean;
  /** It asked for this, with these tags, and has no build of it: the outputs are there, or `build` was under way. */
  askedWithoutBuild(record: SubmissionRecord, drv: Drv, tags: Tags, build?: BuildRecord): void;
  /** Its roots are `requested` from now on, and no more by name. */
  queued(record: SubmissionRecord): void;
  /** It is not going to be queued: its roots are not asked for any more. */
  dropped(record: SubmissionRecord): void;
  over(record: SubmissionRecord): void;
}

/** One for all of them. */
const nothing: readonly never[] = [];
const noTags: Tags & Readonly<Record<string, Tags>> = {};

export function createSubmissions(sources: SubmissionSources, memory: Memory = createMemory()): Submissions {
  const { graph, build, buildsOf, hasOutputs, askedWithoutBuild } = sources;
  const submissions = memory.map<string, SubmissionRecord>('submissions');
  const byKey = new Map<string, SubmissionRecord>();
  const joiners = memory.map<string, string[]>('joiners');
  const open = new Set<SubmissionRecord>();
  /** By how many submissions that are open a derivation is asked for. */
  const awaited = new Map<string, number>();
  const withoutBuild = new Map<SubmissionRecord, readonly Drv[]>();
  memory.part('withoutBuild', {
    save: () => Array.from(withoutBuild, ([{ id }, drvs]) => [id, drvs] as const),
    load(saved: readonly (readonly [string, readonly Drv[]])[]) {
      for (const [id, drvs] of saved) withoutBuild.set(submissions.get(id) as SubmissionRecord, drvs);
      for (const record of submissions.values()) {
        if (record.status === 'received') {
          open.add(record);
          expect(record.roots, 1);
        }
        if (record.wish.key !== undefined) byKey.set(record.wish.key, record);
      }
    },
  });

  function expect(roots: readonly string[], more: 1 | -1): void {
    for (const root of roots) {
      const now = (awaited.get(root) ?? 0) + more;
      if (now === 0) awaited.delete(root);
      else awaited.set(root, now);
    }
  }

  function settle(record: SubmissionRecord): void {
    if (record.isOver || record.pending > 0 || record.status === 'received') return;
    record.isOver = true;
    sources.over(record);
  }

  function buildEnded(id: string): void {
    const record = submissions.get(id);
    if (record === undefined) return;
    record.pending--;
    settle(record);
  }

  function queued(record: SubmissionRecord, data: NonNullable<SubmissionRecord['queued']>): void {
    record.queued = data;
    const drvs: Drv[] = [];
    for (const root of record.roots) {
      const drv = graph.drvOf(root);
      if (drv !== undefined) drvs.push(drv);
    }
    // What was reserved for more is as much again.
    record.requested = drvs.slice();
    if (data.available + data.joined > 0 || drvs.length > data.builds) lookForOthers(record);
    sources.queued(record);
    record.roots = nothing;
    record.rootTags = noTags;
  }

  /** What it has no builds of. */
  function lookForOthers(record: SubmissionRecord): void {
    const joined = new Map<Drv, BuildRecord>();
    for (const id of record.joined) {
      const other = build(id);
      if (other) joined.set(other.drv, other);
    }
    const built = new Set<Drv>();
    for (const { asked, drv } of buildsOf(record.id).filter(Boolean)) if (asked !== 'input') built.add(drv);
    const lacking: Drv[] = [];
    for (const root of record.roots) {
      const drv = graph.drvOf(root);
      if (drv === undefined || built.has(drv)) continue;
      const other = joined.get(drv);
      if (other === undefined && !hasOutputs(drv)) lacking.push(drv);
      else if (record.wish.reason !== 'rebuild') askedWithoutBuild(record, drv, tagsOf(record, root), other);
    }
    if (lacking.length > 0) withoutBuild.set(record, lacking);
  }

  return {
    get isQueueing() {
      for (const { setAside } of open) if (setAside === undefined) return true;
      return false;
    },
    get: (id) => submissions.get(id),
    byKey: (key) => byKey.get(key),
    joinedTo: (build) => joiners.get(build) ?? [],
    open: () => open,
    withoutBuild: () => withoutBuild,
    unqueued: () =>
      [...open].filter(({ setAside, roots, wish }) => setAside === undefined && roots.length === wish.rootCount),
    *describe() {
      for (const record of submissions.values()) {
        const { id, status, roots, rootTags, requested, joined, setAside, revision } = record;
        const lacking = withoutBuild.get(record) ?? [];
        yield `submission ${JSON.stringify({ id, status, roots, rootTags, requested, joined, setAside, revision, lacking })}`;
      }
    },
    buildBegan(id) {
      const record = submissions.get(id);
      if (record !== undefined) record.pending++;
    },
    buildEnded(build) {
      buildEnded(build.submission);
      for (const id of joiners.get(buildId(build)) ?? []) buildEnded(id);
    },
    isAwaited: (path) => awaited.has(path),
    forgetBuild: (id) => void joiners.delete(id),
    forget(id) {
      const record = submissions.get(id);
      if (record === undefined) return;
      submissions.delete(id);
      withoutBuild.delete(record);
      const { key } = record.wish;
      if (key !== undefined && byKey.get(key) === record) byKey.delete(key);
    },
    derivationAdded(id) {
      const record = id === undefined ? undefined : submissions.get(id);
      if (record) record.added++;
    },
    apply(id, event, revision, by, trace) {
      if (event.type === 'SubmissionReceived') {
        const { roots, rootTags = noTags, ...wish } = event.data;
        const record: SubmissionRecord = {
          id,
          wish,
          status: evolveSubmission('none', event),
          roots,
          requested: nothing,
          rootTags,
          joined: nothing,
          added: 0,
          queued: undefined,
          setAside: undefined,
          pending: 0,
          isOver: false,
          revision,
          ...(trace !== undefined && { trace }),
        };
        submissions.set(id, record);
        open.add(record);
        expect(roots, 1);
        if (wish.key !== undefined) byKey.set(wish.key, record);
        return;
      }
      const record = submissions.get(id);
      if (!record) return;
      record.revision = revision;
      record.status = evolveSubmission(record.status, event);
      if (record.status !== 'received' && open.delete(record)) {
        expect(record.roots, -1);
        if (event.type !== 'SubmissionQueued') sources.dropped(record);
      }
      if (event.type === 'SubmissionRootsAdded') {
        if (open.has(record)) expect(event.data.roots, 1);
        record.roots = [...record.roots, ...event.data.roots];
        record.rootTags = { ...record.rootTags, ...event.data.rootTags };
      } else if (event.type === 'SubmissionSetAside') record.setAside = event.data.reason;
      else if (event.type === 'SubmissionResumed') record.setAside = undefined;
      else if (event.type === 'SubmissionCanceled') record.canceled = { by, reason: event.data.reason, revision };
      else if (event.type === 'SubmissionJoined') {
        record.joined = [...record.joined, ...event.data.builds];
        for (const joined of event.data.builds) {
          const other = build(joined);
          if (other === undefined) continue;
          joiners.set(joined, [...(joiners.get(joined) ?? []), id]);
          if (!isEnded(other.state.status)) record.pending++;
        }
      } else if (event.type === 'SubmissionQueued') queued(record, event.data);
      settle(record);
    },
  };
}

/** Those of one of its roots. */
export function tagsOf({ wish, rootTags }: Pick<SubmissionRecord, 'wish' | 'rootTags'>, root: string): Tags {
  const own = rootTags[root];
  const all = wish.options.tags ?? noTags;
  return own === undefined ? all : { ...all, ...own };
}
