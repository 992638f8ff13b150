import type { AddedItem, StoreItem } from '../../domain/item/events.ts';

/** What an uploader says of a NAR before it sends it. The pool believes nothing of it. */
export interface UploadDeclaration {
  /** Base name of the store path. */
  readonly path: string;
  readonly narHash: string;
  readonly narSize: number;
  /** Base names, sorted; the item itself included where it refers to itself. */
  readonly references: readonly string[];
  readonly compression: 'none' | 'zstd';
  readonly deriver?: string;
  /** Size of what will be sent. */
  readonly fileSize: number;
  /** Set for what no build here made: its sender vouches for it. */
  readonly push?: Push;
}

/** What is said of an item that is pushed, besides. */
export interface Push {
  /** Its store directory, where that is not the first one of the coordinator. */
  readonly storeDir?: string;
  /** The content address that its path was made of, as in a narinfo. */
  readonly ca?: string;
  /** Where its sender thinks that its NAR is, relative to the cache's root: `nar/<hash>.nar.xz`. */
  readonly sentAs?: string;
}

/** An upload whose bytes are all there, verified and durable, but not yet visible to anybody (I6). */
export interface FinishedUpload {
  readonly id: string;
  readonly item: Omit<AddedItem, 'signatures' | 'ca'>;
  /** SHA-256 of the contents, base 16, where the NAR is one regular, not executable file: what `text:` and flat hashes are made of. */
  readonly flatSha256?: string;
  readonly push?: Push;
}

export interface UploadStatus {
  readonly id: string;
  readonly owner: string;
  /** Base name of the store path. */
  readonly path: string;
  /** Bytes that are safe; the next part starts here. */
  readonly offset: number;
  readonly fileSize: number;
  readonly finished: boolean;
}

export const uploadRefusals = [
  'unknown-upload',
  'wrong-offset',
  'too-large',
  'malformed-nar',
  'wrong-nar-hash',
  'wrong-nar-size',
  'wrong-references',
  'wrong-compression',
  'not-your-upload',
  'upload-busy',
  'too-many-uploads',
  'disk-full',
  'pool-unavailable',
] as const;
export type UploadRefusal = {
  readonly code: (typeof uploadRefusals)[number];
  readonly message: string;
  readonly offset?: number;
  /** For `disk-full`: bytes that are needed, and those that are free where that is known. */
  readonly room?: { readonly needed: number; readonly free: number | undefined };
};

/** What is wrong with the file of an item. */
export interface FileFault {
  /**
   * `absent`; `wrong-size`; `unreadable`: the disk does not give it; `damaged`: its bytes are not those that were verified when it
   * came; `wrong-references`: the file is as it was, and does not have the references that the item says; `wrong-path`: the item's
   * path is not the one that its content address and references determine.
   */
  readonly kind: 'absent' | 'wrong-size' | 'unreadable' | 'damaged' | 'wrong-references' | 'wrong-path';
  /** What was expected and what came. */
  readonly message: string;
}

export interface CheckWish {
  /**
   * `all`, as if absent: every byte is read. `recent`: it is enough that they were some minutes ago and the file was not touched
   * since. `size`: nothing is read.
   */
  readonly how?: 'all' | 'recent' | 'size' | undefined;
  /** Ends the check: it rejects. */
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes as they are read; no more are before it resolves. */
  readonly read?: ((bytes: number) => void | Promise<void>) | undefined;
}

/** A published file turned out, while it was read, to have other bytes than it must. `name` survives copies of the package. */
export class FileDamaged extends Error {
  override readonly name = 'FileDamaged';
}

/**
 * All NARs that the coordinator holds, and uploads under way. Verification is off the main thread, while the bytes
 * stream in; a NAR is written beside, fsynced, renamed, fsynced; it is never visible before it is whole.
 */
export interface Pool extends AsyncDisposable {
  /**
   * Starts an upload, or finds the one that `owner` began with the same declaration (so that it goes on where it was).
   * `scan`: hash parts of store paths to look for in the NAR besides the declared references (all direct and indirect inputs).
   * `attempt`: what needs the upload together with others that have the same; one attempt of an owner always finds room for all of them
   * beside what its other attempts have.
   */
  begin(
    owner: string,
    declaration: UploadDeclaration,
    scan?: readonly string[],
    attempt?: string,
  ): Promise<UploadStatus | { readonly refused: UploadRefusal }>;
  status(id: string, owner: string): Promise<UploadStatus | undefined>;
  /**
   * Takes bytes from `offset` on; resolves when they are safe. With the last byte the NAR is verified as a whole: a
   * refusal then removes the upload. A cut source leaves what had come and resolves with the status.
   */
  write(
    id: string,
    owner: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
  ): Promise<UploadStatus | { readonly refused: UploadRefusal }>;
  /** The finished upload, if it is one, and that owner's. Rejects with `pool-unavailable` where the system does not let it be looked at now. */
  finished(id: string, owner: string): Promise<FinishedUpload | undefined>;
  /**
   * Hash of a finished upload's contents, base 16, taken as a fixed output's `method` says, for example `sha256` (of the one regular, not
   * executable file that the NAR is) or `r:sha256` (of the NAR). `undefined` where it has no such hash.
   */
  contentHash(id: string, method: string): Promise<string | undefined>;
  /** Makes the NAR of a finished upload fetchable under its file hash. Idempotent. Call before the StoreItemAdded event is appended. */
  publish(id: string): Promise<void>;
  abandon(id: string): Promise<void>;
  /** What is being uploaded, or waits for the report of the build that made it. */
  underWay(): Iterable<Pick<UploadDeclaration, 'path' | 'references'>>;
  /** The published file with this hash (`sha256:…`) and compression, for reading; `undefined` if it is not there. Checked on disk at each call. */
  open(file: Pick<StoreItem['file'], 'hash' | 'compression'>): Promise<PoolFile | undefined>;
  /** Whether the file is there with the right size. */
  has(file: StoreItem['file']): Promise<boolean>;
  /**
   * Reads the whole file of an item and holds it against all that is said of it: hash and size of the file, and of the NAR in it, which
   * has to be well-formed, and its references where nothing else vouches for them (an item with a `ca` is vouched for by its path). Off
   * the main thread, a few at a time. `undefined` if all is right. Rejects with `pool-unavailable` where that cannot be said now, as where the
   * process has no descriptors left: then nothing is wrong with the file.
   */
  check(item: Omit<StoreItem, 'signatures'>, wish?: CheckWish): Promise<FileFault | undefined>;
  /** What is in the NAR of an item, as `.ls` of a binary cache has it; `undefined` where its file is not there or damaged. */
  listing(item: Pick<StoreItem, 'file' | 'narSize'>): Promise<{ readonly text: string } | 'too-long' | undefined>;
  remove(file: StoreItem['file']): Promise<void>;
  /** Bytes that it has room for still; `undefined` where nothing says so. */
  freeBytes(): Promise<number | undefined>;
  /**
   * Removes published files whose hash `isKnown` denies, and uploads too old; called at each start of a coordinator. Returns what went.
   * From then on an upload of a `path` for which `isAwaited` holds is kept, however old it is.
   */
  sweep(
    isKnown: (fileHash: string) => boolean,
    isAwaited?: (path: string) => boolean,
  ): Promise<{ readonly files: number; readonly bytes: number; readonly uploads: number }>;
}

export interface PoolFile {
  /** Its path, relative to the folder of the published files. */
  readonly name: string;
  readonly size: number;
  /** Milliseconds since the Unix epoch. */
  readonly modified: number;
  /** Whether its bytes were verified not long ago, and the file was not touched since. */
  readonly verified: boolean;
  /**
   * Bytes [start, end). Where all of a file that is not `verified` is read, it is verified meanwhile: with wrong bytes reading
   * fails with {@link FileDamaged} before its end, and never ends well.
   */
  pieces(start: number, end: number): Promise<Pieces>;
  /** The same as a stream, for whom they need not be fast. */
  read(start: number, end: number): NodeJS.ReadableStream;
}

/** Bytes that are read piece by piece, into memory that its reader has. They have to be closed. */
export interface Pieces {
  /** Puts the next bytes at the start of `into`, and says how many they are: 0 at the end. One at a time. */
  next(into: Uint8Array): Promise<number>;
  close(): Promise<void>;
  /**
   * Where they need not be verified: the file that they are of, by a name that no other bytes have, and the place in it of what comes next. Who has
   * that from another reader of the same file goes on after it.
   */
  readonly of?: { readonly name: string; at: number };
}
