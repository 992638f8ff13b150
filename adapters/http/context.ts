import type { FastifyBaseLogger } from 'fastify';
import type { Application } from '../../coordinator/application.ts';
import type { EventStore } from '../../coordinator/ports/event-store.ts';
import type { LogStore } from '../../coordinator/ports/log-store.ts';
import type { Pool } from '../../coordinator/ports/pool.ts';
import type { Runtime } from '../../coordinator/ports/runtime.ts';
import type { Views } from '../../coordinator/ports/views.ts';
import type { UnsignedItem } from '../../domain/item/events.ts';
import { type DerivationLimits, minCommitBytes, mostDerivationBytes } from '../../domain/limits.ts';
import type { AgentLinkServer } from '../agent-link/server.ts';
import type { DiskRoom } from '../data-dir/disk-room.ts';
import type { PageSource } from '../event-feed/pages.ts';
import type { SharedPages } from '../event-feed/shared-pages.ts';
import type { Moments } from '../moments/processes.ts';
import type { Spool } from '../pool/filesystem/spool.ts';
import type { StagedNars } from '../pool/filesystem/staged-nars.ts';
import type { GuixCache } from './cache/guix/narinfos.ts';
import type { DashboardFiles } from './dashboard/files.ts';
import type { KnownHosts } from './dashboard/known-hosts.ts';
import type { TrustedProxies } from './dashboard/proxies.ts';
import type { SealedSessions } from './dashboard/sealed-sessions.ts';
import type { LogGrowth } from './log-growth.ts';
import type { Metrics } from './metrics/registry.ts';
import type { ReadTurns } from './read-turns.ts';
import type { TokenUseRegistry } from './token-uses.ts';

/** What may come in over HTTP; sizes in bytes, times in milliseconds. */
export interface HttpLimits {
  /** Largest body, decompressed and as it comes, but for parts of NARs: 100,000 base names fit. */
  readonly body: number;
  /** What a derivation may be; the longest line of a body of derivations follows from it. */
  readonly derivations: DerivationLimits;
  /** Derivations are handed on in batches of at most so many … */
  readonly derivationBatch: number;
  /** … or once so many bytes of text have come. */
  readonly derivationBatchBytes: number;
  /** Most requests, feeds and links of one token at a time. */
  readonly tokenRequests: number;
  /** Connections at a time, of whomever: more are closed as they come, so that none takes the files that work needs. */
  readonly connections: number;
  /** A connection without traffic for so long is closed. */
  readonly idle: number;
  /** A request's head must be there within this time. */
  readonly headers: number;
  readonly keepAlive: number;
  /** A comment is sent on an event stream that has been silent for so long. */
  readonly eventStreamSilence: number;
  /** A list waits at most so long for the views to catch up with the log. */
  readonly viewsLag: number;
}

export const defaultHttpLimits: HttpLimits = {
  body: 16 * 1024 * 1024,
  derivations: { maxDerivationBytes: mostDerivationBytes, maxCommitBytes: minCommitBytes },
  derivationBatch: 256,
  derivationBatchBytes: 4 * 1024 * 1024,
  tokenRequests: 512,
  connections: Number.POSITIVE_INFINITY,
  idle: 300_000,
  headers: 30_000,
  keepAlive: 75_000,
  eventStreamSilence: 15_000,
  viewsLag: 1_000,
};

/** Largest body of routes that take no lists of names, in bytes. */
export const smallBody: number = 1024 * 1024;

export interface CacheOptions {
  /** What this coordinator calls itself to its upstreams, as long as it runs. */
  readonly id: string;
  /** Whether the cache is read without a token. */
  readonly public: boolean;
  /** `Priority` of `nix-cache-info`: clients ask caches with a lower one first. */
  readonly priority: number;
  /** How long clients may keep a narinfo. */
  readonly ttlSeconds: number;
  /** Location of an nginx that is the folder of the pool's files; begins and ends with `/`. */
  readonly accelLocation?: string;
}

export interface DashboardOptions {
  /** `undefined`: they were not made, or are damaged. */
  readonly files: DashboardFiles | undefined;
  /** Why there are no files. */
  readonly problem?: string;
  readonly sessions: SealedSessions;
  /** Whether who brings nothing may read. */
  readonly public: boolean;
  /** Names by which somebody comes in without a token of his own, where that is so; all if absent. */
  readonly knownHosts?: KnownHosts | undefined;
  /** Proxies whose word is taken for who comes through them; none if absent. */
  readonly proxies?: TrustedProxies | undefined;
}

/** What the HTTP routes work with. */
export interface HttpContext {
  readonly application: Application;
  readonly views: Views;
  readonly pool: Pick<Pool, 'open' | 'has' | 'listing'>;
  /** NARs that `nix copy` has sent ahead of their narinfos. */
  readonly stagedNars: StagedNars;
  /** NARs that were compressed anew for who asked. */
  readonly spool: Pick<Spool, 'open'>;
  readonly logs: Pick<LogStore, 'read' | 'size'>;
  readonly eventStore: Pick<EventStore, 'read' | 'readAll' | 'subscribe' | 'head'>;
  /** What readers of the log get. */
  readonly eventPages: SharedPages;
  readonly logGrowth: LogGrowth;
  /** Without waiting: as of some seconds ago. */
  readonly diskRoom: () => DiskRoom;
  /** Likewise: what is said where hardly any file descriptors are left. */
  readonly openFiles?: (() => string | undefined) | undefined;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly metrics: Metrics;
  /** Where what a request opens is noted, to be ended with its token. */
  readonly tokenUses: Pick<TokenUseRegistry, 'begin' | 'count'>;
  readonly limits: HttpLimits;
  readonly cache: CacheOptions;
  /** The item that a published file belongs to, by the file's hash; to tell a file that is gone from one that never was. */
  readonly itemOfFile: (fileHash: string) => UnsignedItem | undefined;
  /** An item, present or unpublished, by its base name. */
  readonly itemOf: (path: string) => UnsignedItem | undefined;
  /** Base names of derivations that have the item as an output, whether anybody has it or not. */
  readonly producersOf: (path: string) => readonly string[];
  /** What Guix is offered, where its store directory is one of the coordinator's. */
  readonly guix?: GuixCache | undefined;
  /** Pages for browsers, and who may see what by them; there are none if absent. */
  readonly dashboard?: DashboardOptions | undefined;
  /** Moments that are over; none can be asked about if absent. */
  readonly moments?: Pick<Moments, 'hold'> | undefined;
  /** Aborts when the server starts to close: long answers end then. */
  readonly closing: AbortSignal;
  /** Who reads is answered by turns; absent where nobody else is held up. */
  readonly turns?: ReadTurns | undefined;
  /** It is a moment that is over: nothing changes any more. */
  readonly isStill?: boolean;
}

/** What the routes that read of the farm work with: all that there is at a moment that is over. */
export type ReadContext = Pick<
  HttpContext,
  | 'application'
  | 'views'
  | 'logs'
  | 'eventStore'
  | 'eventPages'
  | 'runtime'
  | 'limits'
  | 'logGrowth'
  | 'diskRoom'
  | 'openFiles'
  | 'closing'
  | 'turns'
  | 'isStill'
>;

export interface HttpServerOptions extends Omit<HttpContext, 'limits' | 'cache' | 'closing' | 'eventPages' | 'turns'> {
  /** Reads the log for its readers, and is closed with the server; the event store is asked here if absent. */
  readonly pageSource?: PageSource;
  readonly logger: FastifyBaseLogger;
  readonly agentLink: AgentLinkServer;
  /** Version of Drover, for OpenAPI and metrics. */
  readonly version: string;
  /** Origins of web pages that may call the API from a browser; none if absent. */
  readonly allowedOrigins?: readonly string[];
  /** Makes request ids. */
  readonly newId: () => string;
  readonly limits?: Partial<HttpLimits>;
  readonly cache?: Partial<CacheOptions>;
}
