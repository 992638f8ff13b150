import type { DerivationRefusal } from '../../coordinator/ports/derivation-store.ts';
import type { DerivationLimits } from '../../domain/limits.ts';
import type { Problem } from './refused-file.ts';

/** What the worker that owns the database is asked, and what it answers. */
export interface Operations {
  /** Base names not held, of those given. */
  missing: { request: { paths: readonly string[] }; answer: string[] };
  /** Derivations of one transaction; `lengths[i]` bytes of `texts` belong to `paths[i]`. */
  add: { request: { paths: readonly string[]; lengths: readonly number[]; texts: Uint8Array }; answer: AddAnswer };
  text: { request: { path: string }; answer: Uint8Array | undefined };
  /** Row of each path, 0 where it is not held. */
  rows: { request: { paths: readonly string[] }; answer: Uint32Array };
  /** Rows of the inputs of these rows, each once. */
  inputs: { request: { rows: Uint32Array }; answer: Uint32Array };
  /** Base names of these rows. */
  names: { request: { rows: Uint32Array }; answer: string[] };
  /** Packed facts of these rows, one after the other, and where each ends. */
  facts: { request: { rows: Uint32Array }; answer: { packed: Uint8Array; ends: Uint32Array } };
  /** Closes the database; the thread ends after the answer. */
  close: { request: Record<never, never>; answer: undefined };
}
export type OperationName = keyof Operations;

export type AddAnswer = { readonly added: number; readonly refused?: DerivationRefusal };

export type Request = {
  [Name in OperationName]: { readonly id: number; readonly op: Name } & Operations[Name]['request'];
}[OperationName];

export type Answer =
  | { readonly id: number; readonly value: unknown; readonly failed?: undefined }
  | { readonly id: number; readonly failed: Problem };

/** First message of the worker: the database is open, or why not. */
export type Opened = { readonly opened: true } | ({ readonly opened: false } & Problem);

export interface WorkerOptions {
  readonly file: string;
  /** The first one is that of which facts do not say so. */
  readonly storeDirs: readonly string[];
  readonly limits?: DerivationLimits | undefined;
}
