import type { UploadRefusal } from '../../../coordinator/ports/pool.ts';
import type { CheckStep } from './check-session.ts';
import type { ContentHashRequest } from './content-hash.ts';
import type { Listed, ListRequest } from './list-nar.ts';
import type { Expectation, Verified } from './nar-intake.ts';

/** What the main thread asks of a verifying worker about one session; each is begun in order, and all but `data` when those before are answered. */
export interface Operations {
  /** Opens the part file, made where it `isNew`, and catches up with what it holds. Answers the offset. */
  open: { request: { part: string; isNew: boolean; expected: Expectation }; answer: number };
  /** The next `length` bytes, at the start of `slab`, which is handed over and comes back. */
  data: { request: { slab: ArrayBuffer; length: number }; answer: ArrayBuffer };
  /** Makes what came so far durable. */
  sync: { request: object; answer: undefined };
  /** Makes it durable and verifies the whole. */
  finish: { request: object; answer: Verified };
  /** Hash of the contents of a verified file, base 16. Needs no session. */
  hash: { request: ContentHashRequest; answer: string | undefined };
  /** What is in the NAR in a verified file, as JSON. Needs no session. */
  list: { request: ListRequest; answer: Listed };
  /** Opens a file that is there, to be verified in steps. */
  check: { request: { path: string; expected: Expectation }; answer: undefined };
  step: { request: object; answer: CheckStep };
  /** Forgets the session; the file stays. */
  close: { request: object; answer: undefined };
}
export type OperationName = keyof Operations;

export type Request = {
  [Name in OperationName]: {
    readonly id: number;
    readonly session: number;
    readonly op: Name;
  } & Operations[Name]['request'];
}[OperationName];

/** What a worker says first, before any answer: its program has been loaded. */
export interface Ready {
  readonly ready: true;
}

/** `failed`: the disk let us down, or there is a bug; `code`, of a failed system call, does not come over with the error. */
export type Answer = { readonly id: number } & (
  | { readonly value: unknown; readonly refused?: undefined; readonly failed?: undefined }
  | { readonly refused: UploadRefusal; readonly failed?: undefined }
  | { readonly failed: Error; readonly code: string; readonly refused?: undefined }
);
