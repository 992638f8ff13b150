/**
 * The event store port: what Drover asks of an engine (SQLite, memory, later NATS JetStream and EventStoreDB).
 * Every engine passes the same contract suite, `test/contract/event-store.ts`. Source of the rules: design, section 11.
 */

/** `<category>-<id>`, for example `build-0r7k2m9q4abcdefg-12`. */
export type StreamId = `${string}-${string}`;
/**
 * Place of an event in the whole log. Opaque outside the engine; fixed width, so that comparing two positions as
 * strings gives their order in the log.
 */
export type Position = string;
/** Place of an event in its stream: 0, 1, 2 … without gaps. */
export type Revision = number;
/** `none`: the stream must not exist. `any`: no expectation. A number: the revision of the stream's last event. */
export type Expected = Revision | 'none' | 'any';

/** Who did it and why; the same for all events of one commit. */
export interface Meta {
  /** Token id, agent name or process manager. */
  readonly actor: string;
  /** The submission or command that all this belongs to. */
  readonly correlation?: string;
  /** The event (`<stream>@<revision>`) or command id that led to it. */
  readonly causation?: string;
  /** W3C traceparent. */
  readonly trace?: string;
}

export interface NewEvent {
  readonly type: string;
  /** Schema version of `data`. */
  readonly version: number;
  /** What JSON can say, and only that: the engines keep it as JSON text. */
  readonly data: unknown;
  /**
   * `data` as JSON text, where that has been made already: then this is stored. Of a stored event, where it was asked for and the engine
   * can say: the text that is stored (see {@link JsonWish}).
   */
  readonly json?: string;
}

/** The atom: 1 … n events of one stream, stored together or not at all. */
export interface Commit {
  /**
   * Idempotence key, unique over the whole store. A second append with the same id to the same stream returns the first
   * result, whatever it expects; a retry never names another stream.
   */
  readonly id: string;
  readonly stream: StreamId;
  readonly expected: Expected;
  readonly events: readonly NewEvent[];
  readonly meta: Meta;
  /** Hash of the commit before it in the log, as base64; in all of them from one on. Source: docs/audit.md. */
  readonly previousHash?: string;
  /** Milliseconds since the Unix epoch, from the coordinator's clock. */
  readonly at: number;
}

export interface StoredEvent extends NewEvent {
  readonly stream: StreamId;
  readonly revision: Revision;
  readonly position: Position;
  readonly commit: string;
  readonly at: number;
  readonly meta: Meta;
  /** See {@link Commit.previousHash}; the same for all events of one commit. */
  readonly previousHash?: string;
}

/** All that it takes to go on with the chain of a log's commits. Source: docs/audit.md. */
export interface ChainState {
  /** Commits. */
  readonly size: number;
  /** Hashes of the largest whole subtrees of their Merkle tree, from left to right, as base64. */
  readonly subtrees: readonly string[];
  /** Hash of the last commit, as base64. */
  readonly last: string;
}

/** An engine that links commits itself. */
export interface Linking {
  /** The chain after everything that was handed over before this call. Rejects if that cannot be stored any more. */
  state(): Promise<ChainState>;
}

/** Holds an index that an engine keeps of its log against the log, which is read beside it from the first event to the last. */
export interface IndexCheck {
  /** The next event. The answer comes when all of its commit have come. */
  add(event: StoredEvent): IndexFault | undefined;
  /** After the last event. */
  end(): IndexFault | undefined;
}
export interface IndexFault {
  /** First event of the commit that the index is wrong about; `undefined` for what is of no commit. */
  readonly at: StoredEvent | undefined;
  readonly message: string;
}

export type AppendResult =
  | {
      readonly ok: true;
      /** Revision and position of the commit's last event. */
      readonly revision: Revision;
      readonly position: Position;
      /** True if this commit id had been stored before; nothing was stored now. */
      readonly replayed: boolean;
    }
  | { readonly ok: false; readonly reason: 'wrong-revision'; readonly actual: Revision | 'none' };

export interface Filter {
  /** Only events of these types. */
  readonly types?: readonly string[];
  /** Only streams that start with one of these, for example `build-`. */
  readonly streams?: readonly string[];
}

/** Whether the JSON text of an event is wanted beside its `data` or instead of it. */
export type JsonWish = 'beside' | 'instead';

export interface Batch {
  readonly events: readonly StoredEvent[];
  /** Everything up to here has been seen; moves on even where the filter dropped every event. */
  readonly checkpoint: Position;
  /** True once the subscription has caught up with the head as it was when this batch was read. */
  readonly live: boolean;
}

export interface EventStore extends AsyncDisposable {
  /**
   * What stands in the way of appends at the moment, for clients and operators (a lost connection, for example); `undefined` if nothing
   * does. Appends wait meanwhile, or fail with `unavailable`.
   */
  readonly obstacle: string | undefined;
  /** Calls `listener` whenever {@link EventStore.obstacle} may have changed. Engines that never have one leave it out. */
  watchObstacle?(listener: () => void): Disposable;
  /** Resolves when the writer's lease has gone to another: nothing is appended any more. Engines with a lock leave it out. */
  readonly lost?: Promise<EventStoreError>;
  readonly capabilities: {
    /** Whether a resolved append is on stable storage. */
    readonly durableAck: boolean;
    /** What an operator has to know about that, in a sentence; for the log and `/readyz`. */
    readonly durabilityNote?: string;
    /** A commit whose data are longer than this, in bytes as JSON, is refused with `too-large`. */
    readonly maxCommitBytes: number;
  };
  /**
   * Appends one commit; resolves once it is stored as durably as `capabilities.durableAck` says. A conflict is a value,
   * not an exception. Commits handed over one after the other are stored in that order. An outcome that is not known
   * (a timeout, a lost connection) rejects with {@link EventStoreError} `unavailable`; sending the same commit again
   * is safe.
   *
   * Appends are one ordered pipeline that stops at the first failure: once an accepted commit has been rejected, all that
   * was handed over after it is rejected too, until the store is opened again. So a caller that hands over commits
   * without waiting for each never gets a later one stored without an earlier one. What is refused before it is accepted
   * (`too-large`, `closed`, a TypeError for what is no commit) stops nothing.
   */
  append(commit: Commit): Promise<AppendResult>;
  /**
   * Appends many commits in order, each atomic by itself, and answers for each. The same as calling {@link append} for
   * each in turn, but cheaper.
   */
  appendBatch(commits: readonly Commit[]): Promise<readonly AppendResult[]>;
  /**
   * From now on the engine gives each commit that it stores the hash of the one before it, which takes that off the caller's thread.
   * Engines that leave this out are given commits that are linked already.
   *
   * @param from of the log as it is now.
   */
  link?(from: ChainState): Linking;
  /** Of engines that find the events of a stream by an index of their own, which no hash covers: to be called before {@link readAll}. */
  checkIndex?(): IndexCheck;
  /** Events of one stream in order of revision (`backward`: from the last), from revision `from` on. Empty if there is no such stream. */
  read(stream: StreamId, options?: { from?: Revision; limit?: number; backward?: boolean }): AsyncIterable<StoredEvent>;
  /**
   * The whole log in batches, from the first event after `after`, up to the head as it was at the start of the call; at most `limit` events
   * in all. With `json: 'beside'` also the JSON text of each that is stored, as far as the engine can say, for those who check what is; with
   * `json: 'instead'` the text and no `data`, for those who pass it on: one line of well-formed JSON. Of what the engine has no text of
   * its own for, or no such text, there is `data` as ever and no `json`.
   */
  readAll(options?: {
    after?: Position;
    filter?: Filter;
    limit?: number;
    json?: JsonWish;
    signal?: AbortSignal;
  }): AsyncIterable<Batch>;
  /**
   * Catches up from `after`, then goes on live, without a gap or a repeat, until `signal` aborts or the store is closed (then it
   * ends, without an error). Where there is nothing to catch up with, the first batch is empty, with `live: true`.
   */
  subscribe(options: { after?: Position | 'end'; filter?: Filter; signal: AbortSignal }): AsyncIterable<Batch>;
  /** Position of the last event of the log, `undefined` if it is empty. */
  head(): Promise<Position | undefined>;
}

export const eventStoreErrorCodes = [
  'unavailable',
  'in-use',
  'damaged',
  'newer-schema',
  'read-only',
  'disk-full',
  'closed',
  'lease-lost',
  'other-log',
  'log-behind',
  'too-large',
] as const;
export type EventStoreErrorCode = (typeof eventStoreErrorCodes)[number];

/** Something that is not a conflict went wrong. `code` survives copies of the package; do not test with instanceof. */
export class EventStoreError extends Error {
  override readonly name = 'EventStoreError';
  readonly code: EventStoreErrorCode;
  constructor(code: EventStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function isEventStoreError(error: unknown): error is EventStoreError {
  return error instanceof Error && error.name === 'EventStoreError' && 'code' in error;
}
