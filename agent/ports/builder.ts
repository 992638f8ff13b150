import type { FailureClass } from '../../domain/build/failure-class.ts';
import type { Derivation } from '../../domain/store/derivation.ts';

/**
 * What an agent needs of the program that builds (Nix, Guix) and of the store beside it. Paths are full store paths.
 *
 * Nothing here ever builds or substitutes an input: what `build` needs must be valid in the store before.
 */
export interface Builder extends AsyncDisposable {
  readonly storeDir: string;
  /** Program and version, for people: `nix 2.8.0`. */
  describe(): Promise<string>;
  /** What it runs with now: nothing of an earlier answer, nor of how the store was then, is kept. */
  circumstances(): Promise<BuilderCircumstances>;
  /** Begins an attempt: what the session holds is safe from the store's garbage collector until it is disposed. */
  open(signal: AbortSignal): Promise<BuilderSession>;
  /** Those of `paths` that are not valid in the store. */
  missing(paths: readonly string[], signal?: AbortSignal): Promise<readonly string[]>;
  /** How items come into the store: it takes their NARs, or fetches them itself. */
  readonly intake: NarIntake | SubstituteIntake;
  /** What the store has of these counts as missing from now on, until it is brought again, which then replaces it. */
  distrust(paths: readonly string[]): void;
  /** Rejects where the store itself is damaged, as far as that can be seen, with what to do about it. */
  checkStore(): Promise<void>;
  /** Removes what a build that died has left besides items, where it can be seen. No build of the derivation may be under way. Never rejects. */
  tidy(derivationPath: string): Promise<void>;
  /** `undefined` if the path is not valid. */
  pathInfo(path: string, signal?: AbortSignal): Promise<PathInfo | undefined>;
  /** The NAR of a valid path: `info.narSize` bytes. */
  dump(info: PathInfo, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A store that takes what its agent brings, and trusts it. */
export interface NarIntake {
  readonly by: 'nars';
  /**
   * Adds an item whose references are valid. `nar` has been verified as far as it has been read; if it throws, nothing is
   * added and the error is passed on.
   */
  addItem(item: NewItem, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
}

/**
 * A store whose daemon trusts the keys of caches, and no agent: it fetches items itself, from the cache that its builder was told. It builds
 * derivations that lie in it, with all derivations and sources that these are made of.
 */
export interface SubstituteIntake {
  readonly by: 'substitutes';
  /**
   * Has the daemon fetch what is not valid of these full paths, and what they refer to; nothing is built for that. Rejects where one of
   * them does not come.
   */
  substitute(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** Adds a text under its content address; gives its full path. What it refers to (full paths) has to be valid. */
  addText(name: string, text: Uint8Array, references: readonly string[], signal: AbortSignal): Promise<string>;
  /** Adds a NAR without references under its content address; gives its full path. It is held in memory. */
  addSource(name: string, nar: Uint8Array, signal: AbortSignal): Promise<string>;
}

export interface BuilderCircumstances {
  /** Whether the daemon trusts this agent; `undefined` where it does not say. */
  readonly trusted?: boolean;
  /** Version, store, sandbox and so on, by name, for people. */
  readonly details: Readonly<Record<string, string>>;
}

/** One attempt's stay in the store. */
export interface BuilderSession extends AsyncDisposable {
  /** Keeps these paths, valid or to become so, and thereby their closures. */
  hold(paths: readonly string[]): Promise<void>;
  /** Builds; resolves once no process of the build is left. Rejects with {@link BuilderError} only where the builder itself failed. */
  build(request: BuildRequest): Promise<BuildOutcome>;
}

export interface BuildRequest {
  /** Full store path of the derivation; the file need not be there, unless the store takes items by substitutes only. */
  readonly derivationPath: string;
  readonly derivation: Derivation;
  /** Sources and outputs of input derivations that it needs directly. */
  readonly inputs: readonly string[];
  readonly timeoutSeconds: number;
  readonly maxSilentSeconds: number;
  readonly maxLogBytes: number;
  /** Aborting kills the build. */
  readonly signal: AbortSignal;
  /** Called with each piece of the log, in order; a promise holds the builder back until it resolves. */
  readonly onLog: (chunk: Uint8Array) => void | Promise<void>;
}

export type BuildOutcome =
  | { readonly status: 'built'; readonly durationMs: number }
  | {
      readonly status: 'failed';
      readonly class: FailureClass;
      readonly message: string;
      /** The builder said that the machine's store itself is damaged. */
      readonly storeDamaged?: boolean;
      /** It was killed, and nobody can say that this was the builder's own doing. */
      readonly killed?: boolean;
    }
  | { readonly status: 'canceled' };

/** What the store is told of an item. */
export interface NewItem {
  readonly path: string;
  /** `sha256:<nix-base32>`. */
  readonly narHash: string;
  readonly narSize: number;
  /** Full store paths. */
  readonly references: readonly string[];
  readonly deriver?: string;
  /** Content address, as in a narinfo. */
  readonly ca?: string;
  /** `<key name>:<base64>`. */
  readonly signatures: readonly string[];
}

export interface PathInfo {
  readonly path: string;
  /** `sha256:<nix-base32>`. */
  readonly narHash: string;
  readonly narSize: number;
  /** Full store paths, sorted; the item itself included where it refers to itself. */
  readonly references: readonly string[];
  readonly deriver?: string;
  /** Content address, as in a narinfo. */
  readonly ca?: string;
}

export const builderErrorCodes = ['unavailable', 'protocol', 'refused', 'disk-full', 'aborted'] as const;
export type BuilderErrorCode = (typeof builderErrorCodes)[number];

/** The builder could not do what it was asked. `code` survives copies of the package. */
export class BuilderError extends Error {
  override readonly name = 'BuilderError';
  readonly code: BuilderErrorCode;
  /** Whose failure it is; where the builder did not say, the machine's. */
  readonly failure: FailureClass;
  /** It said that the machine's store itself is damaged. */
  readonly storeDamaged: boolean;
  constructor(
    code: BuilderErrorCode,
    message: string,
    options: ErrorOptions & { failure?: FailureClass; storeDamaged?: boolean } = {},
  ) {
    super(message, options);
    this.code = code;
    this.storeDamaged = options.storeDamaged ?? false;
    this.failure = options.failure ?? (code === 'disk-full' ? 'disk-full' : 'agent-error');
  }
}

export function isBuilderError(error: unknown): error is BuilderError {
  return error instanceof Error && error.name === 'BuilderError' && 'code' in error;
}
