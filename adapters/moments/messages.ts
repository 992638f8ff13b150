import type { Policy } from '../../coordinator/core.ts';
import type { Position } from '../../coordinator/ports/event-store.ts';
import type { UpstreamSettings } from '../../coordinator/upstreams/settings.ts';
import type { StoreAddress } from '../event-store/store-url.ts';
import type { HttpLimits } from '../http/context.ts';

/** What is folded: the log up to a position, or what changes from one to another. */
export type Wanted =
  | { readonly kind: 'moment'; readonly position: Position }
  | { readonly kind: 'difference'; readonly from: Position; readonly to: Position };

/** Where a coordinator has what a moment is made of, and how it is set up. */
export interface MomentPlaces {
  readonly store: StoreAddress;
  /** Folder of the SQLite engine where the address names none. */
  readonly dir: string;
  /** Where snapshots are. */
  readonly snapshots: string;
  /** Where logs of builds are. */
  readonly logs: string;
  readonly policy: Policy;
  readonly upstreams: readonly UpstreamSettings[];
  /** What the coordinator takes in, as it says. */
  readonly limits: Pick<HttpLimits, 'body' | 'derivations'>;
  /** What the process may have of memory, and its tables of a disk, in bytes. */
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

export interface ToMoment extends MomentPlaces {
  readonly wanted: Wanted;
  /** What addresses begin with. */
  readonly prefix: string;
}

/** The last event of a moment; times in milliseconds since the Unix epoch. */
export interface Edge {
  readonly position: Position;
  readonly at: number;
}

export type FromMoment =
  /** It is there: said every second. */
  | { readonly alive: true }
  /** How many events were read. */
  | { readonly read: number }
  /** It answers; `edges` are the moment, or the two, in order. */
  | { readonly ready: { readonly edges: readonly Edge[]; readonly events: number } }
  | { readonly failed: { readonly message: string; readonly code?: string } }
  | { readonly said: { readonly message: string; readonly error?: string } };

/** Carries who asks, as JSON, from the coordinator to the process: nobody else can speak to it. */
export const principalHeader = 'drover-principal';
