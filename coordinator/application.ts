import type { AgentMessage, AgentOob, Hello, Welcome } from '../domain/agent/messages.ts';
import type { Standing } from '../domain/build/standing.ts';
import type { BuildStatus } from '../domain/build/state.ts';
import type { EarlierBuild } from '../domain/history/events.ts';
import type { StoreItem } from '../domain/item/events.ts';
import type { Scope } from '../domain/token/events.ts';
import type { Blockage } from '../projections/blockers.ts';
import type { EndedMinute } from '../projections/ended.ts';
import type { HeldItem } from '../projections/item-details.ts';
import type { Load, LoadMinute } from '../projections/loads.ts';
import type { Outlook } from '../projections/outlook.ts';
import type { SubmissionGraph } from '../projections/submission-graph.ts';
import type { SubmissionPriority } from '../projections/submission-priority.ts';
import type { SubmissionTimes } from '../projections/submission-times.ts';
import type { Why } from '../projections/why.ts';
import type { Principal, RotatedToken, TokenInfo } from './access.ts';
import type { AgentRefusal, AgentStatus } from './agents/agent-status.ts';
import type { BuildInputs, InputsPage } from './builds/build-inputs.ts';
import type { CancelResult, CancelWish } from './builds/canceling.ts';
import type { ErrorCode } from './errors.ts';
import type { FarmStatus } from './figures.ts';
import type { BuildHistory } from './history/entries.ts';
import type { HookWishes } from './hooks/wishes.ts';
import type { CollectionReport, CollectionWish } from './items/collecting.ts';
import type { DeletionReport, DeletionWish } from './items/delete-items.ts';
import type { ItemWhy } from './items/item-why.ts';
import type { RootDetail, RootStatus } from './items/root-status.ts';
import type { RootWish } from './items/roots.ts';
import type { VerifyReport, VerifyWish } from './items/verify-items.ts';
import type { UploadDeclaration, UploadStatus } from './ports/pool.ts';
import type { NotQueued } from './submissions/intake.ts';
import type { PrioritizeResult } from './submissions/prioritizing.ts';
import type { RetryResult } from './submissions/retrying.ts';
import type { SubmitResult, SubmitWish } from './submissions/wishes.ts';
import type { CheckUpstream } from './upstreams/closure-search.ts';
import type { UpstreamProbe, UpstreamStatus } from './upstreams/status.ts';
import type { OpenedNar, ServedUpstreamItem } from './upstreams/upstreams.ts';

export type { Standing } from '../domain/build/standing.ts';
export type { LastFailure } from '../domain/build/state.ts';
export type { BlockingCause } from '../projections/blocked.ts';
export type { Blockage, Blocker } from '../projections/blockers.ts';
export type { EndedMinute } from '../projections/ended.ts';
export type { Estimate } from '../projections/estimate.ts';
export type { Amount } from '../projections/garbage.ts';
export type { KeepReason } from '../projections/kept.ts';
export type { Load, LoadMinute } from '../projections/loads.ts';
export type { Outlook, OutlookNode, OutlookState } from '../projections/outlook.ts';
export type { GraphNode, GraphPart, GraphState, SubmissionGraph } from '../projections/submission-graph.ts';
export type { SubmissionPriority } from '../projections/submission-priority.ts';
export type { Advice, PathStep, PhaseSums, SubmissionTimes } from '../projections/submission-times.ts';
export type { Phase } from '../projections/timeline.ts';
export type { WaitedInput, Why } from '../projections/why.ts';
export type { Principal, RotatedToken, TokenInfo } from './access.ts';
export type { AgentRefusal, AgentStatus } from './agents/agent-status.ts';
export type { CancelResult, CancelWish } from './builds/canceling.ts';
export type { FarmStatus } from './figures.ts';
export type { BuildHistory, HistoryEntry, HookResult, WaitedItem } from './history/entries.ts';
export type { CollectionReport, CollectionWish } from './items/collecting.ts';
export type { DeletionReport, DeletionWish, ItemNeed } from './items/delete-items.ts';
export type { ItemWhy } from './items/item-why.ts';
export type { RootDetail, RootStatus } from './items/root-status.ts';
export type { RootWish } from './items/roots.ts';
export type { VerifyReport, VerifyWish } from './items/verify-items.ts';
export type { VerificationStatus } from './items/verifying.ts';
export type { NotQueued } from './submissions/intake.ts';
export type { PrioritizeResult } from './submissions/prioritizing.ts';
export type { RetryResult } from './submissions/retrying.ts';
export type { SubmitResult, SubmitWish } from './submissions/wishes.ts';
export type { UpstreamProbe, UpstreamStatus } from './upstreams/status.ts';
export type { ServedUpstreamItem } from './upstreams/upstreams.ts';

/** The last of the reports of what failed on its way, over HTTP. */
export interface FailedReport {
  readonly type: 'failed';
  readonly code: ErrorCode;
  readonly detail: string;
}

/**
 * What the coordinator can be asked, whoever asks: HTTP, the agent link, tests, the simulation. A method that changes
 * something resolves once its events are durable (I1) and rejects with a `DroverError` where the wish is refused (I12).
 */
export interface Application extends HookWishes {
  /** The first of {@link storeDirs}. */
  readonly storeDir: string;
  readonly storeDirs: readonly string[];
  readonly publicKeys: readonly string[];
  /** The public key that checkpoints of the log are signed with. */
  readonly auditKey: string | undefined;
  /** The newest checkpoint of the log, a signed note; `undefined` before the first. */
  checkpoint(): string | undefined;

  /** Whether writes are taken; if not, why. Reasons that come with `ready` are warnings. */
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] };
  /**
   * Resolves with 0 once all that was decided so far is durable: what is read after that will still be true after a power cut (I1). While the
   * log is away it resolves at once, with how many commits that is told of the log does not have.
   */
  settled(): Promise<number>;
  /** Position of the last event that is durable. */
  position(): string | undefined;
  /** Figures of the whole farm, from the hot projections. */
  status(): FarmStatus;
  /** How many builds ended in each minute of the last three hours. */
  ended(): readonly EndedMinute[];
  /** How many builds of each system wait and are built now, and in the minutes of the last three hours in which that changed. */
  loads(): { readonly now: Readonly<Record<string, Load>>; readonly minutes: readonly LoadMinute[] };
  /** Size of all files of the pool that items are in, in bytes. */
  poolBytes(): number;

  // Tokens. A secret is shown once; the log has its hash.
  /** `undefined`: it is no token that is accepted. Throws `not-ready` where it was revoked, and the log does not have that yet. */
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
  /** The text of a derivation by its base name; `undefined` where the coordinator lacks it. */
  derivationText(path: string): Promise<Uint8Array | undefined>;
  /** Sources that the closures of `roots` name and the pool lacks (base names). */
  missingSources(roots: readonly string[], checkUpstream?: CheckUpstream): Promise<readonly string[]>;
  submit(by: Principal, wish: SubmitWish): Promise<SubmitResult>;
  /** The submission that this token has made under an idempotency key, as far as the coordinator has it. */
  submissionOf(by: Principal, key: string): string | undefined;
  /** Has a submission queued that was set aside; resolves once that is noted, not once it is queued. */
  resumeSubmission(by: Principal, submission: string): Promise<void>;
  why(build: string): Promise<Why>;
  /** What a build needs; a page of `limit` after so many. */
  buildInputs(build: string, page: InputsPage): Promise<BuildInputs>;
  /** What happened to a build and around it, in order; a page of `limit` of its own events after a revision. */
  buildHistory(
    build: string,
    page: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<BuildHistory>;
  /** Records builds that ended at another coordinator; leaving out what was recorded before is for whoever asks. */
  recordEarlierBuilds(
    by: Principal,
    wish: { readonly source: string; readonly builds: readonly EarlierBuild[] },
  ): Promise<void>;
  /**
   * Builds of a submission, those that it joined included, that have not ended, and those of them that are blocked. Nothing counts as
   * blocked while submissions are being queued: one of them may make what is waited for.
   */
  blockage(submission: string): Promise<Blockage>;
  /** How soon it is to be built; `undefined` where it ended so long ago that this is not held. */
  submissionPriority(submission: string): Promise<SubmissionPriority | undefined>;
  /** Whether it has builds that have not ended, those that it joined included, and all of them are blocked. */
  isBlocked(submission: string): boolean;
  /** `undefined` where it is queued, and where nothing has gone wrong with that. */
  notQueued(submission: string): NotQueued | undefined;
  /** How it stands with a build that is queued; `undefined` where it is not. */
  standing(build: string): Standing | undefined;
  /** Milliseconds that builds of its name and system took before, in the median of the last five; `undefined` where there were none. */
  tookBefore(build: string): number | undefined;
  /** Ids of builds that stand so, the newest first: at most `limit` of those that were submitted before another build. */
  newestStanding(wanted: ReadonlySet<Standing>, limit: number, before: string | undefined): readonly string[];
  /** Where the time of a submission went, that of builds that it joined included; `undefined` where it has no build. */
  submissionTimes(submission: string): Promise<SubmissionTimes | undefined>;
  /** How far a submission is, and when it may end; as it was a moment ago, where somebody asked then. */
  outlook(submission: string): Promise<Outlook>;
  /**
   * The builds of a submission and what waits for what, as it was a moment ago.
   *
   * @param part only those of the part with this prefix
   */
  submissionGraph(submission: string, part?: string): Promise<SubmissionGraph>;
  /** How many of the builds that the submission joined are in which state, up to the first that has not ended. */
  joinedBuilds(submission: string): Readonly<Record<BuildStatus, number>> | undefined;
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
  /** Gives its priority to what a submission asked for; what that waits for rises with it. What it joined is only raised. */
  prioritizeSubmission(by: Principal, submission: string, priority: number): Promise<PrioritizeResult>;
  /** Has no agent given a queued build before an instant; without one, or one that has passed, it is not deferred any more. */
  deferBuild(
    by: Principal,
    build: string,
    wish: { readonly until?: number | undefined; readonly reason?: string | undefined },
  ): Promise<void>;
  /** A new build of the same derivation with the same options, for a build that failed or was cancelled. */
  retryBuild(by: Principal, build: string): Promise<SubmitResult>;
  /** What that would do; refused where it would be. */
  previewRetry(build: string): Promise<RetryResult>;
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
  checkNames(names: {
    readonly agent?: string | undefined;
    readonly submission?: string | undefined;
    readonly joinedBy?: string | undefined;
  }): void;

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
  servable(hashPart: string): HeldItem | undefined;
  /** The same item with a signature by the key that the pool has now. */
  signed(item: HeldItem): Promise<StoreItem>;
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
