import type { AgentAbilities, AgentPlace } from '../domain/agent/events.ts';
import type { AgentMessage, AgentOob, Hello, Welcome } from '../domain/agent/messages.ts';
import type { Intake } from '../domain/agent/state.ts';
import type { Standing } from '../domain/build/standing.ts';
import type { BuildStatus } from '../domain/build/state.ts';
import type { Tags } from '../domain/event.ts';
import type { StoreItem } from '../domain/item/events.ts';
import type { BuildOptions } from '../domain/submission/events.ts';
import type { Scope } from '../domain/token/events.ts';
import type { RecentFailure } from '../projections/agents.ts';
import type { BlockingCause } from '../projections/blocked.ts';
import type { Blockage } from '../projections/blockers.ts';
import type { Amount } from '../projections/garbage.ts';
import type { KeepReason } from '../projections/kept.ts';
import type { Outlook } from '../projections/outlook.ts';
import type { SubmissionTimes } from '../projections/submission-times.ts';
import type { Why } from '../projections/why.ts';
import type { BuildHistory } from './history/entries.ts';
import type { HookWishes } from './hooks/wishes.ts';
import type { FileFault, UploadDeclaration, UploadStatus } from './ports/pool.ts';
import type { CheckUpstream } from './upstreams/closure-search.ts';
import type { UpstreamProbe, UpstreamStatus } from './upstreams/status.ts';
import type { OpenedNar, ServedUpstreamItem } from './upstreams/upstreams.ts';

export type { Standing } from '../domain/build/standing.ts';
export type { LastFailure } from '../domain/build/state.ts';
export type { BlockingCause } from '../projections/blocked.ts';
export type { Blockage, Blocker } from '../projections/blockers.ts';
export type { Estimate } from '../projections/estimate.ts';
export type { Amount } from '../projections/garbage.ts';
export type { KeepReason } from '../projections/kept.ts';
export type { Outlook, OutlookNode, OutlookState } from '../projections/outlook.ts';
export type { Advice, PathStep, PhaseSums, SubmissionTimes } from '../projections/submission-times.ts';
export type { Phase } from '../projections/timeline.ts';
export type { WaitedInput, Why } from '../projections/why.ts';
export type { BuildHistory, HistoryEntry, HookResult, WaitedItem } from './history/entries.ts';
export type { UpstreamProbe, UpstreamStatus } from './upstreams/status.ts';
export type { ServedUpstreamItem } from './upstreams/upstreams.ts';

/**
 * What the coordinator can be asked, whoever asks: HTTP, the agent link, tests, the simulation. A method that changes
 * something resolves once its events are durable (I1) and rejects with a `DroverError` where the wish is refused (I12).
 */
export interface Application extends HookWishes {
  readonly storeDir: string;
  readonly publicKeys: readonly string[];
  /** The public key that checkpoints of the log are signed with. */
  readonly auditKey: string | undefined;
  /** The newest checkpoint of the log, a signed note; `undefined` before the first. */
  checkpoint(): string | undefined;

  /** Whether writes are taken; if not, why. Reasons that come with `ready` are warnings. */
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] };
  /** Resolves once all that was decided so far is durable: what is read after that will still be true after a power cut (I1). */
  settled(): Promise<void>;
  /** Position of the last event that is durable. */
  position(): string | undefined;
  /** Figures of the whole farm, from the hot projections. */
  status(): FarmStatus;

  // Tokens. A secret is shown once; the log has its hash.
  authenticate(secret: string): Principal | undefined;
  createToken(
    by: Principal,
    wish: { name: string; scope: Exclude<Scope, 'agent'> },
  ): Promise<{ id: string; secret: string }>;
  /**
   * A new token for an agent. Those that it had are accepted for `overlapSeconds` more, so that it can be handed over; 0 revokes them now.
   * `until`: when they end, milliseconds since the Unix epoch.
   */
  rotateToken(by: Principal, agent: string, wish: { overlapSeconds: number }): Promise<RotatedToken>;
  /** The last token of scope admin is only revoked where `force` says so. */
  revokeToken(by: Principal, id: string, wish?: { readonly force?: boolean }): Promise<void>;
  tokens(): readonly TokenInfo[];
  /** Name of a token that is or was; of anything else that acts, what it is called in events. */
  nameOf(actor: string): string;

  // Agents.
  addAgent(by: Principal, name: string): Promise<{ secret: string }>;
  /** `pause`: nothing new; `resume`: ends a pause, a drain or a quarantine, and an agent that is unfit tries itself again; `drain`: nothing new, leave when done; `remove`: its builds are released, its token revoked. */
  steerAgent(
    by: Principal,
    name: string,
    wish: 'pause' | 'resume' | 'drain' | 'remove',
    reason?: string,
  ): Promise<AgentStatus>;
  agents(): readonly AgentStatus[];

  // Derivations, submissions, builds.
  /** Those of `paths` (base names) that the coordinator lacks. */
  missingDerivations(paths: readonly string[]): Promise<readonly string[]>;
  /** Verifies and keeps derivations for a submission to come, inputs first; writes no event. */
  addDerivations(derivations: readonly { path: string; text: Uint8Array }[]): Promise<{ added: number }>;
  /** Sources that the closures of `roots` name and the pool lacks (base names). */
  missingSources(roots: readonly string[], checkUpstream?: CheckUpstream): Promise<readonly string[]>;
  submit(by: Principal, wish: SubmitWish): Promise<SubmitResult>;
  /** The submission that this token has made under an idempotency key, as far as the coordinator has it. */
  submissionOf(by: Principal, key: string): string | undefined;
  /** Has a submission queued that was set aside; resolves once that is noted, not once it is queued. */
  resumeSubmission(by: Principal, submission: string): Promise<void>;
  why(build: string): Promise<Why>;
  /** What happened to a build and around it, in order; a page of `limit` of its own events after a revision. */
  buildHistory(
    build: string,
    page: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<BuildHistory>;
  /**
   * Builds of a submission, those that it joined included, that have not ended, and those of them that are blocked. Nothing counts as
   * blocked while submissions are being queued: one of them may make what is waited for.
   */
  blockage(submission: string): Promise<Blockage>;
  /** Whether it has builds that have not ended, those that it joined included, and all of them are blocked. */
  isBlocked(submission: string): boolean;
  /** How it stands with a build that is queued; `undefined` where it is not. */
  standing(build: string): Standing | undefined;
  /** Ids of builds that stand so, the newest first: at most `limit` of those that were submitted before another build. */
  newestStanding(wanted: ReadonlySet<Standing>, limit: number, before: string | undefined): readonly string[];
  /** Where the time of a submission went, that of builds that it joined included; `undefined` where it has no build. */
  submissionTimes(submission: string): Promise<SubmissionTimes | undefined>;
  /** How far a submission is, and when it may end; as it was a moment ago, where somebody asked then. */
  outlook(submission: string): Promise<Outlook>;
  /** How many of the builds that the submission joined are in which state, up to the first that has not ended. */
  joinedBuilds(submission: string): Readonly<Record<BuildStatus, number>>;
  /** Finishes the log of an attempt that is over: a stop of the coordinator may have come before that. */
  settleLog(build: string, attempt: number): Promise<void>;
  /**
   * Ends what a submission wants: the build, unless another submission wants it, and what nobody wants without it. `force` ends it in any
   * case; `preview` changes nothing. One that was cancelled already has nothing left to end.
   */
  cancelBuild(by: Principal, build: string, wish?: CancelWish): Promise<CancelResult>;
  /** The same for several at once; those that have ended are passed over. */
  cancelBuilds(by: Principal, wish: CancelWish & { readonly builds: readonly string[] }): Promise<CancelResult>;
  /** Ends all that the submission wants and nobody else does; no more builds of it are made. */
  cancelSubmission(
    by: Principal,
    submission: string,
    wish?: Omit<CancelWish, 'force' | 'dependents'>,
  ): Promise<CancelResult>;
  prioritizeBuild(by: Principal, build: string, priority: number): Promise<void>;
  /** Has no agent given a queued build before an instant; without one, or one that has passed, it is not deferred any more. */
  deferBuild(
    by: Principal,
    build: string,
    wish: { readonly until?: number | undefined; readonly reason?: string | undefined },
  ): Promise<void>;
  /** A new build of the same derivation with the same options, for a build that failed or was cancelled. */
  retryBuild(by: Principal, build: string): Promise<SubmitResult>;
  /**
   * The same for several at once, in one submission per set of options. Passed over are those of which another build is under way, or whose
   * outputs are there. `preview` changes nothing.
   */
  retryBuilds(
    by: Principal,
    wish: { readonly builds: readonly string[]; readonly preview?: boolean },
  ): Promise<RetryResult>;
  /** Submits what the submission asked for once more, with the same options: what failed or was cancelled of it is built again. */
  retrySubmission(by: Principal, submission: string): Promise<SubmitResult>;
  /** Refuses names of a filter that nobody bears: what they are asked for would be an empty list. */
  checkNames(names: { readonly agent?: string | undefined; readonly submission?: string | undefined }): void;

  // Uploads: of sources by clients, of outputs by agents.
  beginUpload(
    by: Principal,
    declaration: UploadDeclaration & { build?: string; attempt?: number },
  ): Promise<UploadStatus>;
  uploadStatus(by: Principal, id: string): Promise<UploadStatus>;
  writeUpload(by: Principal, id: string, offset: number, body: AsyncIterable<Uint8Array>): Promise<UploadStatus>;

  // Roots.
  /** Those that keep something, by name. */
  roots(): readonly RootStatus[];
  root(name: string): RootDetail;
  /** Keeps store items with all that they refer to, beside what the name keeps already. */
  addRoot(by: Principal, name: string, wish: RootWish): Promise<RootDetail>;
  /** @param wish which of its targets are not kept any more; all of them if it names none. */
  removeRoot(
    by: Principal,
    name: string,
    wish?: { readonly targets?: readonly string[] | undefined; readonly reason?: string | undefined },
  ): Promise<void>;

  // Upstreams.
  /** Other caches whose substitutes count as available, the one that is asked first at the head. */
  upstreams(): readonly UpstreamStatus[];
  upstream(name: string): UpstreamStatus;
  /** Asks one now for what it is, and for store items (base names). */
  checkUpstream(name: string, items: readonly string[]): Promise<UpstreamProbe>;

  // The cache.
  /** What may be served now (I7), by the hash part of its path. */
  servable(hashPart: string): StoreItem | undefined;
  /** What only an upstream has of what may be served now: its narinfo is as the upstream signed it, and its NAR comes through here. */
  upstreamItem(hashPart: string): ServedUpstreamItem | undefined;
  /** The NAR of such an item, if it has this hash still and the upstream gives it. */
  openUpstream(hashPart: string, narHash: string, signal: AbortSignal, via?: string): Promise<OpenedNar | undefined>;
  /** Whether its upstream has such an item for those on whose behalf another coordinator asks (`via`): not, where it would have it from them. */
  confirmUpstream(hashPart: string, via: string, signal: AbortSignal): Promise<boolean>;
  /** Base name of something that keeps an item from being servable, as it is not there: itself, or what it refers to. */
  lackOf(path: string): string | undefined;
  /**
   * Has store items deleted, in two phases (`coordinator/items/deletions.ts`): all of them, or none where one is needed and `force` is not set.
   *
   * @throws DroverError `unknown-item`, `item-needed`.
   */
  deleteItems(by: Principal, wish: DeletionWish): Promise<DeletionReport>;
  /**
   * Has what nobody needs deleted, and says how far it is; it ends with its reader. One at a time.
   *
   * @throws DroverError `collection-under-way`, `no-roots`; before anything went.
   */
  collect(by: Principal, wish: CollectionWish): AsyncIterable<CollectionReport>;
  /** What keeps an item, or when it goes. */
  whyItem(path: string): Promise<ItemWhy>;
  /** Compares the pool with the log, all of it or some items; what is found wrong is missing from then on, and rebuilt where it is needed. */
  verifyItems(by: Principal, wish: VerifyWish): AsyncIterable<VerifyReport>;
  /**
   * Called where the file of an item is in doubt: `size`, it was not there; `recent`, nobody has looked for a while; `all`, its bytes were
   * wrong. It is looked at; what is wrong becomes StoreItemMissing, so that what needs it waits for a rebuild.
   */
  doubtItem(base: string, how: 'all' | 'recent' | 'size'): Promise<void>;

  // The agent link (see domain/agent/messages.ts).
  /** A link was opened, from this address. An older link of the agent is closed first. */
  agentConnected(
    agent: string,
    hello: Hello,
    address?: string,
  ): Promise<Omit<Welcome, 'kind' | 'protocol' | 'agent' | 'session' | 'received' | 'asks'>>;
  /** Resolves once what the message caused is durable; then it is acknowledged. Rejects with DroverError for an attempt that is not the agent's: it is acknowledged and logged, and changes nothing. */
  agentMessage(agent: string, message: AgentMessage): Promise<void>;
  /** For a log chunk: the size of the log held afterwards. */
  agentOob(agent: string, oob: AgentOob): Promise<void>;
  /** The agent was asked whether it is there, and is; what it said of itself last still holds. */
  agentAnswered(agent: string): void;
  agentDisconnected(agent: string, reason: string): Promise<void>;
  /** A process with the agent's token was turned away. */
  agentRefused(agent: string, refusal: AgentRefusal): void;
}

/** Who asks: a token, or the coordinator itself. */
export interface Principal {
  /** Token id; becomes the events' actor. */
  readonly id: string;
  readonly scope: Scope;
  /** The agent it belongs to, for scope `agent`. */
  readonly agent?: string;
}

export interface RotatedToken {
  readonly id: string;
  readonly secret: string;
  /** Ids of the tokens that it takes the place of. */
  readonly replaced: readonly string[];
  readonly until?: number;
}

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  readonly agent?: string;
  readonly issuedAt: number;
  readonly revoked: boolean;
  /** When it will be revoked, milliseconds since the Unix epoch. */
  readonly until?: number;
}

export interface SubmitWish {
  /** Base names of derivations, without repeats. */
  readonly roots: readonly string[];
  /** Tags that are kept with the builds of single roots, beside those of `options`. */
  readonly rootTags?: Readonly<Record<string, Tags>>;
  readonly options: BuildOptions;
  readonly inputs: boolean;
  readonly force: boolean;
  /** What upstreams are asked for before anything is built: what is asked for and its inputs (`all`, as if absent), its inputs alone, or nothing. */
  readonly checkUpstream?: CheckUpstream;
  /** Keeps what is asked for, under this name, for so long from now on; for good if it does not say. */
  readonly root?: { readonly name: string; readonly keepSeconds?: number };
  /** The same key with the same wish gives the same submission. */
  readonly idempotencyKey?: string;
  /** The client's place in a trace, as its `traceparent`. One that is none is ignored. */
  readonly traceparent?: string;
}
export interface SubmitResult {
  readonly submission: string;
  /** Derivations that were new. */
  readonly derivations: number;
  /** Builds submitted. */
  readonly builds: number;
  /** Roots whose outputs are available already. */
  readonly available: number;
  /** Of `available`, those of which an upstream has an output that the pool has not; absent: none. */
  readonly upstream?: number;
  /** Store items that upstreams were found to have; absent: none. */
  readonly foundUpstream?: number;
  /** Builds under way that were joined. */
  readonly joined: readonly string[];
}

export interface CancelWish {
  /** For the record. */
  readonly reason?: string | undefined;
  /** Also what other submissions want. */
  readonly force?: boolean | undefined;
  /** Also all that waits for them. */
  readonly dependents?: boolean | undefined;
  /** Only says what would happen. */
  readonly preview?: boolean | undefined;
}
/** What ended, or would. */
export interface CancelResult {
  /** Builds that were cancelled. */
  readonly canceled: number;
  /** Others that ended with them, as nobody wants them any more. */
  readonly unwanted: number;
  /** Builds that go on, as other submissions want them. */
  readonly kept: number;
  /** Unfinished builds that wait for one of those that ended. */
  readonly waiting: number;
  /** The first hundred of those that ended or go on. */
  readonly builds: readonly {
    readonly build: string;
    readonly derivation: string;
    /** Before. */
    readonly state: BuildStatus;
    readonly outcome: 'canceled' | 'unwanted' | 'kept';
    /** Submissions that want it, one or two of however many. */
    readonly wantedBy: readonly string[];
  }[];
}
export interface RetryResult {
  /** Derivations that are built again. */
  readonly retried: number;
  /** Builds that were passed over: another of the derivation is under way … */
  readonly underWay: number;
  /** … or its outputs are there. */
  readonly available: number;
  /** The first hundred of those that are built again. */
  readonly builds: readonly { readonly build: string; readonly derivation: string }[];
  readonly submissions: readonly SubmitResult[];
}

export interface DeletionWish {
  /** Base names. */
  readonly items: readonly string[];
  readonly reason: string;
  /** Without a wait for clients that have the narinfo; also for what is unpublished already. */
  readonly now?: boolean | undefined;
  /** Also what is needed. */
  readonly force?: boolean | undefined;
  /** Only says what would happen. */
  readonly preview?: boolean | undefined;
  /** Passes over what there is not. */
  readonly skipMissing?: boolean | undefined;
}

/** Who needs a store item: a build, an upload of something that refers to it, or another item that does. */
export interface ItemNeed {
  readonly kind: 'root' | 'build' | 'upload' | 'item';
  readonly root?: string;
  readonly build?: string;
  readonly derivation?: string;
  readonly item?: string;
  /** As one tells it to a person. */
  readonly text: string;
}

export interface RootWish {
  /** Base names of store items, or base names of derivations or ids of builds for all their outputs. */
  readonly targets: readonly string[];
  /** How long they are kept from now on; for good if absent. What is kept for longer already stays so. */
  readonly ttlSeconds?: number | undefined;
  /** Whether what it keeps beside these goes. */
  readonly replace?: boolean | undefined;
}
export interface RootStatus {
  readonly name: string;
  /** Who keeps it. */
  readonly source: 'api' | 'submission' | 'config';
  /** How many store items it names, and how many of them are not available. */
  readonly targets: number;
  readonly unavailable: number;
  /** When something was added last, milliseconds since the Unix epoch, and by whom. */
  readonly addedAt: number;
  readonly addedBy: string;
  /** When something of it expires first. */
  readonly until?: number;
}
export interface RootDetail extends RootStatus {
  readonly kept: readonly {
    readonly item: string;
    readonly state: 'available' | 'unpublished' | 'unavailable';
    readonly until?: number;
  }[];
}

/** What went, or would. Lists end after a hundred; numbers do not. */
export interface DeletionReport {
  /** All that were named, as they are now; `until` is when the bytes go, milliseconds since the Unix epoch. */
  readonly items: readonly {
    readonly item: string;
    readonly state: 'present' | 'unpublished' | 'deleted';
    readonly until?: number;
  }[];
  /** How many of them are needed. */
  readonly needed: number;
  readonly needs: readonly { readonly item: string; readonly by: readonly ItemNeed[] }[];
  /** How many derivations are built again, as unfinished builds or roots need what they make. */
  readonly rebuilds: number;
  readonly derivations: readonly string[];
  /** Needed, and no known derivation makes them: builds wait until somebody sends them again. */
  readonly sources: readonly string[];
  /** Bytes of files that go. */
  readonly freed: number;
}

export interface VerifyWish {
  /** Whether every byte is read; otherwise it is only looked whether the files are there, with their sizes. */
  readonly full: boolean;
  /** Base names; all items if absent. */
  readonly paths?: readonly string[] | undefined;
  /** Bytes that are read in a second at most. */
  readonly rate?: number | undefined;
  /** Whether what is wrong is built again, also where nobody needs it. */
  readonly repair?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How far a verification is, an item that is wrong, or the end. Numbers of items and of bytes of files, which are those to be read. */
export type VerifyReport =
  | {
      readonly type: 'progress' | 'end';
      readonly checked: number;
      readonly total: number;
      readonly bytes: number;
      readonly totalBytes: number;
      readonly wrong: number;
    }
  | {
      readonly type: 'wrong';
      readonly item: string;
      readonly fault: FileFault['kind'];
      readonly message: string;
      /** Where it was to be repaired: the submission that builds it again; `null` if no known derivation makes it. */
      readonly rebuild?: string | null;
      /** The upstream from which it was fetched into the pool again. */
      readonly upstream?: string;
    };

/** How the verification is that goes on by itself; times in milliseconds since the Unix epoch. */
export interface VerificationStatus {
  readonly state: 'running' | 'waiting';
  /** When it began last. */
  readonly begun?: number;
  /** When the last one ended that was whole. */
  readonly ended?: number;
  /** When the next begins. */
  readonly next?: number;
  /** Of the one that runs, or the last: items that were looked at, all there are to look at, bytes that were read, and items that were wrong. */
  readonly checked: number;
  readonly total: number;
  readonly bytes: number;
  readonly wrong: number;
}

export interface CollectionWish {
  /** Only says what would go. */
  readonly preview?: boolean | undefined;
  /** Without a wait for clients that have the narinfo. */
  readonly now?: boolean | undefined;
  /** What was published less long ago stays, with all that it refers to; as long as the cache's time to live if absent. */
  readonly olderThanSeconds?: number | undefined;
  /** Ends once so many bytes go, or went. */
  readonly maxFreed?: number | undefined;
  /** Ends once so many bytes are free where the pool is, those that go already counted. */
  readonly keepFree?: number | undefined;
  /** Whether what kept items were built with stays, too. */
  readonly buildInputs?: boolean | undefined;
  /** Whether it is meant where no root keeps anything. */
  readonly withoutRoots?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How far a collection is, or its end. Numbers of items and bytes of files. */
export type CollectionReport =
  | {
      readonly type: 'progress';
      readonly phase: 'planning' | 'deleting';
      readonly items: number;
      readonly total: number;
      readonly bytes: number;
    }
  | {
      readonly type: 'end';
      /** What went, or would. */
      readonly items: number;
      /** Of files that went, or go at `until`; those that other items have are not among them. */
      readonly bytes: number;
      /** When the last of the bytes go, where clients may have their narinfos; milliseconds since the Unix epoch. */
      readonly until?: number;
      /** Items that came to be needed, or went, while it was under way. */
      readonly spared: number;
      /** Items that might have gone, too, had it not been for a bound. */
      readonly left: number;
      /** What was kept, by the firmest reason. */
      readonly kept: Readonly<Record<KeepReason, Amount>>;
    };

/** Why an item is here, or not. */
export interface ItemWhy {
  readonly item: string;
  readonly state: 'present' | 'unpublished' | 'gone';
  /** What keeps it from being collected; absent where nothing does. */
  readonly reason?: KeepReason;
  /** From what is kept for itself down to the item, each referring to the next. */
  readonly chain: readonly string[];
  readonly root?: string;
  readonly build?: string;
  /** Until when the reason holds, or when the bytes of what is unpublished go; milliseconds since the Unix epoch. */
  readonly until?: number;
  /** When the next collection of the schedule comes. */
  readonly nextCollection?: number;
  /** All that in a sentence. */
  readonly summary: string;
}

/** Why a process that has an agent's token is turned away. */
export interface AgentRefusal {
  /** One of `coordinator/errors.ts`. */
  readonly code: string;
  readonly message: string;
  readonly place?: AgentPlace;
}

export interface AgentStatus {
  readonly name: string;
  readonly state: 'new' | 'connected' | 'disconnected' | 'lost' | 'retired';
  /** `accepting`, or why it gets nothing new. */
  readonly intake: Intake;
  readonly reason?: string;
  /** End of the lease or of the quarantine, milliseconds since the Unix epoch. */
  readonly until?: number;
  /** What an operator said last; `drained` once nothing runs any more. */
  readonly operator: {
    readonly said: 'active' | 'paused' | 'draining' | 'drained';
    readonly reason?: string;
    readonly since?: number;
    /** The operator's token, its id and what it is called. */
    readonly by?: string;
    readonly byName?: string;
  };
  /** How its link is, and since when; `left`: it was stopped, and no link was lost. */
  readonly link: {
    readonly state: 'new' | 'connected' | 'disconnected' | 'left' | 'lost' | 'retired';
    readonly since: number;
    readonly reason?: string;
    /** It is being stopped: it leaves once nothing runs. */
    readonly leaving?: true;
    /** Where the process is that has, or had, the link. */
    readonly place?: AgentPlace;
  };
  readonly quarantine?: { readonly since: number; readonly reason?: string };
  /** It tried itself, and cannot build. */
  readonly unfit?: { readonly since: number; readonly reason: string };
  /** It takes nothing for now: its machine is busy (`load`), or its store over its bounds (`collecting`, and `disk` where that was not enough). */
  readonly limited?: { readonly since: number; readonly by: 'load' | 'collecting' | 'disk'; readonly reason: string };
  /** What a process with its token, or the agent as a whole, is refused for at the moment. */
  readonly refused?: AgentRefusal & { readonly at?: number };
  readonly abilities?: AgentAbilities;
  readonly version?: string;
  readonly builder?: string;
  /** `derivation` by its base name. */
  readonly running: readonly { readonly build: string; readonly attempt: number; readonly derivation: string }[];
  /** How its last attempts ended, twenty at most, whoever's fault that was; `lastFailure` may be older. */
  readonly recent: { readonly attempts: number; readonly failed: number; readonly lastFailure?: RecentFailure };
  readonly heartbeat?: { readonly at: number; readonly load1?: number; readonly freeBytes?: number };
}

export interface FarmStatus {
  /** Every build is in one of these. */
  readonly builds: {
    readonly blocked: number;
    readonly waiting: number;
    readonly ready: number;
    readonly backoff: number;
    readonly deferred: number;
    readonly allocated: number;
    readonly running: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly canceled: number;
  };
  /** Blocked builds by what blocks them at the root; one that several things block is in several. */
  readonly blocked: Readonly<Record<BlockingCause, number>>;
  /** Ready builds per system. */
  readonly ready: Readonly<Record<string, number>>;
  /** Builds per system that would be ready, did any agent take them; they are blocked. */
  readonly unattended: Readonly<Record<string, number>>;
  readonly derivations: number;
  /** In the pool … */
  readonly items: number;
  /** … and those that only upstreams have, as far as is known; absent: none. */
  readonly upstreamItems?: number;
  readonly agents: {
    readonly connected: number;
    readonly registered: number;
    /** Slots of connected agents, and those of them that are in use. */
    readonly slots: number;
    readonly busy: number;
    /** Attempts that connected agents have beyond their slots, as after a start with fewer: they wait for one there. */
    readonly excess: number;
    /** Attempts at agents that are not connected. */
    readonly away: number;
  };
  /** Position of the last event that is durable. */
  readonly position: string | undefined;
  /** Commits decided and not yet durable. */
  readonly pendingCommits: number;
  readonly uploads: {
    /** Those that found no room in the pool and have not gone on since. */
    readonly waiting: number;
    /** How often one found no room, since the start. */
    readonly refused: number;
  };
  /** Where the pool is verified by itself (the settings `verify`). */
  readonly verification?: VerificationStatus;
}
