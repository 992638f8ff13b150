import type { FinishedRecord, UploadRecord } from './upload-record.ts';
import type { VerifierSession } from './verifiers.ts';

/** An upload as the main thread knows it. */
export interface Upload {
  readonly id: string;
  readonly record: UploadRecord;
  /** What {@link record} holds in memory. */
  readonly declarationBytes: number;
  /** Bytes that are safe. */
  offset: number;
  finished?: FinishedRecord;
  /** Its last byte came, and was verified, since this process started. */
  fresh: boolean;
  /** The part was moved to `nar/`. */
  published: boolean;
  /** Whether its declaration and folder would outlive a power cut. */
  durable: boolean;
  /** The verifier where it stopped, while it lives. */
  session?: VerifierSession | undefined;
  /** Set while somebody writes: to stop that, and to wait until it has stopped. */
  writing?: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  /** Abandoned; what is still written to it counts for nothing. */
  gone: boolean;
  /** Of no use, and its files could not be removed. */
  spoilt?: boolean;
  /** How often a verifier died at it. */
  deaths: number;
  /** When it was begun, found or written to last, by the monotonic clock. */
  touchedAt: number;
}

export function dropSession(upload: Upload): void {
  upload.session?.close();
  upload.session = undefined;
}
