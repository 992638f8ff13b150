import { type Standing, standings } from '../../domain/build/standing.ts';
import type { EarlierBuild } from '../../domain/history/events.ts';
import type { StoreItem } from '../../domain/item/events.ts';

/** A page of a list. `next` is given back as `after` to get the next one. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly next?: string;
}
export interface Paging {
  /** At most this many rows, 1 to 1,000. */
  readonly limit: number;
  readonly after?: string;
}

export const buildStates = ['queued', 'allocated', 'running', 'succeeded', 'failed', 'canceled'] as const;
export type BuildViewState = (typeof buildStates)[number];
/** What lists of builds can be asked for: states, how queued builds stand, and `building`: `allocated` or `running`. */
export const buildFilterStates = [...buildStates, ...standings, 'building'] as const;
/** Those of them that a build which has not ended can be in. */
export const unfinishedFilterStates = ['queued', 'allocated', 'running', ...standings, 'building'] as const;

export interface BuildRow {
  readonly id: string;
  readonly derivation: string;
  readonly system: string;
  readonly submission: string;
  readonly state: BuildViewState;
  /** How it stands with one that is queued; the views do not know it. */
  readonly standing?: Standing;
  /** Of one that an agent has: milliseconds that its like took before; the views do not know it. */
  readonly before?: number;
  readonly reason: string;
  readonly priority: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Number of the attempt that was allocated last, or that succeeded; 0 before the first. */
  readonly attempt: number;
  readonly agent: string | null;
  readonly submittedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly failure: { readonly class: string; readonly message: string } | null;
  /** When its last event happened. */
  readonly changedAt: number;
}
export interface AttemptRow {
  readonly attempt: number;
  readonly agent: string;
  readonly allocatedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** `running`, `succeeded`, `failed`, `setup-failed`, `released` or `canceled`. */
  readonly outcome: string;
  readonly failure: { readonly class: string; readonly message: string } | null;
  readonly logBytes: number | null;
}
export interface BuildDetail extends BuildRow {
  /** By whom and why, where it was; the views do not know it. */
  readonly canceled?: {
    readonly by: string;
    readonly name?: string;
    readonly at: number;
    readonly reason?: string;
    /** Nobody cancelled this one: what wanted it was. */
    readonly unwanted?: true;
  };
  readonly outputs: Readonly<Record<string, string>>;
  readonly attempts: readonly AttemptRow[];
  readonly options: {
    readonly maxAttempts?: number;
    readonly timeoutSeconds?: number;
    readonly maxSilentSeconds?: number;
    /** Milliseconds since the Unix epoch; it may have passed. */
    readonly deferUntil?: number;
  };
  /** Builds of the same derivation at other coordinators, those recorded last first: at most {@link earlierShown}. */
  readonly earlier?: readonly EarlierBuildRow[];
}
/** How many of them are shown with a build; lists have all. */
export const earlierShown = 20;
/** A build that ended at another coordinator, as that one tells of it. */
export interface EarlierBuildRow {
  /** What that coordinator is called here. */
  readonly source: string;
  /** What the build is called there. */
  readonly id: string;
  readonly derivation: string;
  readonly outcome: EarlierBuild['outcome'];
  readonly system: string | null;
  readonly agent: string | null;
  readonly submittedAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly message: string | null;
  /** When it was taken over. */
  readonly recordedAt: number;
}
export interface EarlierFilter {
  /** Base name. */
  readonly derivation?: string;
  readonly source?: string;
}
/** How many builds a filter names at a time, at most. */
export const mostAmong = 1000;
export interface BuildFilter {
  readonly state?: readonly BuildViewState[];
  /**
   * Queued builds that are wanted too, besides those of `state`: ids, newest first, of at most {@link mostAmong} that were submitted before
   * a build. Without `state`, no others.
   */
  readonly among?: (before: string | undefined) => readonly string[];
  readonly system?: string;
  /** Part of the derivation's name. */
  readonly name?: string;
  readonly agent?: string;
  readonly submission?: string;
  /** A submission that needs them, and to which they do not belong: they were under way. */
  readonly joinedBy?: string;
  readonly derivation?: string;
  /** `key` or `key=value`. */
  readonly tag?: string;
  /** Its last event happened then or later, milliseconds since the Unix epoch … */
  readonly since?: number;
  /** … before then … */
  readonly until?: number;
  /** … after this position … */
  readonly from?: string;
  /** … at this position or before it. */
  readonly to?: string;
}
export interface ItemRow extends StoreItem {
  readonly addedAt: number;
  /** Who brought it: `agent-NAME`, or the id of a client's token. */
  readonly addedBy: string;
  /** What that token is called; the views do not know it. */
  readonly addedByName?: string;
  /** It is being deleted: the cache does not serve it any more, and its bytes go then. Times in milliseconds since the Unix epoch. */
  readonly unpublished?: ItemUnpublished;
}
export interface ItemUnpublished {
  readonly at: number;
  readonly until: number;
  /** Id of a token, or what of the coordinator it was; and what the token is called, which the views do not know. */
  readonly by: string;
  readonly byName?: string;
  readonly reason: string;
}
export interface ItemFilter {
  /** Part of the item's name, without regard to case. */
  readonly name?: string;
  /** Base name of the derivation. */
  readonly deriver?: string;
  /** Name of the agent that brought it. */
  readonly agent?: string;
  /** Not before, milliseconds since the Unix epoch. */
  readonly since?: number;
}
export const submissionStates = [
  'under-way',
  'queued',
  'blocked',
  'set-aside',
  'succeeded',
  'failed',
  'canceled',
] as const;
export type SubmissionState = (typeof submissionStates)[number];
/** When a submission was cancelled, milliseconds since the Unix epoch, by whom and why. */
export interface SubmissionCancellation {
  readonly at: number;
  /** Id of a token. */
  readonly by: string;
  /** The token's name, where the answer is for people, too. */
  readonly name?: string;
  readonly reason: string | null;
}
export interface SubmissionRow {
  readonly id: string;
  readonly receivedAt: number;
  readonly queuedAt: number | null;
  /**
   * `under-way`: its builds are being made; `set-aside`: they are not, until an operator resumes it; `queued`: they are, and some have not
   * ended; `blocked`: nothing under way can set any of these going, which the views do not know. Once all have ended: `failed`, if one has, `canceled`, if one was, and `succeeded`. One that was cancelled is `canceled` at once.
   */
  readonly state: SubmissionState;
  /** Why it is set aside, where it is. */
  readonly setAside: string | null;
  readonly canceled: SubmissionCancellation | null;
  /** Number of derivations that were asked for, and the base name of the first. */
  readonly roots: number;
  readonly derivation: string | null;
  readonly reason: string;
  readonly counts: Readonly<Record<BuildViewState, number>>;
}

/** What has ids that people type; of an item or a derivation it is the base name. */
export const idKinds = ['builds', 'submissions', 'items', 'derivations'] as const;
export type IdKind = (typeof idKinds)[number];
export interface FoundId {
  readonly id: string;
  /** Base name of the derivation or item; of a submission, of the first that it asked for. */
  readonly name: string | null;
}

/** How many results are looked at for those of one tag, so that a tag that hardly any build has never makes the answer slow. */
export const resultsSearched = 5000;

/**
 * Tables that the lists and searches of the API read: a projection in a disposable SQLite file, kept by its own
 * subscription, with its checkpoint in the same transaction. Reads may lag behind the log; `reached` waits.
 */
export interface Views extends AsyncDisposable {
  /** Resolves once everything up to `position` is in the views: for whoever waits, that is after one transaction more than the one under way. */
  reached(position: string): Promise<void>;
  /** The log goes up to there. */
  stored(position: string): void;
  /** How far they are behind what they were told of the log. */
  lag(): ViewsLag;
  /** What keeps them from what they are behind by, in words, where something does. */
  trouble(): string | undefined;
  builds(filter: BuildFilter, paging: Paging): Page<BuildRow>;
  build(id: string): BuildDetail | undefined;
  /** Builds that have ended, the last one first: of the last {@link resultsSearched} at most `limit`, those with the tag (`key=value`), if one is given. */
  results(tag: string | undefined, limit: number): readonly BuildRow[];
  /** The last attempts at a derivation whose logs there may be, by the base name of the `.drv`: the newest first, a few at most. */
  logsOf(derivation: string): readonly { readonly build: string; readonly attempt: number }[];
  earlierBuilds(filter: EarlierFilter, paging: Paging): Page<EarlierBuildRow>;
  /** Those of the ids of a source's builds that are there. */
  knownEarlier(source: string, ids: readonly string[]): ReadonlySet<string>;
  items(filter: ItemFilter, paging: Paging): Page<ItemRow>;
  /** Base names of the items that another address in the cache leads to: `debuginfo/<build id>`, `nar/<name under which it was sent>`. */
  itemsAt(address: string): readonly string[];
  /** By the hash part of its path; deleted items are not there. */
  item(hashPart: string): ItemRow | undefined;
  /** At most `limit` ids that begin so, the newest first where they have an order of time. */
  ids(kind: IdKind, prefix: string, limit: number): readonly FoundId[];
  /** @param wanted those that are, as the views have them; without it all are. */
  submissions(paging: Paging, wanted?: (row: SubmissionRow) => boolean): Page<SubmissionRow>;
  submission(id: string): SubmissionRow | undefined;
  /** How many of the builds that a submission joined are in each state. */
  joinedBuilds(submission: string): Readonly<Record<BuildViewState, number>>;
  /** Where in the log something is, by the marks around it. Where `isBefore` does not follow their order, as the clock was set back, it is one of the places that it can be. */
  marks(isBefore: (mark: EventMark) => boolean): MarksAround;
  /**
   * Makes all views anew from the log, beside those that are there, which are read until the new ones have caught up and take their place
   * in one step. Yields how far it is; a signal that aborts, a failure or a crash leaves the old ones. Throws `views-rebuilding` where it
   * is under way already.
   */
  rebuild(signal: AbortSignal): AsyncIterable<ViewsProgress>;
}

/** An event whose place the views have kept. */
export interface EventMark {
  /** Counted from the first event of the log, which is 1. */
  readonly number: number;
  readonly position: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}
/** Two marks between which there is no other. */
export interface MarksAround {
  /** One that is before; `undefined` where none is. */
  readonly last?: EventMark;
  /** The one after it, which is not; `undefined` as far as the views have come. */
  readonly next?: EventMark;
}

export interface ViewsLag {
  /** That are not in the views yet; absent where the engine does not number them. */
  readonly events?: number;
  /** For how long the oldest of them has been stored, by a tenth of a second. */
  readonly seconds: number;
}

/** A place where what is kept of the log says other than the log: texts as `log` gives them and as they are there, `null` for nothing. */
export interface Difference {
  /** The table, or the kind of thing in a snapshot. */
  readonly view: string;
  /** Names the row in it. */
  readonly key: string;
  readonly log: string | null;
  readonly there: string | null;
}

/** How far views are that are made anew. */
export interface ViewsProgress {
  /** Events that are in them. */
  readonly events: number;
  /** Events of the log, where the engine counts them. */
  readonly total?: number;
}
