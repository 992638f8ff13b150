import type { FinishedRecord, UploadRecord } from './upload-record.ts';
import type { VerifierSession } from './verifiers.ts';

/** An upload as the main thread knows it. */
export interface Upload {
  readonly id: string;
  readonly record: UploadRecord;
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
  /** Set while somebody writes: to stop that, to wait until it has stopped, and since when nothing comes any more. */
  writing?: Writing | undefined;
  /** Abandoned; what is still written to it counts for nothing. */
  gone: boolean;
  /** Of no use, and its files could not be removed. */
  spoilt?: boolean;
  /** How often a verifier died at it. */
  deaths: number;
  /** When it was begun, found or written to last, by the monotonic clock. */
  touchedAt: number;
}

export function* recordsOf(uploads: Iterable<Upload>): Generator<UploadRecord> {
  for (const { record } of uploads) yield record;
}

export interface Writing {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** Since when the sender is waited for, by the monotonic clock; not set while what came is being used. */
  silentSince?: number | undefined;
  /** The sender has ended or is cut off; what had come is being made safe. */
  over?: true;
}

/** A sender who is waited for this long, in milliseconds, gives way to the next one: his connection may be one that nobody closed. */
export const silentWriterMs = 5_000;

/** The chunks of `body`; notes in `writing` while the next one is waited for, and that none comes any more. */
export async function* attended(
  body: AsyncIterable<Uint8Array>,
  writing: Writing,
  now: () => number,
): AsyncGenerator<Uint8Array> {
  try {
    writing.silentSince = now();
    for await (const chunk of body) {
      writing.silentSince = undefined;
      yield chunk;
      writing.silentSince = now();
    }
  } finally {
    writing.silentSince = undefined;
    writing.over = true;
  }
}

export function dropSession(upload: Upload): void {
  upload.session?.close();
  upload.session = undefined;
}
